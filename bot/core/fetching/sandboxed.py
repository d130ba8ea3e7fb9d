"""Asks for each book in a process of its own: there a site is received, decrypted and parsed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bot.core.errors import BotError, SourceFailed
from bot.core.fetching import wire_format
from bot.core.fetching.addresses import read_url
from bot.core.fetching.client import BookResponse, FetchRules
from bot.core.sandbox import START_SECONDS, sandboxed_process

log = logging.getLogger(__name__)

MODULE = "bot.core.fetching.process"
BROKEN = "its answer could not be read"


class SandboxedClient:
    """Asks in another process, started anew for each book and ended with it."""

    def __init__(self, rules: FetchRules) -> None:
        self._rules = rules

    @asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[BookResponse]:
        read_url(url, self._rules.trust)  # what is refused at sight needs no process
        seconds = self._rules.timeout_seconds
        instructions = wire_format.write_instructions(self._rules, url)
        try:
            async with (
                asyncio.timeout(seconds + START_SECONDS),
                sandboxed_process(MODULE, instructions) as process,
            ):
                assert process.stdout is not None  # noqa: S101 - it is a pipe
                yield await _answer(process.stdout, url)
        except TimeoutError as error:
            raise SourceFailed(url, f"it took longer than {seconds:g} s") from error


async def _answer(stdout: asyncio.StreamReader, url: str) -> BookResponse:
    kind, body = await _next(stdout, url)
    if kind != wire_format.URL:
        raise _failure(kind, body, url)
    return BookResponse(body.decode(errors="replace"), _blocks(stdout, url))


async def _blocks(stdout: asyncio.StreamReader, url: str) -> AsyncIterator[bytes]:
    while True:
        kind, body = await _next(stdout, url)
        if kind == wire_format.END:
            return
        if kind != wire_format.BLOCK:
            raise _failure(kind, body, url)
        yield body


async def _next(stdout: asyncio.StreamReader, url: str) -> tuple[bytes, bytes]:
    """Return a frame's kind and body; raise SourceFailed where the process has ended instead."""
    try:
        kind, size = wire_format.HEAD.unpack(await stdout.readexactly(wire_format.HEAD.size))
        if size > wire_format.MAX_FRAME_BYTES:
            raise SourceFailed(url, BROKEN)
        return kind, await stdout.readexactly(size)
    except asyncio.IncompleteReadError as error:
        log.warning("a fetching process ended before the book did")
        raise SourceFailed(url, BROKEN) from error


def _failure(kind: bytes, body: bytes, url: str) -> BotError:
    with suppress(ValueError, KeyError, TypeError):  # a process may have been taken over
        if kind == wire_format.ERROR:
            return wire_format.read_error(body)
    log.warning("a fetching process failed: %s", body.decode("utf-8", "replace"))
    return SourceFailed(url, BROKEN)
