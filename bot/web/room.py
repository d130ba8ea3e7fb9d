"""How many connections there may be, and who must go for a newcomer.

Nobody is turned away while somebody else keeps us waiting: the oldest connection of the same
client (of anybody, when the whole room is full) that owes us a request, a body or reading is
closed for the new one. So a thousand that say nothing do not keep out one that speaks. A trusted
proxy brings many clients and is no client: only the whole room's limit holds for it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from bot.web.connection import Connection, ConnectionLimits

Connections = dict[Connection, None]  # the oldest first


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
        self.forget(idle)  # now: the loop tells of the loss a turn later
        idle.drop()
        return True
