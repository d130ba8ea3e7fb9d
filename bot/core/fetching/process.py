"""The fetching process: asks for one book and hands it to the bot over stdout, then ends."""

from __future__ import annotations

import asyncio
import os
import sys

from bot.core.errors import SourceFailed, SourceRefused
from bot.core.fetching import wire_format
from bot.core.fetching.client import FetchRules, HttpClient
from bot.core.sandbox import limit_this_process

CPU_SECONDS = 20  # starting takes 0.3, 64 MB over TLS some 2
MEMORY_BYTES = 2**30  # of addresses, of which the threads' stacks are most; 40 MB are used


async def fetch_to_stdout(rules: FetchRules, url: str) -> None:
    if sys.platform != "win32":
        # The bot holds the other end of stdin: when it lets go, we end.
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), os._exit, 1)
    try:
        async with HttpClient(rules).get(url) as answer:
            _tell(wire_format.frame(wire_format.URL, answer.url.encode()))
            async for block in answer.blocks:
                _tell(wire_format.frame(wire_format.BLOCK, block))
        _tell(wire_format.frame(wire_format.END))
    except (SourceRefused, SourceFailed) as error:
        _tell(wire_format.write_error(error))
    except Exception as error:
        _tell(wire_format.frame(wire_format.FAULT, repr(error)[:500].encode()))


def _tell(frame: bytes) -> None:
    sys.stdout.buffer.write(frame)
    sys.stdout.buffer.flush()


def main() -> None:
    rules, url = wire_format.read_instructions(sys.stdin.buffer.readline())
    limit_this_process(cpu_seconds=CPU_SECONDS, memory_bytes=MEMORY_BYTES)
    # Windows' other loop reads past the meter.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(fetch_to_stdout(rules, url))
        os._exit(0)  # without waiting for a name server that a thread still waits for


if __name__ == "__main__":
    main()
