"""What a hostile site costs the bot when a book is fetched from it: loop lag, bytes, seconds.

    python -m tests.rigs.hostile_books [--fetches 4] [--seconds 20] [--quick] [--json FILE]
                                       [ATTACK ...]

The site is a process of its own on loopback; here runs one event loop that fetches from it, as
the bot does, and that is asked every millisecond how late it is. The clock of each attack stops
after `--seconds`; the site then hangs up. Nothing but loopback is spoken to.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import multiprocessing
import os
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.gauges import watch_lag
from bench.stats import quantile
from bench.tables import table
from bot.app import make_fetcher
from bot.config import BooksConfig, Config
from bot.core.errors import BotError
from tests.rigs import runner

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TICK_SECONDS = 0.001
MANY = 64 * 2**10  # bytes that are sent at a time


def _for_ever(piece: bytes, opening: bytes = b"") -> Iterator[bytes]:
    yield opening
    block = piece * max(1, MANY // len(piece))
    while True:
        yield block


def _byte_by_byte(opening: bytes) -> Iterator[bytes]:
    yield opening
    while True:
        yield b"a"


def _drip(opening: bytes, pause_seconds: float) -> Iterator[bytes]:
    for piece in _byte_by_byte(opening):
        yield piece
        time.sleep(pause_seconds)


def _silence() -> Iterator[bytes]:
    yield b""
    time.sleep(3600)


def _bomb() -> Iterator[bytes]:
    return _for_ever(gzip.compress(b"a" * 10_000_000), OK + b"Content-Encoding: gzip\r\n\r\n")


ATTACKS: dict[str, Callable[[], Iterator[bytes]]] = {
    "endless 100 Continue": lambda: _for_ever(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "endless 103 with headers": lambda: _for_ever(b"HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\n"),
    "chunks of one byte": lambda: _for_ever(b"1\r\na\r\n", CHUNKED),
    "an endless chunk extension": lambda: _for_ever(b"a", CHUNKED + b"1;x="),
    "chunks with long extensions": lambda: _for_ever(b"1;x=" + b"y" * 4000 + b"\r\na\r\n", CHUNKED),
    "endless headers": lambda: _for_ever(b"X: a\r\n", OK),
    "one endless header": lambda: _for_ever(b"a", OK + b"X: "),
    "an endless status line": lambda: _for_ever(b"a", b"HTTP/1.1 200 "),
    "endless trailers": lambda: _for_ever(b"X: a\r\n", CHUNKED + b"0\r\n"),
    "an endless body": lambda: _for_ever(b"a", OK + b"\r\n"),
    "a compressed bomb": _bomb,
    "segments of one byte": lambda: _byte_by_byte(OK + b"\r\n"),
    "a byte a second": lambda: _drip(OK + b"\r\n", 1.0),
    "a header byte a second": lambda: _drip(OK + b"X: ", 1.0),
    "silence": _silence,
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """What an attack did: lags in seconds, of every tick."""

    lags: list[float]
    sent_bytes: int
    seconds: float  # until the last fetch had ended
    sentence: str  # of the first one


def serve(attack: str, seconds: float, told: Connection, sent: Any) -> None:
    """Be the hostile site until `seconds` have gone by.

    It gives way, as it would be another machine's processor.
    """
    os.nice(19)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(seconds)
    told.send(listening.getsockname()[1])
    ends = time.monotonic() + seconds
    with suppress(TimeoutError):
        while True:
            visitor, _ = listening.accept()
            work = threading.Thread(target=_answer, args=(visitor, attack, ends, sent), daemon=True)
            work.start()


def _answer(visitor: socket.socket, attack: str, ends: float, sent: Any) -> None:
    visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    visitor.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MANY)  # so that what was sent is out
    visitor.settimeout(max(ends - time.monotonic(), 0.1))
    with visitor, suppress(OSError):
        visitor.recv(2**16)
        for piece in ATTACKS[attack]():
            visitor.sendall(piece)
            with sent.get_lock():
                sent.value += len(piece)
            if time.monotonic() > ends:
                return


@asynccontextmanager
async def hostile_site(attack: str, seconds: float) -> AsyncIterator[tuple[str, Any]]:
    """Have a hostile site; yields its books' address with {number} in it, and its bytes so far."""
    context = multiprocessing.get_context("spawn")
    told, tell = context.Pipe()
    sent = context.Value("q", 0)
    site = context.Process(target=serve, args=(attack, seconds, tell, sent), daemon=True)
    site.start()
    try:
        port = await asyncio.to_thread(told.recv)
        yield f"http://127.0.0.1:{port}/{{number}}.txt", sent
    finally:
        site.kill()
        await asyncio.to_thread(site.join)


async def measure(attack: str, *, fetches: int = 4, seconds: float = 20.0) -> Measurement:
    """Fetch from a hostile site so many times at once; return what it did to this loop."""
    lags: list[float] = []
    async with hostile_site(attack, seconds) as (template, sent):
        fetcher = make_fetcher(Config(books=BooksConfig(gutenberg=template)))
        ticking = asyncio.create_task(watch_lag(lags, TICK_SECONDS))
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            sentences = await asyncio.gather(
                *(
                    _fetch(fetcher, template.replace("{number}", str(n + 1)), Path(folder) / str(n))
                    for n in range(fetches)
                )
            )
        took = time.perf_counter() - began
        ticking.cancel()
        return Measurement(lags, sent.value, took, sentences[0])


async def _fetch(fetcher: Any, url: str, into: Path) -> str:
    try:
        await fetcher.fetch(url, into)
    except BotError as error:
        return str(error)
    return "a book"


async def measure_all(asked: argparse.Namespace, _: Path) -> runner.Report:
    seconds = 1.0 if asked.quick else asked.seconds
    rows, figures = [], []
    for attack in asked.attacks:
        runner.tell(attack)
        measured = await measure(attack, fetches=asked.fetches, seconds=seconds)
        lags = [1000 * quantile(measured.lags, share) for share in (0.5, 0.99, 1.0)]
        reason = measured.sentence.split(": ", 1)[-1].split(". ")[0]
        sent = (f"{measured.sent_bytes / 1e6:.1f}", f"{measured.seconds:.1f}")
        rows.append((attack, *(f"{lag:.1f}" for lag in lags), *sent, reason))
        figures.append({"attack": attack, "lags_ms": lags, "sent_bytes": measured.sent_bytes})
        figures[-1] |= {"seconds": measured.seconds, "sentence": measured.sentence}
    head = ("attack", "lag p50 ms", "p99", "worst", "MB sent", "ended after s", "with")
    return runner.Report(table(head, rows), {"attacks": figures})


def main() -> None:
    parser = runner.parser_of(__doc__, quick="a second of each attack")
    parser.add_argument("attacks", nargs="*", default=list(ATTACKS), metavar="ATTACK")
    parser.add_argument("--fetches", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0)
    runner.run(parser.parse_args(), measure_all)


if __name__ == "__main__":
    main()
