"""Asks for books in a process of its own each, so that no site can hold up the bot.

Whatever a site sends is received, decrypted and parsed there. Of the bot's environment it gets
what it needs by name, and so none of its secrets.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bot.core.dumps import forbid_core_dumps
from bot.core.errors import BotError, SourceFailed
from bot.core.fetching import frames
from bot.core.fetching.addresses import read_url
from bot.core.fetching.client import Answer, Rules

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[3]
END_SECONDS = 1.0  # for ending by itself, which takes milliseconds, before it is killed
START_SECONDS = 15.0  # for starting, beside the time that the site may take; on a busy machine
PASSED_ON = {
    *("PATH", "HOME", "LANG", "TZ", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV"),
    *("PYTHONDONTWRITEBYTECODE", "RES_OPTIONS", "LOCALDOMAIN"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),  # where a system keeps its certificates elsewhere
}
BROKEN = "its answer could not be read"


def errand_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a fetching process may know of the bot's environment."""
    return {name: value for name, value in environment.items() if name.upper() in PASSED_ON}


class ClientApart:
    """Asks in another process, started anew for each book and ended with it."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[Answer]:
        read_url(url, self._rules.trust)  # what is refused at sight needs no process
        seconds = self._rules.timeout_seconds
        try:
            async with asyncio.timeout(seconds + START_SECONDS), self._process(url) as process:
                assert process.stdout is not None  # noqa: S101 - it is a pipe
                kind, body = await _next(process.stdout, url)
                if kind != frames.URL:
                    raise _failure(kind, body, url)
                yield Answer(body.decode(), _blocks(process.stdout, url))
        except TimeoutError as error:
            raise SourceFailed(url, f"it took longer than {seconds:g} s") from error

    @asynccontextmanager
    async def _process(self, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot.core.fetching.errand"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=errand_environment(os.environ),
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C at the terminal is the bot's to hear
        )
        try:
            forbid_core_dumps(process.pid)
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            process.stdin.write(frames.write_order(self._rules, url))
            yield process
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let go of the leash and have the pipes closed; nothing that is still said is wanted."""
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    process.stdin.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _blocks(stdout: asyncio.StreamReader, url: str) -> AsyncIterator[bytes]:
    while True:
        kind, body = await _next(stdout, url)
        if kind == frames.END:
            return
        if kind != frames.BLOCK:
            raise _failure(kind, body, url)
        yield body


async def _next(stdout: asyncio.StreamReader, url: str) -> tuple[bytes, bytes]:
    """Return a frame's kind and body; raise SourceFailed where the process has ended instead."""
    try:
        kind, size = frames.HEAD.unpack(await stdout.readexactly(frames.HEAD.size))
        if size > frames.MAX_FRAME_BYTES:
            raise SourceFailed(url, BROKEN)
        return kind, await stdout.readexactly(size)
    except asyncio.IncompleteReadError as error:
        log.warning("a fetching process ended before the book did")
        raise SourceFailed(url, BROKEN) from error


def _failure(kind: bytes, body: bytes, url: str) -> BotError:
    if kind == frames.ERROR:
        return frames.read_error(body)
    log.warning("a fetching process failed: %s", body.decode("utf-8", "replace"))
    return SourceFailed(url, BROKEN)
