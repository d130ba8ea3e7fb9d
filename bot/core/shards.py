"""Which guilds belong to this process, where several share them.

Discord deals guilds out to shards by their numbers; a process takes a run of shards. Everything
that belongs to no guild (direct messages, shared models) goes with shard 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.core.errors import BadConfig

MAX_SHARDS = 10_000
GUILD_SHIFT = 22  # the bits of a number below its time of birth; Discord deals by the rest


@dataclass(frozen=True, slots=True)
class ShardRange:
    """Shards `first` to `last` of `total`."""

    first: int
    last: int
    total: int

    @classmethod
    def read(cls, text: str) -> ShardRange:
        """Read "0-3/8", or "5/8" for one shard; raise BadConfig.

        >>> ShardRange.read("0-3/8"), str(ShardRange.read("5/8"))
        (ShardRange(first=0, last=3, total=8), '5/8')
        """
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?/(\d{1,5})", text.strip())
        if match is not None:
            first, total = int(match[1]), int(match[3])
            last = int(match[2]) if match[2] else first
            if first <= last < total <= MAX_SHARDS:
                return cls(first, last, total)
        raise BadConfig(
            f"--shards is {text!r}; it must be the first and the last of this process and how "
            f"many there are in all, such as 0-3/8 and 4-7/8 (at most {MAX_SHARDS:,})."
        )

    def __str__(self) -> str:
        run = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{run}/{self.total}"

    @property
    def ids(self) -> range:
        return range(self.first, self.last + 1)

    def owns(self, guild: str) -> bool:
        """Whether a guild belongs to this process.

        >>> whole, half = ShardRange(0, 0, 1), ShardRange(1, 1, 2)
        >>> whole.owns(""), half.owns(""), half.owns(str(1 << 22)), half.owns(str(2 << 22))
        (True, False, True, False)
        """
        return (int(guild) >> GUILD_SHIFT if guild.isdecimal() else 0) % self.total in self.ids


ALL_SHARDS = ShardRange(0, 0, 1)
