"""Sites that send without end what is no book: they are hung up on soon."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bot.core.errors import BotError, SourceFailed, SourceRefused
from bot.core.fetching.addresses import Trust
from bot.core.fetching.client import PATIENCE_SECONDS, FetchRules, _Pace
from bot.core.fetching.meter import (
    ALLOWANCE_READS,
    PIECE_BYTES,
    Meter,
    TooMuchFraming,
)
from tests.bot.core.fetching.conftest import in_process
from tests.simulated_time import simulated

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MAX_BYTES = 5_000_000
# With chunks that are nearly useful enough; the kernel holds some of it on both sides.
MOST_SENT_BYTES = 3_000_000
Write = Callable[[bytes], Awaitable[None]]


class Site:
    """Sends `opening` and then `piece` without end, and counts."""

    def __init__(self, opening: bytes, piece: bytes) -> None:
        self._opening, self._piece = opening, piece
        self.sent_bytes = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.set_write_buffer_limits(0)
        sending = writer.get_extra_info("socket")
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        writer.write(self._opening)
        block = self._piece * (4096 // len(self._piece) or 1)
        with suppress(ConnectionError):
            while True:
                writer.write(block)
                self.sent_bytes += len(block)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def served(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{{number}}"


@pytest.mark.parametrize(
    ("opening", "piece"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"),
        (CHUNKED, b"1\r\na\r\n"),
        (CHUNKED, b"4\r\nabcd\r\n"),
        (CHUNKED + b"1;x=", b"y"),
        (CHUNKED, b"1;x=" + b"y" * 4000 + b"\r\na\r\n"),
        (CHUNKED, b"0" * 400),
        (CHUNKED + b"0\r\n", b"X: a\r\n"),
        (OK, b"X: a\r\n"),
        (OK + b"X: ", b"a"),
        (b"HTTP/1.1 200 ", b"a"),
        (b"", b"\r\n"),
        (b"", b"a"),
    ],
    ids=[
        *("100 Continue", "103 Early Hints", "chunks of 1 byte", "chunks of 4 bytes"),
        *("a chunk's extension", "chunks with extensions", "zeros of a size", "trailers"),
        *("headers", "a header", "a status line", "blank lines", "no HTTP"),
    ],
)
async def test_a_site_that_sends_no_book_is_hung_up_on(
    tmp_path: Path, opening: bytes, piece: bytes
) -> None:
    """It could send 1.6 GB under a limit of 5 MB, and freeze the bot with it."""
    site = Site(opening, piece)
    async with served(site) as template:
        fetcher = in_process(Trust(template), max_bytes=MAX_BYTES)
        with pytest.raises(BotError) as caught:
            await fetcher.fetch(template.replace("{number}", "7"), tmp_path / "book.txt")
    assert isinstance(caught.value, SourceRefused | SourceFailed)
    assert "longer than" not in str(caught.value)
    assert site.sent_bytes < MOST_SENT_BYTES
    assert not list(tmp_path.iterdir())


async def test_a_book_that_comes_in_usual_chunks_arrives(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        chunk = b"40\r\n" + b"a line of a book, and no more\n\n\n" * 2 + b"\r\n"
        writer.write(CHUNKED + chunk * 20_000 + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with served(answer) as template:
        fetcher = in_process(Trust(template), max_bytes=MAX_BYTES)
        fetched = await fetcher.fetch(template.replace("{number}", "7"), tmp_path / "book.txt")
    assert fetched.size_bytes == 64 * 20_000


async def test_a_book_without_a_length_whose_connection_breaks_is_none(tmp_path: Path) -> None:
    """Half of it was taken for all of it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"\r\n" + b"half a book\n" * 100)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: reset
        writer.close()

    async with served(answer) as template:
        fetcher = in_process(Trust(template), max_bytes=MAX_BYTES)
        with pytest.raises(SourceFailed, match="ended before the file did"):
            await fetcher.fetch(template.replace("{number}", "7"), tmp_path / "book.txt")
    assert not list(tmp_path.iterdir())


def test_reads_that_bring_next_to_nothing_are_counted_as_well() -> None:
    meter = Meter()
    for _ in range(ALLOWANCE_READS):
        meter.count(1)
    with pytest.raises(TooMuchFraming):
        meter.count(1)


def test_useful_bytes_buy_more() -> None:
    meter = Meter()
    for _ in range(1000):
        meter.count(PIECE_BYTES)
        meter.useful_bytes += PIECE_BYTES
    assert not meter.is_spent


@simulated
async def test_a_site_that_drips_is_hung_up_on_soon() -> None:
    """It kept one of four places for a minute."""
    pace = _Pace(FetchRules("", 5_000_000, 60.0))
    assert pace.due(0) == PATIENCE_SECONDS
    assert pace.due(60) < PATIENCE_SECONDS + 0.1  # a byte a second
    await asyncio.sleep(PATIENCE_SECONDS)
    assert pace.complaint() == "it sends too slowly"


@simulated
async def test_a_slow_site_has_the_whole_time() -> None:
    pace = _Pace(FetchRules("", 5_000_000, 60.0))
    assert pace.due(500_000) == pace.due(5_000_000) == 60.0
    await asyncio.sleep(60)
    assert pace.complaint() == "it took longer than 60 s"
