"""The page of figures at /dashboard; who may not read /metrics may not open it either."""

from __future__ import annotations

from aiohttp import web

from bot.web.errors import LocalOnly
from bot.web.files import DASHBOARD, FOLDER, PageFile
from bot.web.security import is_local


class DashboardHandler:
    """Shows the page to loopback, and to others where the figures are public."""

    def __init__(self, *, metrics_public: bool) -> None:
        self._metrics_public = metrics_public
        self._file = PageFile(FOLDER / DASHBOARD)

    async def get(self, request: web.Request) -> web.Response:
        if not self._metrics_public and not is_local(request):
            raise LocalOnly
        return await self._file.answer(request)
