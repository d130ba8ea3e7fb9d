"""Server-sent events: a stream of named pieces of JSON over one answer that stays open."""

from __future__ import annotations

import json

from aiohttp import web

MEDIA_TYPE = "text/event-stream"


class EventStream:
    """Writes events to one reader; its connection gives up one who does not read."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response = web.StreamResponse(
            headers={
                "Content-Type": MEDIA_TYPE,
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # nginx would hold the letters back
            }
        )

    @property
    def response(self) -> web.StreamResponse:
        return self._response

    async def open(self) -> None:
        await self._response.prepare(self._request)

    async def send(self, event: str, payload: object) -> None:
        """Send one event; raise ConnectionError when the reader is gone."""
        await self._write(f"event: {event}\ndata: {json.dumps(payload)}\n\n")

    async def beat(self) -> None:
        """Send a comment, so that no proxy takes a long wait in line for a dead connection."""
        await self._write(": still here\n\n")

    async def _write(self, text: str) -> None:
        await self._response.write(text.encode())
