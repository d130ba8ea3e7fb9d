"""What is asked before a body is read, and what a body may cost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import ValidationError

from bot.core.metrics import Metrics
from bot.core.poems import PoemService
from bot.web.admission import MAX_BODY_BYTES
from bot.web.errors import BadBody
from bot.web.poems import CardBody, PoemBody
from tests.bot.web.conftest import Connect, Serve
from tests.fakes import Clock, FakeEngine, FakeLibrary, fake_service

PATHS = ("/api/poems", "/api/cards")
HEAD = (
    "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Content-Length: 1000\r\n{more}\r\n"
)


async def status_before_body(
    connect: Connect, client: ClientSession, path: str, more: str = ""
) -> int:
    """Return the status of the answer to a head whose body never comes."""
    reader, writer = await connect(client)
    writer.write(HEAD.format(path=path, more=more).encode())
    return int((await reader.readline()).split()[1])


@pytest.mark.parametrize("path", PATHS)
async def test_who_asks_too_often_is_told_so_before_the_body_comes(
    serve: Serve, connect: Connect, path: str
) -> None:
    client = await serve(poems_per_minute=1)
    async with client.post(path, json={"text": "a"}):
        pass
    assert await status_before_body(connect, client, path) == 429


async def test_who_has_too_many_poems_is_told_so_before_the_body_comes(
    serve: Serve, connect: Connect
) -> None:
    client = await serve(max_streams_per_client=1)
    _, writer = await connect(client)
    writer.write(HEAD.format(path=PATHS[0], more="").encode())  # this one is waited for
    assert await status_before_body(connect, client, PATHS[0]) == 429


async def test_a_full_line_and_a_pause_are_told_before_the_body_comes(
    serve: Serve, connect: Connect
) -> None:
    engine = FakeEngine()
    service = fake_service(engine, cooldown_seconds={"web": 60.0}, clock=Clock())
    client = await serve(service)
    async with client.post("/api/poems", json={}) as response:
        assert response.status == 200
    assert await status_before_body(connect, client, "/api/poems") == 429
    engine.full = True
    assert await status_before_body(connect, client, "/api/poems") == 503


@pytest.mark.parametrize("path", PATHS)
async def test_another_sites_page_is_refused_before_the_body_comes(
    serve: Serve, connect: Connect, path: str
) -> None:
    client = await serve()
    foreign = "Origin: https://elsewhere.example\r\n"
    assert await status_before_body(connect, client, path, foreign) == 403


def filled(begin: bytes, piece: bytes, end: bytes) -> bytes:
    """Return a body as large as may be, of one piece again and again."""
    count = (MAX_BODY_BYTES - len(begin) - len(end)) // len(piece)
    return begin + piece * count + end


@pytest.mark.parametrize("kind", [PoemBody, CardBody])
@pytest.mark.parametrize(
    "body",
    [
        filled(b'{"stop":[', b"0,", b"0]}"),
        filled(b'{"avoid":[', b"[],", b"0]}"),
        filled(b'{"avoid":[', b'"a",', b'"a"]}'),
        filled(b'{"stop":[', b"9999,", b"{}]}"),
        filled(b'{"lines":[', b"[],", b"0]}"),
        filled(b'{"seed":{"a":[', b"{},", b"0]}}"),
        filled(b'{"seed":"",', b'"seed":0,', b'"seed":1}'),
        filled(b'{"seed":', b"[", b""),
        filled(b'{"text":', b'{"a":', b""),
        filled(b'{"random_seed":', b"9", b"}"),
        filled(b'{"random_seed":-1', b"0", b".0}"),
        filled(b'{"temperature":1e', b"9", b"x}"),
        filled(b'{"', b"k", b'":0}'),
        filled(b'{"title":"', b"\\ud800", b'"}'),
        filled(b"[", b"0,", b"0]"),
        json.dumps({f"k{n}": [] for n in range(6_000)}).encode()[:MAX_BODY_BYTES],
        json.dumps({f"k{n}": [] for n in range(4_000)}).encode(),
        b'{"temperature":NaN}',
        b'{"temperature":-Infinity}',
        b'{"title":NaN}',
    ],
    ids=lambda body: body[:16].decode("ascii") if isinstance(body, bytes) else body.__name__,
)
def test_a_body_full_of_mistakes_is_given_up_at_the_first_ones(kind: Any, body: bytes) -> None:
    assert len(body) <= MAX_BODY_BYTES
    with pytest.raises(BadBody) as refused:
        kind.parse(body)
    cause = refused.value.__cause__
    mistakes = cause.error_count() if isinstance(cause, ValidationError) else 1
    assert mistakes <= len(kind.model_fields)
    assert len(str(refused.value)) < 250


class Watched(PoemService):
    """Notes what is done off the event loop."""

    def __init__(self) -> None:
        super().__init__(FakeLibrary(), FakeEngine(), Metrics())
        self.done: list[str] = []

    def run_in_thread(self, asker: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        self.done.append(function.__qualname__)
        return super().run_in_thread(asker, function, *args, **kwargs)


async def test_bodies_are_read_off_the_event_loop(serve: Serve) -> None:
    service = Watched()
    client = await serve(service)
    for path, body in (("/api/poems", {}), ("/api/cards", {"text": "a"})):
        async with client.post(path, json=body) as response:
            assert response.status == 200
    assert {"PoemBody.parse", "CardBody.parse", "complete_settings"} <= set(service.done)
