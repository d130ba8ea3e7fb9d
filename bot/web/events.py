"""Server-sent events: a poem on its way to one reader, and signs of life while it waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

MEDIA_TYPE = "text/event-stream"


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """How often an open stream gives a sign of life, and how long it waits for one."""

    heartbeat_seconds: float = 15.0
    place_seconds: float = 1.0  # how often a reader's place in the queue is looked at
    max_body_seconds: float = 10.0
    room_seconds: float = 0.3  # between two events of a room to one reader, at least


class EventStream:
    """Writes events to one reader; its connection gives up one who does not read."""

    def __init__(self, request: web.Request, timing: StreamTiming) -> None:
        self._request = request
        self._timing = timing
        self.response = web.StreamResponse(
            headers={
                "Content-Type": MEDIA_TYPE,
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # nginx would hold the letters back
            }
        )

    async def open(self) -> None:
        await self.response.prepare(self._request)

    async def send(self, event: str, payload: object) -> None:
        """Send an event with a name; raise ConnectionError when the reader is gone."""
        await self.send_text(event, json.dumps(payload))

    async def send_text(self, event: str, text: str) -> None:
        """Send an event whose payload is in JSON already; raise ConnectionError as `send` does."""
        await self._write(f"event: {event}\ndata: {text}\n\n")

    async def send_data(self, data: str) -> None:
        """Send an event of one line without a name; raise ConnectionError as `send` does."""
        await self._write(f"data: {data}\n\n")

    @asynccontextmanager
    async def signs_of_life(self, *others: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Send heartbeats within the context, and do beside it what `others` do."""
        tasks = [asyncio.create_task(each) for each in (self._beat(), *others)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for ending in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ending, Exception) and not isinstance(ending, ConnectionError):
                    raise ending

    async def _beat(self) -> None:
        """Send comments, so that no proxy takes a long wait in the queue for a dead connection."""
        while True:
            await asyncio.sleep(self._timing.heartbeat_seconds)
            await self._write(": still here\n\n")

    async def _write(self, text: str) -> None:
        await self.response.write(text.encode())
