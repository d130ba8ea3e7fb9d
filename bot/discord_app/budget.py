"""Fifty requests a second are what Discord takes from a bot, on all its servers together.

discord.py waits only when Discord has refused a request, and then lets all that wait go at once;
and whoever has ten thousand refused in ten minutes is shut out for a while. So requests take turns
here before they are sent. Answers to interactions do not count there, nor here.
"""

from __future__ import annotations

import asyncio
import math
import re
from types import SimpleNamespace

import aiohttp

PER_SECOND, BURST = 45.0, 5  # so that no second has more than fifty
SHORT_SECONDS = 0.5
_FREE = re.compile(r"/(interactions|webhooks)/")


class Budget:
    """The requests of one bot, by the generic cell rate algorithm (ITU-T I.371)."""

    def __init__(self, per_second: float = PER_SECOND, burst: int = BURST) -> None:
        self._seconds = 1.0 / per_second  # of a request
        self._slack = burst * self._seconds
        self._spent = -math.inf  # until then the seconds are given away

    @property
    def is_short(self) -> bool:
        """Whether requests wait so long that those which can be spared are better not made."""
        return self._spent - asyncio.get_running_loop().time() > SHORT_SECONDS

    async def spend(self) -> None:
        """Wait for the turn of a request."""
        now = asyncio.get_running_loop().time()
        self._spent = max(self._spent, now - self._slack) + self._seconds
        if self._spent > now:
            await asyncio.sleep(self._spent - now)

    async def before_request(
        self,
        _: aiohttp.ClientSession,
        __: SimpleNamespace,
        start: aiohttp.TraceRequestStartParams,
    ) -> None:
        """Let discord.py's HTTP client wait; see `aiohttp.TraceConfig.on_request_start`."""
        if not _FREE.search(start.url.path):
            await self.spend()
