"""The page's own HTTP server: it accepts connections, limits them, and gives up on slow clients.

asyncio's server accepts a hundred connections at once and, when descriptors run out, logs a stack
for each of them every second; `WebServer` waits quietly until there are some again.

`BoundedServer` limits how many connections there are. No client is turned away while another one
keeps us waiting: the oldest connection of the same client (of any client, when the server is full)
that owes us a request, a body or reading is closed for the new one. So a thousand silent clients do
not keep out one that speaks. A trusted proxy brings many clients and is not a client itself: only
the limit of the whole server applies to it.

aiohttp waits for a request's headers as long as between two requests, and for a reader for ever. A
`Connection` gives up: headers must arrive whole within `head_seconds` of their first byte (for the
first request: of the connection's start), and a reader who takes nothing for `read_seconds` is
dropped.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, cast

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from bot.web.addresses import describe, listen
from bot.web.errors import (
    HeadersTooSlow,
    Malformed,
    RequestRefused,
    TooManyConnections,
    error_response,
)
from bot.web.security import HEADERS, ClientAddresses

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 3.0  # for answers under way; poems were ended by the service before
AT_ONCE = 64  # accepted before the connections that are open have their turn
RETRY_SECONDS = 0.1  # between two tries when descriptors have run out
TELL_SECONDS = 60.0  # between two lines in the log about that


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What strangers may take of our time and room."""

    head_seconds: float = 10.0  # for a request's head; a phone on a bad line needs two or three
    idle_seconds: float = 75.0  # between two requests: more than proxies, so that they close first
    read_seconds: float = 30.0  # a reader who takes nothing for so long is given up
    linger_seconds: float = 2.0  # for the rest of a refused body, so that the answer is read
    connections: int = 1000  # about 25 KB each: memory stays bounded
    per_client: int = 100  # browsers open six; a school behind one address has room


CLIENTS = web.AppKey("clients", ClientAddresses)
CONNECTION_LIMITS = web.AppKey("bounds", ConnectionLimits)


class BoundedRunner(web.AppRunner):
    """Serves an application from a BoundedServer."""

    async def _make_server(self) -> BoundedServer:
        made, connection_limits = (
            await super()._make_server(),
            within_descriptors(self.app[CONNECTION_LIMITS]),
        )
        return BoundedServer(
            made.request_handler,
            connection_limits=connection_limits,
            request_factory=made.request_factory,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=connection_limits.idle_seconds,
            lingering_time=connection_limits.linger_seconds,
            auto_decompress=False,  # no bomb can go off
        )


class WebServer:
    """An open page: its addresses, until `cleanup()`."""

    def __init__(self, runner: BoundedRunner, listeners: Sequence[socket.socket]) -> None:
        self._runner, self._server = runner, cast(BoundedServer, runner.server)
        self._clients = runner.app[CLIENTS]
        self._listeners = listeners
        self._told = -TELL_SECONDS
        self._entries: set[asyncio.Task[None]] = set()
        self._tasks = [asyncio.create_task(self._accept(listener)) for listener in listeners]

    @classmethod
    async def open(cls, app: web.Application, hosts: Sequence[str], port: int) -> WebServer:
        """Serve `app` on every address of `hosts`, see `listen`, until `cleanup`.

        Port 0 is any free one. Raises CannotListen.
        """
        listeners = await listen(hosts, port)
        runner = BoundedRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        return cls(runner, listeners)

    @property
    def addresses(self) -> list[Any]:
        return [listener.getsockname() for listener in self._listeners]

    @property
    def described(self) -> list[str]:
        """The addresses for readers."""
        return [describe(listener) for listener in self._listeners]

    @property
    def connections(self) -> int:
        """How many there are, including those that are ending."""
        return len(self._server.connections)

    async def cleanup(self) -> None:
        for task in self._tasks:
            task.cancel()
        endings = await asyncio.gather(*self._tasks, *self._entries, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await self._runner.cleanup()
        for ending in endings:
            if isinstance(ending, Exception):
                raise ending

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for number in itertools.count(1):
            try:
                client, address = await loop.sock_accept(listener)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._tell(error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            connection = self._server.enter(self._clients.peer(address[0]))
            if connection is None:
                _refuse(client)
            else:
                entry = asyncio.create_task(self._connect(client, connection))
                self._entries.add(entry)
                entry.add_done_callback(self._entries.discard)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)  # sock_accept does not wait while there are more

    async def _connect(self, client: socket.socket, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, client)
        except OSError:  # gone before it was in
            self._server.forget(connection)
            client.close()

    def _tell(self, error: OSError) -> None:
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            log.warning("new web connections have to wait: %s", error.strerror)


def within_descriptors(connection_limits: ConnectionLimits) -> ConnectionLimits:
    """Return bounds that leave half of the process's descriptors to the rest of the bot."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return connection_limits
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connection_limits
    return replace(
        connection_limits, connections=max(1, min(connection_limits.connections, soft // 2))
    )


Connections = dict["Connection", None]  # the oldest first


class BoundedServer(web.Server):
    """Makes the connections, and knows all there are."""

    def __init__(
        self, handler: Any, *, connection_limits: ConnectionLimits, **options: Any
    ) -> None:
        super().__init__(handler, **options)
        self._limits = connection_limits
        self._open: Connections = {}
        self._by_client: defaultdict[str | None, Connections] = defaultdict(dict)

    def enter(self, client: str | None) -> Connection | None:
        """Return one more connection, for which another may have to go; None: there is no room."""
        if client is not None and len(self._by_client.get(client, ())) >= self._limits.per_client:
            has_room = self._close_one(self._by_client[client])
        else:
            is_full = len(self._open) >= self._limits.connections
            has_room = not is_full or self._close_one(self._open)
        if not has_room:
            return None
        connection = Connection(
            self, client=client, connection_limits=self._limits, loop=self._loop, **self._kwargs
        )
        self._open[connection] = self._by_client[client][connection] = None
        return connection

    def forget(self, connection: Connection) -> None:
        """Take a connection for gone; it may have been taken for that before."""
        self._open.pop(connection, None)
        own = self._by_client[connection.client]
        own.pop(connection, None)
        if not own:
            del self._by_client[connection.client]

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.forget(cast(Connection, handler))

    async def shutdown(self, timeout: float | None = None) -> None:
        await super().shutdown(timeout)
        for connection in list(self._open):
            connection.drop()

    def _close_one(self, among: Connections) -> bool:
        """Close the oldest connection that owes us something; tell whether there was one."""
        idle = next((connection for connection in among if connection.awaits_client), None)
        if idle is None:
            return False
        self.forget(idle)  # now: the loop reports the loss a turn later
        idle.drop()
        return True


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
        """Answer requests; at the end, give the client a last moment to read the answers."""
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


def _refuse(client: socket.socket) -> None:
    with client, suppress(OSError):
        client.send(raw_error_response(TooManyConnections()))
        client.shutdown(socket.SHUT_WR)


def raw_error_response(error: RequestRefused) -> bytes:
    """Return the bytes of a last answer, for a connection that has brought no request."""
    response = error_response(error)
    body = cast(bytes, response.body)
    headers = {
        **response.headers,
        **HEADERS,
        hdrs.CONTENT_LENGTH: str(len(body)),
        hdrs.CONNECTION: "close",
    }
    phrase = HTTPStatus(response.status).phrase
    lines = [f"HTTP/1.1 {response.status} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
