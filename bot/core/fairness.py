"""What keeps one member or guild from taking everything: pauses, attempts, paces and turns.

`Cooldowns`, `AttemptLimit` and `Pace` limit how often somebody asks. `Slots` and `FairThread` give
turns at what only a few can have at once. The queue of poems is in `fair_queue`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from bot.core.errors import TooMuch
from bot.core.guild_settings import COOLDOWN
from bot.core.languages import sentence

WINDOW_SECONDS = 3600.0
TURN_SECONDS = 10.0  # a book from a healthy site takes one or two
WAIT_SECONDS = 60.0
MAX_REMEMBERED = 10_000  # keys; those away for longest are forgotten, and count as new

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Cooldowns:
    """The pause between two poems of a member; `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: OrderedDict[str, float] = OrderedDict()  # the earliest first

    def left_seconds(self, member: str, pause_seconds: float) -> float:
        """Return how much of the pause since a member's latest poem is left, 0 if nothing."""
        began = self._began.get(member)
        return 0.0 if began is None else max(0.0, pause_seconds - (self._clock() - began))

    def begin(self, member: str, now: float) -> None:
        self._began[member] = now
        self._began.move_to_end(member)
        while now - next(iter(self._began.values())) >= COOLDOWN.high:
            self._began.popitem(last=False)

    def forgive(self, member: str, began: float) -> None:
        """Drop a pause, unless another one has begun since."""
        if self._began.get(member) == began:
            del self._began[member]


class AttemptLimit:
    """Counts the attempts of each key within an hour, however they end; `clock` tells seconds.

    It is kept in memory only: a stranger cannot restart the bot, and less is stored of members.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._attempts: OrderedDict[str, deque[float]] = OrderedDict()

    def spend(self, *keys: str) -> None:
        """Count an attempt for each of the keys, or raise TooMuch where one has none left."""
        now = self._clock()
        kept = [self._recent(key, now) for key in keys]
        for attempts in kept:
            if len(attempts) >= self._most:
                raise TooMuch(self._refusal(attempts, now))
        for key, attempts in zip(keys, kept, strict=True):
            attempts.append(now)
            self._attempts[key] = attempts
            self._attempts.move_to_end(key)
        while len(self._attempts) > MAX_REMEMBERED:
            self._attempts.popitem(last=False)

    def _recent(self, key: str, now: float) -> deque[float]:
        attempts = self._attempts.get(key, deque())
        while attempts and now - attempts[0] >= WINDOW_SECONDS:
            attempts.popleft()
        return attempts

    def _refusal(self, attempts: deque[float], now: float) -> str:
        wait = WINDOW_SECONDS - (now - attempts[0]) if attempts else WINDOW_SECONDS
        minutes = max(1, math.ceil(wait / 60))
        return sentence(
            "A server and a member may each add {most} books an hour, failed ones included, and "
            "that limit is reached. Try again in {minutes} min.",
            most=self._most,
            minutes=minutes,
        )


class Pace:
    """Spreads events evenly, after `burst` at once: generic cell rate algorithm, ITU-T I.371."""

    __slots__ = ("_due", "_interval_seconds", "_slack_seconds")

    def __init__(self, per_second: float, burst: float) -> None:
        self._interval_seconds = 1.0 / per_second
        self._slack_seconds = (burst - 1.0) * self._interval_seconds
        self._due = -math.inf  # when the next event is due

    def wait_seconds(self, now: float) -> float:
        """Return how long the next event has to wait, 0 for not at all."""
        return max(0.0, self._due - now)

    def spend(self, now: float, latest: float = math.inf) -> None:
        """Count an event that takes place at the earliest time allowed, at `latest` if later."""
        due = min(max(self._due, now - self._slack_seconds), latest)
        self._due = due + self._interval_seconds


class Paces:
    """A pace for each key."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._settings = per_second, burst
        self._paces: OrderedDict[str, Pace] = OrderedDict()  # the latest last

    def of(self, key: str) -> Pace:
        pace = self._paces.pop(key, None) or Pace(*self._settings)
        self._paces[key] = pace
        while len(self._paces) > MAX_REMEMBERED:
            self._paces.popitem(last=False)
        return pace


@dataclass(eq=False)
class _Waiting:
    """A caller in the queue; `granted` is done once it has a place."""

    keys: Sequence[str]
    granted: asyncio.Future[None]


@dataclass(eq=False)
class _Holding:
    """A caller that has a place since `began`; `cutoff` is when it loses it."""

    cutoff: asyncio.Timeout
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())


class Slots:
    """`count` places for slow work; times in seconds of the loop.

    The next place goes to the key that had one longest ago, among equals to the longest wait.
    While others wait, a turn is short: as many as wait can end the longest ones. So neither
    callers that come again and again nor work that never ends keeps others out.
    """

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
        """Hold a place, under the keys that share turns, such as a guild and a member.

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
                sentence(
                    "That took longer than {seconds:g} s, and other servers are waiting for their "
                    "books. Try again in a few minutes, or attach the file.",
                    seconds=self._turn_seconds,
                )
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
                    sentence(
                        "I am fetching books for other servers, and your turn did not come within "
                        "{seconds:g} s. Try again in a few minutes.",
                        seconds=self._wait_seconds,
                    )
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


class FairThread:
    """Runs functions on a thread, one at a time.

    One thread, as all threads share Python's lock: with more of them the event loop would wait
    longer for it. Callers wait in turns by key, so that one with much work does not keep out
    others with little.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._busy = self._closed = False

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def run(
        self,
        key: str,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Return what `function` does, called on the thread; after `close`, called here."""
        async with self._turn(key):
            if self._closed:
                return function(*args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, lambda: function(*args, **kwargs)
            )

    def close(self) -> None:
        """Give the thread back. Little is left to do then, and no one else waits."""
        self._closed = True
        self._thread.shutdown(wait=False)

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        if self._busy:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(key, deque()).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():  # it came at the same moment
                    self._pass_on()
                raise
        self._busy = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """Give the turn to the first who waits, of the key whose last turn is longest ago."""
        self._busy = False
        while self._waiting and not self._busy:
            key, turns = next(iter(self._waiting.items()))
            turn = turns.popleft()
            if turns:
                self._waiting.move_to_end(key)
            else:
                del self._waiting[key]
            if not turn.done():
                self._busy = True
                turn.set_result(None)
