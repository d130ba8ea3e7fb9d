"""GET /api/qr: the page's address as a QR code, for screens. It is drawn here; nobody is asked.

Behind a proxy with TLS the bot cannot see all of the address by which a visitor came, so a screen
says it. A code is drawn for addresses of this site alone: it leads nobody elsewhere.
"""

from __future__ import annotations

import io
import re
from functools import lru_cache
from urllib.parse import urlsplit

import segno
from aiohttp import hdrs, web

from bot.core.poems import PoemService
from bot.core.records import Asker
from bot.core.rooms import CODE_LENGTH, CODE_LETTERS
from bot.web.errors import NotOurAddress
from bot.web.security import ClientAddresses, HostGuard

MAX_ADDRESS = 300  # characters; the code of a longer one is too fine for a phone across a room
ROOM = re.compile(rf"room=[{CODE_LETTERS}]{{{CODE_LENGTH}}}")  # that a phone joins
PATH = re.compile(r"(?:/[\w.~-]+)*/", re.ASCII)  # of a page that a proxy serves in a folder


class QrCodeEndpoint:
    """Answers GET /api/qr with a picture in SVG, dark on light with a margin, without a size."""

    def __init__(self, service: PoemService, hosts: HostGuard, clients: ClientAddresses) -> None:
        self._service = service
        self._hosts = hosts
        self._clients = clients

    async def get(self, request: web.Request) -> web.Response:
        address = request.query.get("page", f"{request.scheme}://{request.host}/")
        self._check(request, address)
        asker = Asker(f"web:{self._clients.client(request)}")  # not behind the poems of others
        picture = await self._service.run_in_thread(asker, draw_code, address)
        return web.Response(
            body=picture,
            content_type="image/svg+xml",
            charset="utf-8",
            headers={hdrs.CACHE_CONTROL: "no-store"},
        )

    def _check(self, request: web.Request, address: str) -> None:
        """Raise NotOurAddress unless a visitor can have come by `address`."""
        try:
            scheme, authority, path, query, fragment = urlsplit(address)
        except ValueError as error:
            raise NotOurAddress(address) from error
        if (
            len(address) > MAX_ADDRESS
            or scheme not in ("http", "https")
            or not self._hosts.is_ours(authority, request)
            or not PATH.fullmatch(path)
            or address != f"{scheme}://{authority}{path}" + f"?{query}" * bool(query)
            or not (query == "" or ROOM.fullmatch(query))
            or fragment
        ):
            raise NotOurAddress(address)


@lru_cache(maxsize=64)  # a venue has one address; an odd one costs some milliseconds
def draw_code(address: str) -> bytes:
    """Return the QR code of an address, an SVG document."""
    picture = io.BytesIO()
    segno.make_qr(address, error="m").save(
        picture, "svg", xmldecl=False, svgclass=None, lineclass=None, omitsize=True, light="#fff"
    )
    return picture.getvalue()
