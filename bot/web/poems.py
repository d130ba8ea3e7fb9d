"""POST /api/poems: a poem as one JSON object, or as a stream while it is being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from aiohttp import hdrs, web

from bot.core.errors import BotError
from bot.core.poem_stream import PoemStream
from bot.core.poems import PoemService
from bot.core.records import PoemRequest
from bot.web.admission import Admission
from bot.web.body import PoemBody, permanent_query
from bot.web.errors import has_disconnected, report
from bot.web.events import MEDIA_TYPE, EventStream

NO_STORE = {hdrs.CACHE_CONTROL: "no-store"}


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """How often an open stream gives a sign of life, and how long it waits for one."""

    heartbeat_seconds: float = 15.0
    place_seconds: float = 1.0  # how often a reader's place in line is looked at
    max_body_seconds: float = 10.0


class PoemEndpoint:
    """Answers POST /api/poems; a client that goes away frees its row."""

    def __init__(
        self, service: PoemService, admission: Admission, stream_timing: StreamTiming
    ) -> None:
        self._service = service
        self._admission = admission
        self._stream_timing = stream_timing

    async def post(self, request: web.Request) -> web.StreamResponse:
        with self._admission.admit(request) as asker:
            self._service.require_room(asker)
            raw = await self._admission.read(request)
            body = await self._service.run_in_thread(asker, PoemBody.parse, raw)
            asked = body.request(asker)
            if MEDIA_TYPE in request.headers.get(hdrs.ACCEPT, ""):
                return await self._stream(request, body, asked)
            async with self._service.write(asked) as poem_stream:
                poem = await poem_stream.finish()
            return web.json_response(poem.as_dict(), headers=NO_STORE)

    async def _stream(
        self, request: web.Request, body: PoemBody, asked: PoemRequest
    ) -> web.StreamResponse:
        """Send a poem as it comes; what goes wrong after the first event becomes the last one."""
        stream = EventStream(request)
        try:
            async with self._service.write(asked) as poem_stream:
                await stream.open()
                await stream.send("start", _start(body, poem_stream))
                async with self._signs_of_life(stream, poem_stream):
                    async for text in poem_stream:
                        if text:
                            await stream.send("text", text)
            await stream.send("end", poem_stream.poem.as_dict())
        except Exception as error:
            if not stream.response.prepared:
                raise
            if not has_disconnected(request):
                await stream.send("error", _failure(error))
        return stream.response

    @asynccontextmanager
    async def _signs_of_life(
        self, stream: EventStream, poem_stream: PoemStream
    ) -> AsyncIterator[None]:
        """Tell the place in line as it changes, and that we are still there, meanwhile."""
        tasks = [
            asyncio.create_task(self._tell_place(stream, poem_stream)),
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

    async def _tell_place(self, stream: EventStream, poem_stream: PoemStream) -> None:
        told = ""
        while True:
            queue_position = poem_stream.queue_position
            sentence = queue_position.sentence if queue_position.place else ""
            if sentence != told:  # it says times in round figures
                await stream.send("place", {**asdict(queue_position), "sentence": sentence})
                told = sentence
            if not queue_position.place:
                return
            await asyncio.sleep(self._stream_timing.place_seconds)

    async def _beat(self, stream: EventStream) -> None:
        while True:
            await asyncio.sleep(self._stream_timing.heartbeat_seconds)
            await stream.beat()


def _failure(error: Exception) -> dict[str, object]:
    if isinstance(error, BotError):
        return {"error": str(error)}
    sentence, error_id = report(error)
    return {"error": sentence, "id": error_id}


def _start(body: PoemBody, poem_stream: PoemStream) -> dict[str, object]:
    return {
        "seed": poem_stream.seed,
        "notes": list(poem_stream.notes),
        "model": poem_stream.model.name,
        "model_sha256": poem_stream.model.sha256,
        "random_seed": poem_stream.random_seed,
        "settings": poem_stream.settings.as_dict(),
        "link": permanent_query(body, poem_stream),
    }
