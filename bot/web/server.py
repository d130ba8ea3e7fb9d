"""Where strangers come in, one by one: who finds no room is told so before anything is made for it.

asyncio's own server accepts a hundred at once and, where descriptors run out, logs a stack for
each of them every second; this one waits quietly until there are some again.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from aiohttp import web

from bot.web.answers import raw_error_response
from bot.web.connection import Connection, ConnectionLimits
from bot.web.errors import CannotListen, TooManyConnections
from bot.web.room import BoundedServer
from bot.web.security import ClientAddresses

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 3.0  # for answers under way; poems were ended by the service before
BACKLOG = 1024  # waiting in the kernel; a burst of more is asked to come again by TCP itself
AT_ONCE = 64  # let in before those who are in already have their turn
SEND_BUFFER_BYTES = 64 * 1024  # the kernel's, which else keeps megabytes for who does not read
RETRY_SECONDS = 0.1  # between two tries when descriptors have run out
TELL_SECONDS = 60.0  # between two lines in the log about that

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
    async def open(cls, app: web.Application, host: str, port: int) -> WebServer:
        """Listen on every address of `host`, which "::" is of both families; raise CannotListen."""
        try:
            listeners = await _listen(host, port)
        except OSError as error:
            reason = (error.strerror or str(error)).partition(" (while")[0]
            raise CannotListen(host, port, reason) from error
        runner = BoundedRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        return cls(runner, listeners)

    @property
    def addresses(self) -> list[Any]:
        return [listener.getsockname() for listener in self._listeners]

    @property
    def connections(self) -> int:
        """Tell how many there are, those that end among them."""
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


def serves_both(host: str) -> bool:
    """Whether a socket bound to `host` is for IPv4 too: "::" is every address of the machine."""
    return host == "::" and socket.has_dualstack_ipv6()


async def _listen(host: str, port: int) -> list[socket.socket]:
    found = dict.fromkeys(
        await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    )
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in found:
            listener = socket.create_server(
                address,
                family=family,
                backlog=BACKLOG,
                dualstack_ipv6=len(found) == 1 and serves_both(str(address[0])),
            )
            listeners.append(listener)
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _refuse(client: socket.socket) -> None:
    with client, suppress(OSError):
        client.send(raw_error_response(TooManyConnections()))
        client.shutdown(socket.SHUT_WR)
