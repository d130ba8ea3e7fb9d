"""The application on a free loopback port, as it really runs, with fakes behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, DummyCookieJar

from bot.core.poems import PoemService
from bot.web.app import create_app
from bot.web.server import WebServer
from tests.fakes import fake_service
from tests.timeouts import HANG_SECONDS

Serve = Callable[..., Awaitable[ClientSession]]
Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[..., Awaitable[Wire]]


@asynccontextmanager
async def serving(service: PoemService, **options: Any) -> AsyncIterator[str]:
    """Serve until the context ends; gives the application's address."""
    async with opening(service, **options) as server:
        host, port = server.addresses[0]
        yield f"http://{host}:{port}"


@asynccontextmanager
async def opening(
    service: PoemService, host: str = "127.0.0.1", **options: Any
) -> AsyncIterator[WebServer]:
    """Serve until the context ends; gives the open server."""
    server = await WebServer.open(create_app(service, **options), [host], 0)
    try:
        yield server
    finally:
        await server.cleanup()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start applications; each call returns a client whose base is the application's address."""
    async with AsyncExitStack() as stack:

        async def begin(service: PoemService | None = None, **options: Any) -> ClientSession:
            url = await stack.enter_async_context(serving(service or fake_service(), **options))
            client = ClientSession(url, cookie_jar=DummyCookieJar())
            return await stack.enter_async_context(client)

        yield begin


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(HANG_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)


async def events_of(response: ClientResponse) -> list[tuple[str, Any]]:
    """Read a stream of server-sent events to its end: (event, payload), comments left out."""
    events = []
    for block in (await response.text()).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


async def say(client: ClientSession, head: str, body: bytes = b"") -> bytes:
    """Send a request as it stands, its head without the empty line; return the whole answer."""
    reader, writer = await asyncio.open_connection(*_address(client))
    writer.write(f"{head}Connection: close\r\n\r\n".encode("latin-1") + body)
    return await whole(reader, writer)


@pytest.fixture
async def connect(serve: Serve) -> AsyncIterator[Connect]:
    """Open connections of our own, from any address of loopback; they end before `serve` does."""
    writers: list[asyncio.StreamWriter] = []

    async def begin(
        to: ClientSession | WebServer, source: str = "127.0.0.1", limit: int = 2**16
    ) -> Wire:
        reader, writer = await asyncio.open_connection(
            *_address(to), local_addr=(source, 0), limit=limit
        )
        writers.append(writer)
        return reader, writer

    yield begin
    for writer in writers:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return what comes until the other side closes the connection, however it does."""
    answer = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(HANG_SECONDS):
            while piece := await reader.read(65536):
                answer += piece
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer


def _address(to: ClientSession | WebServer) -> tuple[str, int]:
    if isinstance(to, WebServer):
        host, port = to.addresses[0]
        return host, port
    url = to._base_url
    assert url is not None
    return url.host or "", url.port or 0
