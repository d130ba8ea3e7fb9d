"""Who may send us a body, how much one client may ask for, and the body itself.

The cheapest checks come first: everything that does not depend on the body is checked before any
of it is read, so that a client over its limits costs no more than its headers.

The limits are poems at once, poems a minute, and any requests a second. A whole venue may share one
address, so the first two are settings; 0 turns a limit off.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import hdrs, web

from bot.core.fairness import Paces
from bot.core.records import Asker
from bot.web.errors import BodyTooSlow, Compressed, Counted, NotJson, TooManyAtOnce, TooManyPoems
from bot.web.security import ClientAddresses, HostGuard

MAX_BODY_BYTES = 64 * 1024  # a seed of 10,000 characters of any script, and room for the rest
VISITORS = "web"  # all together share rows as one guild does: an address costs nothing
REQUESTS_PER_SECOND = 100.0  # of one client; an answer takes half a millisecond of the event loop
SCANSIONS_PER_POEM = 10  # lines that are looked at, for each poem that a client may ask for
WRONG_CODES_PER_MINUTE = 20  # of rooms; one of 47 million is right
BURST = 30.0  # requests that may come at once: a page is twenty files
MAX_BEHIND_SECONDS = 1.0  # how long a request is kept at the most


@dataclass(frozen=True, slots=True)
class Admission:
    """Takes requests with a body in; a picture counts as a poem against a client's limits."""

    hosts: HostGuard
    clients: ClientAddresses
    limits: ClientLimits
    max_body_seconds: float

    @contextmanager
    def admit(self, request: web.Request) -> Iterator[Asker]:
        """Count a request while it is answered; yields who asks. Raises RequestRefused."""
        self.hosts.check_origin(request)
        if request.content_type != "application/json":  # no page of another site can send it
            raise NotJson(request.headers.get(hdrs.CONTENT_TYPE, ""))
        if encoding := request.headers.get(hdrs.CONTENT_ENCODING):
            raise Compressed(encoding)
        if (request.content_length or 0) > MAX_BODY_BYTES:  # need not come first
            raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length or 0)
        client = self.clients.client(request)
        with self.limits.poem(client):
            yield Asker(member=f"web:{client}", guild=VISITORS)

    async def read(self, request: web.Request) -> bytes:
        """Return the body; raise BodyTooSlow."""
        try:
            async with asyncio.timeout(self.max_body_seconds):
                return await request.read()
        except TimeoutError as error:
            raise BodyTooSlow(self.max_body_seconds) from error


class ClientLimits:
    """Counts poems by client; a minute's allowance refills evenly."""

    def __init__(
        self,
        *,
        max_at_once: int,
        per_minute: int,
        what: Counted = "poem",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._max_at_once = max_at_once
        self._per_minute = per_minute
        self._clock = clock
        self._at_once: Counter[str] = Counter()
        self._paces = Paces(per_minute / 60, per_minute) if per_minute else None

    def check_pace(self, client: str) -> None:
        """Raise TooManyPoems where another one now is one too many; counts nothing."""
        if self._paces is not None and (wait := self._paces.of(client).wait_seconds(self._clock())):
            raise TooManyPoems(self._per_minute, math.ceil(wait), self._what)

    def spend(self, client: str) -> None:
        """Count one of a client's minute."""
        if self._paces is not None:
            self._paces.of(client).spend(self._clock())

    @contextmanager
    def poem(self, client: str) -> Iterator[None]:
        """Count one poem for as long as it is being written.

        Raises TooManyAtOnce or TooManyPoems.
        """
        if self._max_at_once and self._at_once[client] >= self._max_at_once:
            raise TooManyAtOnce(self._max_at_once)
        self.check_pace(client)
        self.spend(client)
        self._at_once[client] += 1
        try:
            yield
        finally:
            self._at_once[client] -= 1
            if not self._at_once[client]:
                del self._at_once[client]


class RequestThrottle:
    """Spreads one client's requests out in time, so that the loop has room for those of others.

    No request is refused: what comes too fast is answered later. `clock` tells seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._paces = Paces(REQUESTS_PER_SECOND, BURST)

    def wait_seconds(self, client: str) -> float:
        """Count a request and return how long it has to wait."""
        now, pace = self._clock(), self._paces.of(client)
        wait = min(pace.wait_seconds(now), MAX_BEHIND_SECONDS)
        pace.spend(now, latest=now + MAX_BEHIND_SECONDS)
        return wait
