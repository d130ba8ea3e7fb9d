"""The files of the page, the kiosk, rooms and the dashboard, read once; who has them gets a 304.

Beside them are the translations of what the page says, made of the catalogues.

A client that may not read /metrics may not open the dashboard either.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from aiohttp import hdrs, web

from bot.core.languages import ENGLISH, LANGUAGES, page_messages
from bot.web.security import MetricsAccess

FOLDER = Path(__file__).parent / "page"
INDEX, KIOSK, ROOM = "index.html", "kiosk.html", "room.html"  # / and /?kiosk and /?room
DASHBOARD = "dashboard.html"  # not for everyone: see DashboardEndpoint
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}


class PageFile:
    """Answers GET for one file."""

    def __init__(self, body: bytes, suffix: str) -> None:
        self._body = body
        self._media_type = MEDIA_TYPES[suffix]
        self._charset = None if suffix == ".png" else "utf-8"
        self._etag = hashlib.sha256(self._body).hexdigest()[:32]

    @classmethod
    def read(cls, path: Path) -> PageFile:
        return cls(path.read_bytes(), path.suffix)

    @classmethod
    @cache
    def of_language(cls, language: str) -> PageFile:
        """Return what the page says in a language, as JSON by its English."""
        return cls(json.dumps(page_messages(language), ensure_ascii=False).encode(), ".json")

    async def answer(self, request: web.Request) -> web.Response:
        known = request.if_none_match or ()
        is_known = any(tag.value in (self._etag, "*") for tag in known)
        if is_known:
            response = web.Response(status=304)
        else:
            response = web.Response(
                body=self._body, content_type=self._media_type, charset=self._charset
            )
        response.etag = self._etag
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"  # keep it, ask whether it is current
        return response


def page_routes() -> list[web.RouteDef]:
    """Return a route for every file but the dashboard, and / for page, kiosk and rooms."""
    paths = sorted(path for path in FOLDER.iterdir() if path.suffix in MEDIA_TYPES)
    index = PageFile.read(FOLDER / INDEX)
    others = {"kiosk": PageFile.read(FOLDER / KIOSK), "room": PageFile.read(FOLDER / ROOM)}

    async def front(request: web.Request) -> web.Response:
        named = (file for name, file in others.items() if name in request.query)
        return await next(named, index).answer(request)

    return [
        web.get("/", front),
        *(
            web.get(f"/{path.name}", PageFile.read(path).answer)
            for path in paths
            if path.name not in (INDEX, KIOSK, ROOM, DASHBOARD)
        ),
        *(
            web.get(f"/languages/{language}.json", PageFile.of_language(language).answer)
            for language in LANGUAGES
            if language != ENGLISH
        ),
    ]


class DashboardEndpoint:
    """Shows the dashboard to this machine, and to others if the metrics are public."""

    def __init__(self, metrics_access: MetricsAccess) -> None:
        self._metrics_access = metrics_access
        self._file = PageFile.read(FOLDER / DASHBOARD)

    async def get(self, request: web.Request) -> web.Response:
        self._metrics_access.check(request)
        return await self._file.answer(request)
