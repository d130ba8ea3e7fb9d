"""Rows about kept poems: where their copies are and who kept them. Nothing of a poem is stored."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.store.any_database import KEEP_GUILD, AnyDatabase

MAX_KEPT = 10_000  # poems of a server; the oldest are forgotten first, their copies stay


@dataclass(frozen=True, slots=True)
class KeptPoem:
    """A poem that members kept, by Discord's numbers."""

    channel: str = ""  # of its copy, "" where there is none yet
    copy: str = ""
    members: int = 0  # who kept it


class KeptStore:
    """Kept poems; every writing method is one transaction and raises DataNotKept."""

    def __init__(self, database: AnyDatabase) -> None:
        self._database = database

    async def keep(self, guild: str, message: str, member: str) -> bool:
        """Note that a member keeps a poem; return whether that is new."""
        async with self._database.transaction(guild) as run:
            await run(KEEP_GUILD, guild)
            kept = "INSERT INTO kept VALUES (?, ?, '', '') ON CONFLICT (message) DO NOTHING"
            await run(kept, message, guild)
            keeper = "INSERT INTO keepers VALUES (?, ?) ON CONFLICT (message, member) DO NOTHING"
            added = await run(keeper, message, member)
            await run(
                "DELETE FROM kept WHERE guild = ? AND message NOT IN (SELECT message FROM kept "
                "WHERE guild = ? ORDER BY length(message) DESC, message DESC LIMIT ?)",
                *(guild, guild, MAX_KEPT),
            )
        return added.count > 0

    async def find(self, message: str) -> KeptPoem:
        rows = await self._database.fetch(
            "SELECT channel, copy, (SELECT count(*) FROM keepers WHERE message = ?) AS members "
            "FROM kept WHERE message = ?",
            *(message, message),
        )
        return (
            KeptPoem(rows[0]["channel"], rows[0]["copy"], rows[0]["members"])
            if rows
            else KeptPoem()
        )

    async def set_copy(self, message: str, channel: str, copy: str) -> None:
        await self._database.execute(
            "UPDATE kept SET channel = ?, copy = ? WHERE message = ?", channel, copy, message
        )

    async def drop(self, message: str) -> None:
        """Forget a poem and who kept it."""
        await self._database.execute("DELETE FROM kept WHERE message = ?", message)
