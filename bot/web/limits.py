"""How much one client may ask for: poems at once, poems a minute, and anything at all a second.

A whole venue may share one address, so the first two are settings; 0 turns a limit off.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.web.errors import TooManyAtOnce, TooManyPoems

MAX_REMEMBERED_CLIENTS = 10_000
REQUESTS_PER_SECOND = 100.0  # of one client; an answer takes half a millisecond of the event loop
BURST = 20.0  # requests that may come at once: a page is fifteen files
MAX_BEHIND_SECONDS = 1.0  # how long a request is kept at the most


class ClientLimits:
    """Counts poems by client; a minute's allowance refills evenly (a token bucket)."""

    def __init__(
        self,
        *,
        max_at_once: int,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_at_once = max_at_once
        self._per_minute = per_minute
        self._clock = clock
        self._at_once: Counter[str] = Counter()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # allowance, when

    @contextmanager
    def poem(self, client: str) -> Iterator[None]:
        """Count one poem for as long as it is being written.

        Raises TooManyAtOnce or TooManyPoems.
        """
        if self._max_at_once and self._at_once[client] >= self._max_at_once:
            raise TooManyAtOnce(self._max_at_once)
        if self._per_minute:
            self._spend(client)
        self._at_once[client] += 1
        try:
            yield
        finally:
            self._at_once[client] -= 1
            if not self._at_once[client]:
                del self._at_once[client]

    def _spend(self, client: str) -> None:
        now = self._clock()
        left, when = self._left.pop(client, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - when) * self._per_minute / 60)
        affordable = left >= 1
        self._left[client] = (left - 1 if affordable else left, now)
        while len(self._left) > MAX_REMEMBERED_CLIENTS:
            self._left.popitem(last=False)
        if not affordable:
            raise TooManyPoems(self._per_minute, math.ceil((1 - left) * 60 / self._per_minute))


class RequestThrottle:
    """Spreads one client's requests out in time, so that the loop has room for those of others.

    Nobody is refused: what comes too fast is answered later (GCRA, ITU-T I.371). `clock` tells
    seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()  # when the next is, the oldest first

    def wait_seconds(self, client: str) -> float:
        """Count a request and return how long it has to wait."""
        now = self._clock()
        earliest = now - BURST / REQUESTS_PER_SECOND
        due = min(max(self._due.pop(client, earliest), earliest), now + MAX_BEHIND_SECONDS)
        self._due[client] = due + 1 / REQUESTS_PER_SECOND
        while len(self._due) > MAX_REMEMBERED_CLIENTS:
            self._due.popitem(last=False)
        return max(0.0, due - now)
