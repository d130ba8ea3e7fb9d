"""POST /api/lines and POST /api/scansion: a poem that a reader writes line by line.

Both take the body of a poem, whose `written` has the lines so far. Nothing is kept between two
requests: the page, or whatever else asks, has the poem.
"""

from __future__ import annotations

from aiohttp import web

from bot.core.poems import PoemService
from bot.web.admission import Admission
from bot.web.poems import NO_STORE, PoemBody


class LinesEndpoint:
    """Answers POST /api/lines with what the next line may be; who goes away frees the row."""

    def __init__(self, service: PoemService, admission: Admission) -> None:
        self._service = service
        self._admission = admission

    async def post(self, request: web.Request) -> web.Response:
        with self._admission.admit(request) as asker:
            self._service.require_room(asker)
            raw = await self._admission.read(request)
            body = await self._service.run_in_thread(asker, PoemBody.parse, raw)
            admitted = await self._service.admit(body.request(asker, line_by_line=True))
            next_line = await self._service.suggest(admitted)
        return web.json_response(next_line.as_dict(), headers=NO_STORE)


class ScansionEndpoint:
    """Answers POST /api/scansion with how the last line keeps to its form, while it is typed."""

    def __init__(self, service: PoemService, admission: Admission) -> None:
        self._service = service
        self._admission = admission

    async def post(self, request: web.Request) -> web.Response:
        with self._admission.admit(request) as asker:
            raw = await self._admission.read(request)
            body = await self._service.run_in_thread(asker, PoemBody.parse, raw)
            line = await self._service.scan(body.request(asker, line_by_line=True))
        return web.json_response(line.as_dict(), headers=NO_STORE)
