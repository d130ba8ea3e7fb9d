"""Who may send us a body, and the body: the cheapest questions first.

Whatever does not depend on what a body says is asked before any of it is read, so that a client
who is over its limits costs no more than a head.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import hdrs, web

from bot.core.records import Asker
from bot.web.errors import BodyTooSlow, Compressed, NotJson
from bot.web.limits import ClientLimits
from bot.web.security import ClientAddresses, HostGuard

MAX_BODY_BYTES = 64 * 1024  # a seed of 10,000 characters of any script, and room for the rest
VISITORS = "web"  # all together share rows as one guild does: an address costs nothing


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
