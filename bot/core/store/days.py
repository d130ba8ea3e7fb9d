"""Rows about poems of the day: which day's was the latest in each server."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.store.any_database import KEEP_GUILD, AnyDatabase

LOST = "lost"  # in place of a message: nobody knows whether it was sent, and it is not sent again


@dataclass(frozen=True, slots=True)
class SentDay:
    """The latest poem of the day in a server."""

    day: str  # where it was sent: ISO 8601
    message: str  # its first message; "" while it is being sent


class DayStore:
    """Poems of the day; every writing method is one transaction and raises DataNotKept."""

    def __init__(self, database: AnyDatabase) -> None:
        self._database = database

    async def sent(self) -> dict[str, SentDay]:
        """Return the latest day of each guild."""
        rows = await self._database.fetch("SELECT guild, day, message FROM days")
        return {row["guild"]: SentDay(row["day"], row["message"]) for row in rows}

    async def keep(self, guild: str, sent: SentDay) -> None:
        async with self._database.transaction(guild) as run:
            await run(KEEP_GUILD, guild)
            await run(
                "INSERT INTO days VALUES (?, ?, ?) ON CONFLICT (guild) "
                "DO UPDATE SET day = excluded.day, message = excluded.message",
                *(guild, sent.day, sent.message),
            )
