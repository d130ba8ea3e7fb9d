"""Fifty requests a second are what Discord takes from a bot, on all its servers together.

discord.py waits only when Discord has refused a request, and then lets all that wait go at once;
and whoever has ten thousand refused in ten minutes is shut out for a while. So requests take turns
here before they are sent. Answers to interactions do not count there, nor here.
"""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace

import aiohttp

PER_SECOND, BURST = 44.0, 5  # so that no second has more than fifty
SHORT_SECONDS = 0.5


class Budget:
    """The requests of one process, by the generic cell rate algorithm (ITU-T I.371).

    `share` is the process's part of the bot.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._seconds = 1.0 / (PER_SECOND * share)  # of a request
        self._slack = max(BURST * share, 1.0) * self._seconds
        self._spent = -math.inf  # until then the seconds are given away
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def is_short(self) -> bool:
        """Whether requests wait so long that those which can be spared are better not made."""
        return self._waiting * self._seconds > SHORT_SECONDS

    async def spend(self) -> None:
        """Wait for the turn of a request."""
        self._waiting += 1
        try:
            async with self._turn:
                now = asyncio.get_running_loop().time()
                spent = max(self._spent, now - self._slack) + self._seconds
                if spent > now:
                    await asyncio.sleep(spent - now)
                self._spent = spent
        finally:
            self._waiting -= 1

    async def before_request(
        self,
        session: aiohttp.ClientSession,
        _: SimpleNamespace,
        start: aiohttp.TraceRequestStartParams,
    ) -> None:
        """Let discord.py's HTTP client wait; see `aiohttp.TraceConfig.on_request_start`.

        What bears no token does not count: answers to interactions, files, the gateway.
        """
        if "Authorization" in start.headers:
            await self.spend()
            if session.closed:
                raise aiohttp.ClientConnectionError("the bot was closed meanwhile")
