"""Fetching in a process of its own: what comes back, what it knows, and that it ends."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from bot.core.errors import SourceFailed, SourceRefused
from bot.core.fetching import process as frames
from bot.core.fetching.addresses import Trust
from bot.core.fetching.client import FetchRules, StatusNotOk
from bot.core.fetching.fetcher import Fetcher
from bot.core.fetching.process import SandboxedClient, _answer
from bot.core.languages import sentence, translate
from bot.core.sandbox import sandbox_environment, sandboxed_process
from tests.bot.core.fetching.conftest import BEGUN, MAX_BYTES, POEM


def fetcher_of(template: str) -> Fetcher:
    rules = FetchRules(
        "Sonneteer/1 (test)", MAX_BYTES, 5, Trust(template, forbidden_networks=("::/0",))
    )
    return Fetcher(SandboxedClient(rules), max_bytes=MAX_BYTES)


async def test_a_book_and_a_refusal_come_from_another_process(
    mirror: TestServer, tmp_path: Path
) -> None:
    base = f"http://127.0.0.1:{mirror.port}"
    fetched = await fetcher_of(f"{base}/poem.txt?{{number}}").fetch(
        f"{base}/poem.txt?7", tmp_path / "book.txt"
    )
    assert (fetched.path.read_bytes(), fetched.url) == (POEM, f"{base}/poem.txt?7")
    with pytest.raises(StatusNotOk) as caught:
        await fetcher_of(f"{base}/{{number}}").fetch(f"{base}/404", tmp_path / "none.txt")
    assert caught.value.status == 404
    assert translate(caught.value.sentence, "de") == (
        f"Das Buch konnte nicht von '{base}/404' geholt werden: die Website hat keine solche Datei "
        "(Status 404). Versuch es noch einmal oder häng die Datei an."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["book.txt"]


async def test_what_is_refused_at_sight_starts_no_process(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused):
        async with asyncio.timeout(0.05):  # in which none could answer
            await fetcher_of("").fetch("http://127.0.0.1/", tmp_path / "book.txt")


async def test_a_fetch_that_is_cancelled_ends_its_process(
    mirror: TestServer, tmp_path: Path
) -> None:
    base = f"http://127.0.0.1:{mirror.port}"
    fetcher = fetcher_of(f"{base}/slow?{{number}}")
    task = asyncio.create_task(fetcher.fetch(f"{base}/slow?7", tmp_path / "book.txt"))
    async with asyncio.timeout(20):
        await mirror.app[BEGUN].wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list(tmp_path.iterdir())


async def test_a_process_that_does_not_understand_ends_without_a_word() -> None:
    async with sandboxed_process("bot.core.fetching.process", b"no order") as process:
        assert process.stdout is not None
        assert await process.stdout.read() == b""


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"U\0\0",
        frames.frame(frames.URL, b"http://a/"),
        frames.frame(frames.URL, b"http://a/") + frames.frame(frames.BLOCK, b"half a book"),
        frames.HEAD.pack(frames.URL, 2**31),
        frames.frame(frames.FAULT, b"ValueError()"),
        frames.frame(frames.ERROR, b"{"),
        frames.frame(frames.ERROR, b"[]"),
        frames.frame(frames.ERROR, b"{}"),
        frames.frame(frames.ERROR, b"[" * 100_000),
        frames.frame(frames.ERROR, b'{"source": "a", "status": Infinity}'),
        frames.frame(frames.ERROR, b'{"source": "a", "reason": 7}'),
        frames.frame(frames.ERROR, b'{"source": "a", "reason": {"messages": []}}'),
        frames.frame(frames.URL, b"http://a/") + frames.frame(frames.FAULT, b"ValueError()"),
    ],
)
async def test_half_an_answer_of_a_process_is_no_book(told: bytes) -> None:
    """It was killed, or it failed."""
    stdout = asyncio.StreamReader()
    stdout.feed_data(told)
    stdout.feed_eof()
    with pytest.raises(SourceFailed, match="could not be read"):
        async for _ in (await _answer(stdout, "http://a/")).blocks:
            pass


def test_a_process_knows_none_of_our_secrets() -> None:
    told = sandbox_environment({"DISCORD_TOKEN": "secret", "PATH": "/bin", "HTTP_PROXY": "x"})
    assert set(told) & {"DISCORD_TOKEN", "HTTP_PROXY"} == set()
    assert told["PATH"] == "/bin"


def test_an_order_is_read_as_it_was_written() -> None:
    rules = FetchRules("a", 5, 0.5, Trust("http://a/{number}", ("b", "c"), ("10.0.0.0/8",)))
    assert frames.read_instructions(frames.write_instructions(rules, "http://ü/\n")) == (
        rules,
        "http://ü/\n",
    )


@pytest.mark.parametrize(
    "error",
    [
        SourceRefused("http://a/", "it is compressed"),
        SourceRefused(
            "http://a/",
            sentence(
                "it redirects to a place that is not allowed ({reason})",
                reason=sentence("it is longer than {most:,} characters", most=2_000),
            ),
        ),
        SourceFailed("http://a/", sentence("it took longer than {seconds:g} s", seconds=0.5)),
        SourceFailed("http://a/'", "no such host"),
        StatusNotOk("http://a/", 799),
    ],
)
def test_an_error_is_the_same_on_the_other_side(error: SourceRefused | SourceFailed) -> None:
    raw = frames.write_error(error)
    kind, size = frames.HEAD.unpack(raw[: frames.HEAD.size])
    found = frames.read_error(raw[frames.HEAD.size :])
    assert (kind, size) == (frames.ERROR, len(raw) - frames.HEAD.size)
    assert (type(found), str(found)) == (type(error), str(error))
    for language in ("de", "ru"):
        assert translate(found.sentence, language) == translate(error.sentence, language)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
async def test_a_process_can_write_no_file_and_gives_way(tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.touch()
    script = (
        "import os\n"
        "from bot.core.sandbox import limit_this_process\n"
        "limit_this_process(cpu_seconds=5, memory_bytes=2**30)\n"
        "print(os.nice(0))\n"
        f"try: os.write(os.open({str(told)!r}, os.O_WRONLY), b'x')\n"
        "except OSError as error: print(error.errno)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert int(said.split()[0]) == min(os.nice(0) + 10, 19)
    assert said.split()[1:] == [b"27"]  # EFBIG
