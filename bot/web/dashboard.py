"""The page of figures at /dashboard; who may not read /metrics may not open it either."""

from __future__ import annotations

from aiohttp import web

from bot.web.files import DASHBOARD, FOLDER, PageFile
from bot.web.security import MetricsAccess


class DashboardEndpoint:
    """Shows the page to loopback, and to others where the figures are public."""

    def __init__(self, metrics_access: MetricsAccess) -> None:
        self._metrics_access = metrics_access
        self._file = PageFile(FOLDER / DASHBOARD)

    async def get(self, request: web.Request) -> web.Response:
        self._metrics_access.check(request)
        return await self._file.answer(request)
