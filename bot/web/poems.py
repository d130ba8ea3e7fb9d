"""POST /api/poems: a poem as one JSON object, or as a stream while it is being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from aiohttp import hdrs, web

from bot.core.errors import BotError
from bot.core.records import PoemRequest
from bot.core.service import Service
from bot.core.writing import Writing
from bot.web.answers import has_left, report
from bot.web.body import PoemBody, permanent_query
from bot.web.events import MEDIA_TYPE, EventStream
from bot.web.intake import MAX_BODY_BYTES, Intake

__all__ = ["MAX_BODY_BYTES", "PoemHandler", "Pulse"]
NO_STORE = {hdrs.CACHE_CONTROL: "no-store"}


@dataclass(frozen=True, slots=True)
class Pulse:
    """How often an open stream gives a sign of life, and how long it waits for one."""

    heartbeat_seconds: float = 15.0
    place_seconds: float = 1.0  # how often a reader's place in line is looked at
    max_body_seconds: float = 10.0


class PoemHandler:
    """Answers POST /api/poems; a client that goes away frees its row."""

    def __init__(self, service: Service, intake: Intake, pulse: Pulse) -> None:
        self._service = service
        self._intake = intake
        self._pulse = pulse

    async def post(self, request: web.Request) -> web.StreamResponse:
        with self._intake.admit(request) as asker:
            self._service.admit(asker)
            raw = await self._intake.read(request)
            body = await self._service.aside(asker, PoemBody.parse, raw)
            asked = body.request(asker)
            if MEDIA_TYPE in request.headers.get(hdrs.ACCEPT, ""):
                return await self._stream(request, body, asked)
            async with self._service.write(asked) as writing:
                poem = await writing.finish()
            return web.json_response(poem.as_dict(), headers=NO_STORE)

    async def _stream(
        self, request: web.Request, body: PoemBody, asked: PoemRequest
    ) -> web.StreamResponse:
        """Send a poem as it comes; what goes wrong after the first event becomes the last one."""
        stream = EventStream(request)
        try:
            async with self._service.write(asked) as writing:
                await stream.open()
                await stream.send("start", _start(body, writing))
                async with self._signs_of_life(stream, writing):
                    async for text in writing:
                        if text:
                            await stream.send("text", text)
            await stream.send("end", writing.poem.as_dict())
        except Exception as error:
            if not stream.response.prepared:
                raise
            if not has_left(request):
                await stream.send("error", _failure(error))
        return stream.response

    @asynccontextmanager
    async def _signs_of_life(self, stream: EventStream, writing: Writing) -> AsyncIterator[None]:
        """Tell the place in line as it changes, and that we are still there, meanwhile."""
        tasks = [
            asyncio.create_task(self._tell_place(stream, writing)),
            asyncio.create_task(self._beat(stream)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for ending in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ending, Exception) and not isinstance(ending, ConnectionError):
                    raise ending

    async def _tell_place(self, stream: EventStream, writing: Writing) -> None:
        told = ""
        while True:
            standing = writing.standing
            sentence = standing.sentence if standing.place else ""
            if sentence != told:  # it says times in round figures
                await stream.send("place", {**asdict(standing), "sentence": sentence})
                told = sentence
            if not standing.place:
                return
            await asyncio.sleep(self._pulse.place_seconds)

    async def _beat(self, stream: EventStream) -> None:
        while True:
            await asyncio.sleep(self._pulse.heartbeat_seconds)
            await stream.beat()


def _failure(error: Exception) -> dict[str, object]:
    if isinstance(error, BotError):
        return {"error": str(error)}
    sentence, error_id = report(error)
    return {"error": sentence, "id": error_id}


def _start(body: PoemBody, writing: Writing) -> dict[str, object]:
    return {
        "seed": writing.seed,
        "notes": list(writing.notes),
        "model": writing.model.name,
        "model_sha256": writing.model.sha256,
        "random_seed": writing.random_seed,
        "settings": asdict(writing.settings),
        "link": permanent_query(body, writing),
    }
