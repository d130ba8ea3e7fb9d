"""GET /api/qr."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from bot.web.qr_code import draw_code
from tests.bot.web.conftest import Serve, say

HOST = "poems.example.org"


async def test_the_address_by_which_a_visitor_came_is_drawn(serve: Serve) -> None:
    client = await serve(allowed_hosts=[HOST])
    address = f"https://{HOST}:8443/verse/"  # by a proxy with TLS
    async with client.get("/api/qr", params={"page": address}) as response:
        assert response.status == 200
        assert response.content_type == "image/svg+xml"
        assert response.headers["Cache-Control"] == "no-store"
        assert await response.read() == draw_code(address)


async def test_the_address_of_a_room_is_drawn(serve: Serve) -> None:
    address = "http://127.0.0.1/?room=BCDFGH"
    async with (await serve()).get("/api/qr", params={"page": address}) as response:
        assert await response.read() == draw_code(address)


async def test_without_an_address_the_host_that_was_asked_is_drawn(serve: Serve) -> None:
    client = await serve(allowed_hosts=[HOST])
    answer = await say(client, f"GET /api/qr HTTP/1.1\r\nHost: {HOST}:81\r\n")
    assert answer.endswith(draw_code(f"http://{HOST}:81/"))


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/",
        "http://poems.example.org.evil.example/",
        "http://poems.example.org@evil.example/",
        "http://evil.example\\@poems.example.org/",
        "javascript://poems.example.org/",
        "poems.example.org",
        "http://poems.example.org",
        "http://poems.example.org/?seed=x",
        "http://poems.example.org/?",
        "http://poems.example.org/?room=ABCDEF",
        "http://poems.example.org/?room=BCDFGHJ",
        "http://poems.example.org/?room=BCDFGH&seed=x",
        "http://poems.example.org/#x",
        "http://poems.example.org//evil.example/",
        "http://poems.example.org/<svg>/",
        "http://poems.example.org/\n/",
        "http://poems.example.org:99999/",
        "http://[::1/",
        "http://poems.example.org/" + "a" * 300 + "/",
        "",
    ],
)
async def test_no_other_address_is_drawn(serve: Serve, address: str) -> None:
    client = await serve(allowed_hosts=[HOST])
    async with client.get(f"/api/qr?page={quote(address, safe='')}") as response:
        assert response.status == 403
        assert "address of this site's page" in (await response.json())["error"]


async def test_another_host_gets_none(serve: Serve) -> None:
    answer = await say(await serve(), "GET /api/qr HTTP/1.1\r\nHost: evil.example\r\n")
    assert answer.startswith(b"HTTP/1.1 421")


def test_a_code_is_dark_on_light_with_a_margin_and_has_nothing_but_paths() -> None:
    picture = draw_code("http://127.0.0.1:8080/").decode()
    assert set(re.findall(r"<(\w+)", picture)) == {"svg", "path"}
    assert 'fill="#fff"' in picture
    assert 'stroke="#000" d="M4 4.5' in picture  # four light modules around it
