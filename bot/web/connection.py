"""One connection: aiohttp's, with an end to its patience and a plain answer to what is no HTTP.

aiohttp waits for a request's head as long as it rests between two, and for a reader for ever. Here
a head must come whole within `head_seconds` of its first byte (the first one: of the connection's
beginning), and a reader who takes nothing for `read_seconds` is given up with what it was to read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.web.answers import error_response, raw_error_response
from bot.web.errors import HeadersTooSlow, Malformed
from bot.web.security import HEADERS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What strangers may take of our time and room."""

    head_seconds: float = 10.0  # for a request's head; a phone on a bad line needs two or three
    idle_seconds: float = 75.0  # between two requests: more than proxies, so that they close first
    read_seconds: float = 30.0  # a reader who takes nothing for so long is given up
    linger_seconds: float = 2.0  # for the rest of a body nobody wants, so that the answer is read
    connections: int = 1000  # about 25 KB each: memory stays bounded
    per_client: int = 100  # browsers open six; a school behind one address has room


class Deadline:
    """Calls something late, unless it is called off; while it is set, the first time counts."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, act: Callable[[], None]) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, act)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Connection(web.RequestHandler):
    """Speaks HTTP with one client, `None` where that is a proxy for many."""

    def __init__(
        self,
        manager: web.Server,
        *,
        client: str | None,
        connection_limits: ConnectionLimits,
        **options: Any,
    ):
        super().__init__(manager, **options)
        self.client = client
        self._limits = connection_limits
        self._open_transport: asyncio.Transport | None = None  # until it is really closed
        self._head, self._reading = Deadline(), Deadline()
        self._heard = self._dropped = False

    @property
    def awaits_client(self) -> bool:
        """Tell whether it is the client that we wait for: a head, the rest of a body, reading."""
        request = self._current_request
        return (
            not self._heard
            or self._awaits_head
            or (request is not None and request.can_read_body)
            or self.writing_paused
            or (self._open_transport is not None and self._open_transport.is_closing())
        )

    def drop(self) -> None:
        """Close at once; what was still to be read is lost."""
        self._dropped = True
        if self._open_transport is not None:
            self._open_transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._open_transport = cast(asyncio.Transport, transport)
        self._head.set(self._limits.head_seconds, self._end_wait)
        super().connection_made(transport)
        if self._dropped:  # before it was wholly in
            self.drop()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._open_transport = None
        self._head.cancel()
        self._reading.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._heard = self._heard or bool(data)
        if self._awaits_head:
            self._head.set(self._limits.head_seconds, self._end_wait)
        else:
            self._head.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reading.cancel()

    async def start(self) -> None:
        """Answer requests; whatever of the answers is unread at the end has a last moment."""
        try:
            await super().start()
        finally:
            self._expect_reading()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP; strangers must not fill the log with it."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        log.debug("malformed request", exc_info=exc)
        response = error_response(Malformed())
        response.headers.update(HEADERS)
        response.force_close()
        return response

    @property
    def _awaits_head(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _expect_reading(self) -> None:
        if self._open_transport is not None:
            self._reading.set(self._limits.read_seconds, self.drop)

    def _end_wait(self) -> None:
        if self._heard and self._open_transport is not None:
            self._open_transport.write(
                raw_error_response(HeadersTooSlow(self._limits.head_seconds))
            )
        self.force_close()
