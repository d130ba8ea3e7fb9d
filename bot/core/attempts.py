"""How often somebody may try something within an hour; every attempt counts, however it ends.

It is kept in memory alone: a stranger cannot restart the bot, and there is no more to be kept of
members than there was.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from bot.core.errors import TooMuch

WINDOW_SECONDS = 3600.0
MAX_REMEMBERED = 10_000  # keys, of which each has had an attempt within the hour


class AttemptLimit:
    """Counts the attempts of each key; `clock` tells seconds."""

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
        return (
            f"A server and a member may each add {self._most} books an hour, failed ones included, "
            f"and that limit is reached. Try again in {minutes} min."
        )
