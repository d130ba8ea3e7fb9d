"""The page's own files, read once; a browser that has them already is told so."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aiohttp import hdrs, web

FOLDER = Path(__file__).parent / "page"
DASHBOARD = "dashboard.html"  # not for everybody: dashboard.py looks who asks
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class PageFile:
    """Answers GET for one file."""

    def __init__(self, path: Path) -> None:
        self._body = path.read_bytes()
        self._media_type = MEDIA_TYPES[path.suffix]
        self._etag = hashlib.sha256(self._body).hexdigest()[:32]

    async def answer(self, request: web.Request) -> web.Response:
        known = request.if_none_match or ()
        is_known = any(tag.value in (self._etag, "*") for tag in known)
        if is_known:
            response = web.Response(status=304)
        else:
            response = web.Response(body=self._body, content_type=self._media_type, charset="utf-8")
        response.etag = self._etag
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"  # keep it, ask whether it is current
        return response


def page_routes() -> list[web.RouteDef]:
    """Return a route for every file of the page but the dashboard; index.html is /."""
    paths = sorted(path for path in FOLDER.iterdir() if path.suffix in MEDIA_TYPES)
    paths.remove(FOLDER / DASHBOARD)
    return [
        web.get("/" if path.name == "index.html" else f"/{path.name}", PageFile(path).answer)
        for path in paths
    ]
