"""What arrives over real sockets, what does not, and that nothing is left of what does not."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestServer

from bot.core.errors import BookRefused, SourceFailed, SourceRefused
from bot.core.fetching.client import StatusNotOk
from bot.core.fetching.fetcher import FetchedBook
from tests.bot.core.fetching.conftest import (
    BEGUN,
    BODIES,
    NOTED,
    POEM,
    PUBLIC,
    Detour,
    Fetch,
    in_process,
    names,
)
from tests.sentences import left_in_english


async def test_a_book_arrives_whole(fetch: Fetch) -> None:
    fetched = await fetch("/poem.txt")
    assert fetched.path.read_bytes() == POEM
    assert fetched == FetchedBook(
        f"{fetch.base}/poem.txt",
        fetch.into,
        len(POEM),
        hashlib.sha256(POEM).hexdigest(),
        "poem.txt",
    )


async def test_nothing_but_the_book_is_left(fetch: Fetch, folder: Path) -> None:
    await fetch("/poem.txt")
    assert [path.name for path in folder.iterdir()] == ["book.txt"]


async def test_an_old_book_gives_way_to_a_new_one(fetch: Fetch) -> None:
    fetch.into.write_text("old")
    await fetch("/poem.txt")
    assert fetch.into.read_bytes() == POEM


async def test_an_old_book_stays_where_none_arrives(fetch: Fetch, folder: Path) -> None:
    fetch.into.write_text("old")
    with pytest.raises(BookRefused):
        await fetch("/body/pickle.txt")
    assert [path.read_text() for path in folder.iterdir()] == ["old"]


@pytest.mark.parametrize("name", ["short.txt", "limit.txt"])
async def test_a_book_of_any_size_up_to_the_limit_arrives(fetch: Fetch, name: str) -> None:
    fetched = await fetch(f"/body/{name}")
    assert fetched.path.read_bytes() == BODIES[name]


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/markdown; charset=koi8-r",
        "TEXT/PLAIN",
        "application/octet-stream",
        "application/json",
    ],
)
async def test_a_kind_of_text_arrives(fetch: Fetch, kind: str) -> None:
    assert (await fetch(f"/answer?Content-Type={quote(kind)}")).size_bytes == len(POEM)


async def test_a_book_said_to_be_not_compressed_arrives(fetch: Fetch) -> None:
    assert (await fetch("/answer?Content-Encoding=identity")).size_bytes == len(POEM)


async def test_five_redirects_are_followed(fetch: Fetch) -> None:
    fetched = await fetch("/hops/5")
    assert (fetched.url, fetched.file_name) == (f"{fetch.base}/hops/0", "0")


async def test_a_site_learns_nothing_of_who_asks(fetch: Fetch, mirror: TestServer) -> None:
    await fetch("/note/first")
    for request in mirror.app[NOTED]:
        assert set(request.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding"} | (
            set(request.headers) & {"Connection"}
        )
        assert request.headers["Accept-Encoding"] == "identity"
        assert request.headers["User-Agent"] == "Sonneteer/1 (test)"
    assert len(mirror.app[NOTED]) == 2


async def test_a_proxy_in_the_environment_is_not_used(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await fetch("/poem.txt")).size_bytes == len(POEM)


async def test_a_public_host_is_reached_at_the_address_that_was_checked(
    fetch: Fetch, mirror: TestServer
) -> None:
    detour = Detour(mirror.port or 0)
    fetched = await fetch(
        "http://books.example/poem.txt", resolve=names(books=[PUBLIC]), open_socket=detour
    )
    assert (fetched.size_bytes, detour.sent_to) == (len(POEM), [(PUBLIC, 80)])


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/answer?Content-Type=text/html", "web page"),
        ("/answer?Content-Type=Text/HTML;charset=utf-8", "web page"),
        ("/answer?Content-Type=application/xhtml%2Bxml", "web page"),
        ("/answer?Content-Type=image/png", "image/png, not a text file"),
        ("/answer?Content-Type=audio/ogg", "audio/ogg"),
        ("/answer?Content-Type=video/mp4", "video/mp4"),
        ("/answer?Content-Type=application/zip", "application/zip"),
        ("/answer?Content-Type=application/pdf", "application/pdf"),
        ("/answer?Content-Type=application/epub%2Bzip", "epub"),
        ("/answer?Content-Type=x/`@everyone`", "it is not a text file"),
        ("/answer?Content-Encoding=gzip", "compressed"),
        ("/answer?Content-Encoding=br", "compressed"),
        ("/answer?Content-Encoding=zstd", "compressed"),
        ("/answer?Content-Encoding=identity,gzip", "compressed"),
        ("/body/over.txt", "more than 300,000 bytes"),
        ("/promise?bytes=300001", "more than 300,000 bytes"),
        ("/promise?bytes=999999999999999999", "more than 300,000 bytes"),
        ("/endless", "more than 300,000 bytes"),
    ],
)
async def test_what_is_no_text_file_is_refused(
    fetch: Fetch, folder: Path, path: str, reason: str
) -> None:
    with pytest.raises(SourceRefused, match=reason) as caught:
        await fetch(path)
    assert left_in_english(caught.value.sentence) == []
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "pickle.txt",
        "old-pickle.txt",
        "gzip.txt",
        "pdf.txt",
        "zip.txt",
        "picture.txt",
        "program.txt",
        "short-gzip.txt",
    ],
)
async def test_what_only_says_that_it_is_text_is_refused(
    fetch: Fetch, folder: Path, name: str
) -> None:
    with pytest.raises(BookRefused, match="is not text") as caught:
        await fetch(f"/body/{name}")
    assert left_in_english(caught.value.sentence) == []
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["pickle.txt", "gzip.txt", "pdf.txt"])
async def test_a_beginning_that_comes_in_pieces_is_known_as_well(
    fetch: Fetch, folder: Path, name: str
) -> None:
    with pytest.raises(BookRefused, match=name):
        await fetch(f"/drip/{name}")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("status", [204, 206, 300, 304, 401, 403, 404, 410, 429, 500, 503, 799])
async def test_a_site_that_has_no_file_fails(fetch: Fetch, folder: Path, status: int) -> None:
    with pytest.raises(StatusNotOk, match=f"status {status}") as caught:
        await fetch(f"/answer?status={status}")
    assert caught.value.status == status
    assert left_in_english(caught.value.sentence) == []
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/promise?bytes=9999", "ended before the file did"),
        ("/body/empty.txt", "empty"),
        ("/hops/6", "redirects more than 5 times"),
        ("/redirect?to=", "redirects more than 5 times"),
    ],
)
async def test_what_does_not_arrive_whole_fails(
    fetch: Fetch, folder: Path, path: str, reason: str
) -> None:
    with pytest.raises(SourceFailed, match=reason) as caught:
        await fetch(path)
    assert left_in_english(caught.value.sentence) == []
    assert not list(folder.iterdir())


@pytest.mark.parametrize("path", ["/slow", "/silent", "/redirect?to=/slow"])
async def test_a_site_that_takes_too_long_fails(fetch: Fetch, folder: Path, path: str) -> None:
    with pytest.raises(SourceFailed, match=r"longer than 0\.1 s"):
        await fetch(path, timeout_seconds=0.1)
    assert not list(folder.iterdir())


async def test_a_name_server_that_takes_too_long_fails(folder: Path) -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    fetcher = in_process(timeout_seconds=0.05, resolve=never)
    with pytest.raises(SourceFailed, match=r"longer than 0\.05 s"):
        await fetcher.fetch("http://books.example/", folder / "book.txt")
    assert not list(folder.iterdir())


async def test_a_port_that_nobody_listens_at_fails(fetch: Fetch, folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(SourceFailed, match="cannot be reached"):
            await fetch(f"{closed}/", origins=[closed])
    assert not list(folder.iterdir())


async def test_a_site_without_a_certificate_fails(fetch: Fetch, folder: Path) -> None:
    secure = fetch.base.replace("http:", "https:")
    with pytest.raises(SourceFailed, match="no secure connection"):
        await fetch(f"{secure}/poem.txt", origins=[secure])
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"-ERR wrong number of arguments\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nShall I",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nShall I",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nShall I",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nShall\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\nShall",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\n\r\nShall I",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 2_000 + b"\r\nShall I",
        b"",
    ],
    ids=[
        "SSH",
        "Redis",
        "below 0",
        "overflow",
        "many",
        "bad chunk",
        "cut chunk",
        "long",
        "headers",
        "nothing",
    ],
)
async def test_a_site_that_speaks_no_proper_http_fails(
    fetch: Fetch, folder: Path, answer: bytes
) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with pytest.raises(SourceFailed) as caught:
            await fetch(f"{base}/book.txt", origins=[base])
    assert caught.value.source == f"{base}/book.txt"
    assert not list(folder.iterdir())


@pytest.mark.parametrize("path", ["/slow", "/silent"])
async def test_a_fetch_that_is_cancelled_leaves_nothing(
    fetch: Fetch, folder: Path, mirror: TestServer, path: str
) -> None:
    task = asyncio.create_task(fetch(path))
    async with asyncio.timeout(5):
        await mirror.app[BEGUN].wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list(folder.iterdir())


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_a_fetch_can_be_cancelled_at_any_step(fetch: Fetch, folder: Path, steps: int) -> None:
    task = asyncio.create_task(fetch("/poem.txt"))
    for _ in range(steps):
        await asyncio.sleep(0.0001)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        assert not list(folder.iterdir())
    else:
        assert [path.name for path in folder.iterdir()] == ["book.txt"]


async def test_the_part_that_has_arrived_has_another_name(
    fetch: Fetch, folder: Path, mirror: TestServer
) -> None:
    task = asyncio.create_task(fetch("/slow"))
    async with asyncio.timeout(5):
        await mirror.app[BEGUN].wait()
    assert [path.suffix for path in folder.iterdir()] == [".part"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_folder_that_cannot_be_written_to_fails(mirror: TestServer, tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="could not be stored") as caught:
        await Fetch(mirror, tmp_path / "nowhere")("/poem.txt")
    assert str(tmp_path) not in str(caught.value)
