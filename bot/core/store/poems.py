"""Rows about poems: which messages show half of one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.core.shards import ALL_SHARDS, ShardRange
from bot.core.store.any_database import AnyDatabase

MAX_DIGITS = 20  # of a number of Discord's, which has 64 bits


@dataclass(frozen=True, slots=True)
class HalfPoem:
    """Where an unfinished poem is shown, by Discord's numbers."""

    message: int
    channel: int
    guild: int | None  # None for a direct message


class PoemStore:
    """Half poems; every writing method is one transaction and raises DataNotKept."""

    def __init__(self, database: AnyDatabase, shard_range: ShardRange = ALL_SHARDS) -> None:
        self._database = database
        self._shard_range = shard_range

    async def keep(self, begun: Collection[HalfPoem], ended: Collection[HalfPoem]) -> None:
        """Add what was begun, and drop what has ended."""
        async with self._database.transaction() as run:
            for half in begun:
                numbers = (str(half.message), str(half.channel), str(half.guild or ""))
                await run(
                    "INSERT INTO unfinished VALUES (?, ?, ?) ON CONFLICT (message) "
                    "DO UPDATE SET channel = excluded.channel, guild = excluded.guild",
                    *numbers,
                )
            for half in ended:
                await run("DELETE FROM unfinished WHERE message = ?", str(half.message))

    async def halves(self) -> Sequence[HalfPoem]:
        """Return the half poems in the guilds of this process, the oldest first."""
        rows = await self._database.fetch("SELECT message, channel, guild FROM unfinished")
        found = [
            HalfPoem(int(row["message"]), int(row["channel"]), int(row["guild"] or 0) or None)
            for row in rows
            if all(_is_number(row[name]) for name in ("message", "channel"))
            and (not row["guild"] or _is_number(row["guild"]))
            and self._shard_range.owns(row["guild"])
        ]
        return sorted(found, key=lambda half: half.message)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
