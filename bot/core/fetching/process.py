"""Asks for each book in a process of its own: there a site is received, decrypted and parsed.

This file is both sides: `SandboxedClient` in the bot, and `main` in the process, which hands one
book over stdout in frames, then ends. A frame is a letter, four bytes of length, and as many
bytes. A process that was killed leaves out the last frame, END or ERROR, so that half a book is
never taken for a whole one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any

from bot.core.errors import BotError, SourceFailed, SourceRefused
from bot.core.fetching.addresses import Trust, read_url
from bot.core.fetching.client import (
    BookResponse,
    FetchRules,
    HttpClient,
    StatusNotOk,
    took_too_long,
)
from bot.core.languages import pack_sentence, sentence, unpack_sentence
from bot.core.proxies import Proxies, Proxy
from bot.core.sandbox import (
    START_SECONDS,
    end_with_the_bot,
    limit_this_process,
    sandboxed_process,
)

log = logging.getLogger(__name__)

MODULE = "bot.core.fetching.process"
BROKEN = sentence("its answer could not be read")
CPU_SECONDS = 20  # starting takes 0.3, 64 MB over TLS some 2
MEMORY_BYTES = 2**30  # of addresses, of which the threads' stacks are most; 40 MB are used
# Kinds of frames, and the head of each.
URL, BLOCK, END, ERROR, FAULT = b"U", b"B", b"E", b"X", b"F"
HEAD = struct.Struct("=cI")
MAX_FRAME_BYTES = 2**17  # a block has half of it


class SandboxedClient:
    """Asks in another process, a new one for each book."""

    def __init__(self, rules: FetchRules) -> None:
        self._rules = rules

    @asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[BookResponse]:
        read_url(url, self._rules.trust)  # a refused address needs no process
        seconds = self._rules.timeout_seconds
        instructions = write_instructions(self._rules, url)
        try:
            async with (
                asyncio.timeout(seconds + START_SECONDS),
                sandboxed_process(MODULE, instructions) as process,
            ):
                assert process.stdout is not None  # noqa: S101 - it is a pipe
                yield await _answer(process.stdout, url)
        except TimeoutError as error:
            raise SourceFailed(url, took_too_long(seconds)) from error


async def _answer(stdout: asyncio.StreamReader, url: str) -> BookResponse:
    kind, body = await _next(stdout, url)
    if kind != URL:
        raise _failure(kind, body, url)
    return BookResponse(body.decode(errors="replace"), _blocks(stdout, url))


async def _blocks(stdout: asyncio.StreamReader, url: str) -> AsyncIterator[bytes]:
    while True:
        kind, body = await _next(stdout, url)
        if kind == END:
            return
        if kind != BLOCK:
            raise _failure(kind, body, url)
        yield body


async def _next(stdout: asyncio.StreamReader, url: str) -> tuple[bytes, bytes]:
    """Return a frame's kind and body; raise SourceFailed where the process has ended instead."""
    try:
        kind, size = HEAD.unpack(await stdout.readexactly(HEAD.size))
        if size > MAX_FRAME_BYTES:
            raise SourceFailed(url, BROKEN)
        return kind, await stdout.readexactly(size)
    except asyncio.IncompleteReadError as error:
        log.warning("a fetching process ended too early")
        raise SourceFailed(url, BROKEN) from error


def _failure(kind: bytes, body: bytes, url: str) -> BotError:
    # The process may have been taken over.
    with suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError):
        if kind == ERROR:
            return read_error(body)
    log.warning("a fetching process failed: %s", body.decode("utf-8", "replace"))
    return SourceFailed(url, BROKEN)


def write_instructions(rules: FetchRules, url: str) -> bytes:
    """Write the task of a process, on one line."""
    return json.dumps({"url": url, "rules": asdict(rules)}).encode()


def read_instructions(line: bytes) -> tuple[FetchRules, str]:
    instructions = json.loads(line)
    rules = instructions["rules"]
    trust = rules.pop("trust")
    lists = {name: tuple(trust[name]) for name in ("allowed_hosts", "forbidden_networks")}
    proxies = rules.pop("proxies")
    http, https = (proxies[name] and Proxy(**proxies[name]) for name in ("http", "https"))
    return (
        FetchRules(
            **rules,
            trust=Trust(trust["template"], **lists),
            proxies=Proxies(http, https, proxies["exceptions"]),
        ),
        instructions["url"],
    )


def frame(kind: bytes, body: bytes = b"") -> bytes:
    return HEAD.pack(kind, len(body)) + body


def write_error(error: SourceRefused | SourceFailed) -> bytes:
    told: dict[str, object] = {"source": error.source, "reason": pack_sentence(error.reason)}
    if isinstance(error, StatusNotOk):
        told["status"] = str(error.status)
    if isinstance(error, SourceRefused):
        told["refused"] = "yes"
    return frame(ERROR, json.dumps(told).encode())


def read_error(body: bytes) -> BotError:
    """Build the error that a process met; its words are ours, its source is the stranger's."""
    told: dict[str, Any] = json.loads(body)
    if "status" in told:
        return StatusNotOk(told["source"], int(told["status"]))
    kind = SourceRefused if "refused" in told else SourceFailed
    return kind(told["source"], unpack_sentence(told["reason"]))


async def fetch_to_stdout(rules: FetchRules, url: str) -> None:
    try:
        async with HttpClient(rules).get(url) as answer:
            _tell(frame(URL, answer.url.encode()))
            async for block in answer.blocks:
                _tell(frame(BLOCK, block))
        _tell(frame(END))
    except (SourceRefused, SourceFailed) as error:
        _tell(write_error(error))
    except Exception as error:
        _tell(frame(FAULT, repr(error)[:500].encode()))


def _tell(frame: bytes) -> None:
    sys.stdout.buffer.write(frame)
    sys.stdout.buffer.flush()


def main() -> None:
    rules, url = read_instructions(sys.stdin.buffer.readline())
    end_with_the_bot()
    limit_this_process(cpu_seconds=CPU_SECONDS, memory_bytes=MEMORY_BYTES)
    # Windows' other loop reads past the meter.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(fetch_to_stdout(rules, url))
        os._exit(0)  # without waiting for a name server that a thread still waits for


if __name__ == "__main__":
    main()
