"""A few places for slow work that everybody shares: who gets the next one, and for how long.

The next place goes to whoever had one longest ago, among equals to whoever waits longest. While
others wait, a turn is short: as many as wait can end the longest ones. So neither those who come
again and again nor those whose work never ends keep the next one out.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.core.errors import TooMuch

TURN_SECONDS = 10.0  # a book of a site that is well takes one or two
WAIT_SECONDS = 60.0
MAX_REMEMBERED = 10_000  # keys; whoever was longest away is forgotten, and counts as new


@dataclass(eq=False)
class _Waiting:
    """Somebody in line; `granted` is done once they have a place."""

    keys: Sequence[str]
    granted: asyncio.Future[None]


@dataclass(eq=False)
class _Holding:
    """Somebody who has a place since `began`; `cutoff` is when they lose it."""

    cutoff: asyncio.Timeout
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())


class Slots:
    """`count` places; times in seconds of the loop."""

    def __init__(
        self,
        count: int,
        *,
        turn_seconds: float = TURN_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._free = count
        self._turn_seconds = turn_seconds
        self._wait_seconds = wait_seconds
        self._waiting: list[_Waiting] = []
        self._holding: list[_Holding] = []  # the longest first
        self._turns: OrderedDict[str, int] = OrderedDict()  # key → its latest turn
        self._latest = 0

    @asynccontextmanager
    async def turn(self, *keys: str) -> AsyncIterator[None]:
        """Have a place, under the names that are to share turns, such as a guild and a member.

        Raises TooMuch where there was none in time, or where others needed this one.
        """
        await self._wait(keys)
        try:
            async with asyncio.timeout(None) as cutoff:
                holding = _Holding(cutoff)
                self._holding.append(holding)
                self._set_cutoffs()
                try:
                    yield
                finally:
                    self._holding.remove(holding)
        except TimeoutError as error:
            if not cutoff.expired():
                raise
            raise TooMuch(
                f"That took longer than {self._turn_seconds:g} s, and other servers are waiting "
                "for their books. Try again in a few minutes, or attach the file."
            ) from error
        finally:
            self._release()

    async def _wait(self, keys: Sequence[str]) -> None:
        waiting = _Waiting(keys, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._grant()
        try:
            async with asyncio.timeout(self._wait_seconds):
                await waiting.granted
        except BaseException as error:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._set_cutoffs()
            elif waiting.granted.done() and not waiting.granted.cancelled():
                self._release()  # it came too late
            if isinstance(error, TimeoutError):
                raise TooMuch(
                    "I am fetching books for other servers, and your turn did not come within "
                    f"{self._wait_seconds:g} s. Try again in a few minutes."
                ) from error
            raise

    def _release(self) -> None:
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        while self._free and self._waiting:
            chosen = min(self._waiting, key=self._latest_turn)  # the first among equals
            self._waiting.remove(chosen)
            if chosen.granted.done():
                continue  # cancelled, and has not run since
            self._free -= 1
            self._note(chosen.keys)
            chosen.granted.set_result(None)
        self._set_cutoffs()

    def _latest_turn(self, waiting: _Waiting) -> int:
        return max((self._turns.get(key, 0) for key in waiting.keys), default=0)

    def _note(self, keys: Sequence[str]) -> None:
        self._latest += 1
        for key in keys:
            self._turns[key] = self._latest
            self._turns.move_to_end(key)
        while len(self._turns) > MAX_REMEMBERED:
            self._turns.popitem(last=False)

    def _set_cutoffs(self) -> None:
        """Let as many turns end as others wait for, the longest ones first."""
        for place, holding in enumerate(self._holding):
            ends = holding.began + self._turn_seconds
            if not holding.cutoff.expired():
                holding.cutoff.reschedule(ends if place < len(self._waiting) else None)
