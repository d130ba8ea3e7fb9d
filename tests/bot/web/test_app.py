"""The application as a whole: its files, its errors, its start and stop."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from bot.core.languages import LANGUAGES
from bot.web.app import create_app
from bot.web.errors import CannotListen
from bot.web.page import FOLDER
from bot.web.server import WebServer
from tests.bot.web.conftest import Serve, events_of, serving
from tests.fakes import FakeEngine, fake_service

STREAM = {"Accept": "text/event-stream"}
FILES = [
    "/",
    "/?kiosk",
    "/?room",
    "/style.css",
    "/books.css",
    "/script.js",
    "/books.js",
    "/chart.js",
    "/svg.js",
    "/pen.js",
    "/events.js",
    "/theme.js",
    "/favicon.svg",
    "/aloud.js",
    "/gallery.js",
    "/kiosk.css",
    "/kiosk.js",
    "/language.js",
    "/languages.js",
    "/languages/de.json",
    "/languages/es.json",
    "/languages/fr.json",
    "/languages/pt-BR.json",
    "/languages/ru.json",
    "/manifest.webmanifest",
    "/offline.js",
    "/qr.js",
    "/requests.js",
    "/room.css",
    "/room.js",
    "/sentences.js",
    "/service-worker.js",
]


@pytest.mark.parametrize("path", FILES)
async def test_a_file_of_the_page_is_sent_once_and_then_known(serve: Serve, path: str) -> None:
    client = await serve()
    async with client.get(path) as response:
        assert response.status == 200
        assert len(await response.read()) > 100
        etag = response.headers["ETag"]
    async with client.get(path, headers={"If-None-Match": etag}) as response:
        assert response.status == 304
    async with client.get(path, headers={"If-None-Match": '"another"'}) as response:
        assert response.status == 200


@pytest.mark.parametrize("path", ["/", "/?kiosk", "/?room=BCDFGH"])
async def test_the_page_holds_no_inline_script_or_style(serve: Serve, path: str) -> None:
    client = await serve()
    async with client.get(path) as response:
        text = await response.text()
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick" not in text
    assert text.count("<script") == text.count("<script src=") == 4


async def test_the_icons_of_the_manifest_are_there_and_small(serve: Serve) -> None:
    client = await serve()
    async with client.get("/manifest.webmanifest") as response:
        assert response.content_type == "application/manifest+json"
        icons = json.loads(await response.text())["icons"]
    for icon in icons:
        async with client.get("/" + icon["src"]) as response:
            assert response.content_type == icon["type"]
            picture = await response.read()
        assert len(picture) < 10_000
        if icon["type"] == "image/png":
            width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
            assert icon["sizes"] == f"{width}x{height}"


def test_the_offline_shell_has_every_file_that_page_and_kiosk_load() -> None:
    waiting, loaded = ["index.html", "kiosk.html", "room.html"], set[str]()
    while waiting:
        text = (FOLDER / waiting.pop()).read_text("utf-8")
        named = set(re.findall(r'(?:src=|href=|from )"(?:\./)?([\w.-]+\.\w+)"', text))
        new = {name for name in named if not name.endswith(".png")} - loaded
        loaded |= new
        waiting += [name for name in new if name.endswith(".js")]
    shell = (FOLDER / "service-worker.js").read_text("utf-8").partition("FILES = [")[2]
    kept = set(re.findall(r'"([\w./-]+)"', shell.partition("]")[0]))
    assert kept - {"icon-192.png"} == loaded | {f"languages/{each}.json" for each in LANGUAGES} - {
        "languages/en.json"
    }


async def test_the_page_names_no_other_host(serve: Serve) -> None:
    client = await serve()
    for path in FILES:
        async with client.get(path) as response:
            text = (await response.text()).replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path
        assert "https://" not in text, path
        assert "//cdn" not in text, path


@pytest.mark.parametrize(
    "path", ["/nowhere", "/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "//etc/passwd", "/page/"]
)
async def test_there_is_nothing_beside_the_page(serve: Serve, path: str) -> None:
    client = await serve()
    host = client._base_url.host  # type: ignore[union-attr]
    reader, writer = await asyncio.open_connection(host, client._base_url.port)  # type: ignore[union-attr]
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 404")
    assert b'{"error": "There is nothing at this address."}' in answer


async def test_a_wrong_method_gets_405_and_the_right_ones(serve: Serve) -> None:
    client = await serve()
    async with client.get("/api/poems") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"
        assert "error" in await response.json()


async def test_an_address_in_use_is_one_sentence(serve: Serve) -> None:
    client = await serve()
    port = client._base_url.port  # type: ignore[union-attr]
    with pytest.raises(CannotListen, match=rf"cannot be served on 127.0.0.1 port {port}: .*in use"):
        await WebServer.open(create_app(fake_service()), ["127.0.0.1"], port or 0)


async def test_a_stop_ends_an_open_stream_with_what_was_written(serve: Serve) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(1)
    service = fake_service(engine)
    client = await serve(service)
    async with client.post("/api/poems", json={"seed": "Moon"}, headers=STREAM) as response:
        await service.close(grace_seconds=0)
        name, poem = (await events_of(response))[-1]
    assert (name, poem["ending"]) == ("end", "cancelled")
    assert poem["text"].startswith("Moon")


async def test_two_applications_may_share_one_service() -> None:
    service = fake_service()
    async with serving(service) as one, serving(service) as other:
        assert one != other
