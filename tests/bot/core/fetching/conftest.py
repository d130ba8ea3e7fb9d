"""A mirror on loopback that the host of the bot trusts, and strangers' hosts that lead to it.

Strangers' hosts have names that only the test's own resolver knows. Where one of them has to be
reached, `Detour` makes sockets that say they are connected to it and that lead to the mirror.
"""

from __future__ import annotations

import asyncio
import gzip
import pickle
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from bot.core.fetching.addresses import Trust
from bot.core.fetching.client import FetchRules, FindRoute, HttpClient, Resolve, ask_the_system
from bot.core.fetching.fetcher import FetchedBook, Fetcher
from bot.core.fetching.routes import Route

POEM = b"Shall I compare thee to a summer's day?\nThou art more lovely.\n" * 40
MAX_BYTES = 300_000
PUBLIC = "93.184.216.34"
OTHER_PUBLIC = "151.101.1.69"


@dataclass
class Names:
    """A name server that says for each name what it is told to, in turn, and counts."""

    answers: dict[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        turns = self.answers.get(host)
        if turns is None:
            raise socket.gaierror(socket.EAI_NONAME, "10.0.0.53 knows no such name")
        answer = turns[min(self.asked.count(host), len(turns) - 1)]
        self.asked.append(host)
        return answer


def names(**answers: list[str]) -> Names:
    """Give `books=["1.2.3.4"]` as the addresses of books.example."""
    return Names({f"{name}.example": [addresses] for name, addresses in answers.items()})


class Detour:
    """Makes sockets that reach the mirror wherever they are sent, and notes where that was.

    They say that they have reached `peer`, and that they send from `own`.
    """

    def __init__(self, port: int, peer: str | None = None, own: str = "192.0.2.7") -> None:
        self.port = port
        self.peer = peer
        self.own = own
        self.sent_to: list[tuple[str, int]] = []

    def __call__(self, _: aiohttp.AddrInfoType) -> socket.socket:
        detour = self

        class Detoured(socket.socket):
            def connect(self, address: object) -> None:
                assert isinstance(address, tuple)
                detour.sent_to.append(address[:2])
                super().connect(("127.0.0.1", detour.port))

            def getpeername(self) -> tuple[str, int]:
                return (detour.peer or detour.sent_to[-1][0], 80)

            def getsockname(self) -> tuple[str, int]:
                return (detour.own, 40_000)

        made = Detoured(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        return made


class NoSocket:
    """Stands where nothing may be connected to."""

    def __call__(self, address: aiohttp.AddrInfoType) -> socket.socket:
        raise AssertionError(f"{address} was to be connected to")


async def _serve_poem(_: web.Request) -> web.Response:
    return web.Response(body=POEM, content_type="text/plain")


async def _redirect(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": request.query["to"]})


async def _count_down(request: web.Request) -> web.Response:
    left = int(request.match_info["left"])
    if not left:
        return await _serve_poem(request)
    return web.Response(status=307, headers={"Location": f"/hops/{left - 1}"})


async def _answer_with(request: web.Request) -> web.Response:
    status = int(request.query.get("status", "200"))
    headers = {name: value for name, value in request.query.items() if name != "status"}
    return web.Response(body=POEM, status=status, headers=headers)


async def _serve_for_ever(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    while True:
        await response.write(POEM)


async def _begin_and_wait(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await response.write(POEM * 40)
    request.app[BEGUN].set()
    await asyncio.Event().wait()
    return response


async def _wait(request: web.Request) -> web.Response:
    request.app[BEGUN].set()
    await asyncio.Event().wait()
    return web.Response()


async def _promise(request: web.Request) -> web.StreamResponse:
    """Promise as many bytes as asked for, give POEM, and hang up."""
    response = web.StreamResponse(headers={"Content-Length": request.query["bytes"]})
    await response.prepare(request)
    await response.write(POEM)
    assert request.transport
    request.transport.close()
    return response


async def _drip(request: web.Request) -> web.StreamResponse:
    """Send a body byte by byte, so that its beginning comes in pieces."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    for byte in BODIES[request.match_info["name"]][:40]:
        await response.write(bytes((byte,)))
        await asyncio.sleep(0)
    return response


async def _serve_body(request: web.Request) -> web.Response:
    return web.Response(body=BODIES[request.match_info["name"]], content_type="text/plain")


async def _note(request: web.Request) -> web.Response:
    request.app[NOTED].append(request)
    if request.path == "/note/first":
        headers = {"Location": "/note/second", "Set-Cookie": "asker=anna"}
        return web.Response(status=302, headers=headers)
    return await _serve_poem(request)


BEGUN = web.AppKey("BEGUN", asyncio.Event)
NOTED = web.AppKey("NOTED", list[web.Request])
BODIES = {
    "pickle.txt": pickle.dumps({"weights": [1.0] * 50}, protocol=4),
    "old-pickle.txt": pickle.dumps({"weights": [1.0] * 50}, protocol=2),
    "gzip.txt": gzip.compress(POEM),
    "pdf.txt": b"%PDF-1.7\n" + POEM,
    "zip.txt": b"PK\x03\x04" + POEM,
    "picture.txt": b"\x89PNG\r\n\x1a\n" + POEM,
    "program.txt": b"\x7fELF" + POEM,
    "short-gzip.txt": b"\x1f\x8b\x08",
    "empty.txt": b"",
    "short.txt": b"O!",
    "limit.txt": b"a" * MAX_BYTES,
    "over.txt": b"a" * (MAX_BYTES + 1),
}


@pytest.fixture
async def mirror() -> AsyncIterator[TestServer]:
    app = web.Application()
    app[BEGUN] = asyncio.Event()
    app[NOTED] = []
    app.router.add_get("/poem.txt", _serve_poem)
    app.router.add_get("/redirect", _redirect)
    app.router.add_get("/hops/{left}", _count_down)
    app.router.add_get("/answer", _answer_with)
    app.router.add_get("/endless", _serve_for_ever)
    app.router.add_get("/slow", _begin_and_wait)
    app.router.add_get("/silent", _wait)
    app.router.add_get("/promise", _promise)
    app.router.add_get("/drip/{name}", _drip)
    app.router.add_get("/body/{name}", _serve_body)
    app.router.add_get("/note/{name}", _note)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0.1)
    yield server
    await server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "books").mkdir()
    return tmp_path / "books"


@dataclass(frozen=True)
class TrustInOrigins(Trust):
    """Trusts whole sites, as no installation does: those that these tests serve on loopback."""

    origins: frozenset[str] = frozenset()

    def trusts(self, url: URL) -> bool:
        return str(url.origin()) in self.origins


def out(_: object) -> Route:
    """Say of every address that it lies beyond a gateway."""
    return Route.OUT


def in_process(
    trust: Trust | None = None,
    *,
    max_bytes: int = 9,
    timeout_seconds: float = 5,
    resolve: Resolve = ask_the_system,
    find_route: FindRoute = out,
    open_socket: aiohttp.SocketFactoryType | None = None,
) -> Fetcher:
    """Return a fetcher that asks in this process."""
    rules = FetchRules("Sonneteer/1 (test)", max_bytes, timeout_seconds, trust or Trust())
    client = HttpClient(rules, resolve=resolve, find_route=find_route, open_socket=open_socket)
    return Fetcher(client, max_bytes=max_bytes)


class Fetch:
    """Fetches from the mirror by a path, or from anywhere by an address."""

    def __init__(self, mirror: TestServer, folder: Path) -> None:
        self.base = f"http://127.0.0.1:{mirror.port}"
        self.into = folder / "book.txt"

    async def __call__(
        self,
        url: str,
        *,
        resolve: Names | None = None,
        open_socket: aiohttp.SocketFactoryType | None = None,
        timeout_seconds: float = 5,
        origins: Sequence[str] = (),
        find_route: FindRoute = out,
    ) -> FetchedBook:
        fetcher = in_process(
            TrustInOrigins(origins=frozenset({self.base, *origins})),
            max_bytes=MAX_BYTES,
            timeout_seconds=timeout_seconds,
            resolve=resolve or names(),
            find_route=find_route,
            open_socket=open_socket,
        )
        return await fetcher.fetch(self.base + url if url.startswith("/") else url, self.into)


@pytest.fixture
def fetch(mirror: TestServer, folder: Path) -> Fetch:
    return Fetch(mirror, folder)
