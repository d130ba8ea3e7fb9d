"""The application on a free loopback port, as it really runs, with fakes behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, DummyCookieJar

from bot.core.service import Service
from bot.web.app import create_app, start
from tests.fakes import fake_service
from tests.patience import HANG_SECONDS

Serve = Callable[..., Awaitable[ClientSession]]


@asynccontextmanager
async def serving(service: Service, **options: Any) -> AsyncIterator[str]:
    """Serve until the context ends; gives the application's address."""
    runner = await start(create_app(service, **options), "127.0.0.1", 0)
    try:
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start applications; each call returns a client whose base is the application's address."""
    async with AsyncExitStack() as stack:

        async def begin(service: Service | None = None, **options: Any) -> ClientSession:
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
