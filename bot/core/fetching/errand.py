"""The fetching process: asks for one book and hands it to the bot over stdout, then ends.

It opens no file, and its limits let it write none. It gives way to the bot, and may use little
processor time and memory: a site that finds a way to waste them wastes this process.
"""

from __future__ import annotations

import asyncio
import os
import sys

from bot.core.errors import SourceFailed, SourceRefused
from bot.core.fetching import frames
from bot.core.fetching.client import HttpClient, Rules

NICENESS = 10  # behind the bot, before trainings
CPU_SECONDS = 20  # starting takes 0.3, 64 MB over TLS some 2
MEMORY_BYTES = 2**30  # of addresses, of which the threads' stacks are most; 40 MB are used
OPEN_FILES = 64


def limit_ourselves() -> None:
    """Take from this process what it has no need of; POSIX only."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(NICENESS)
    for kind, most in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        lower = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lower, lower))


async def run_errand(rules: Rules, url: str) -> None:
    if sys.platform != "win32":
        # The bot holds the other end of stdin: when it is gone, so are we.
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), os._exit, 1)
    try:
        async with HttpClient(rules).get(url) as answer:
            _tell(frames.frame(frames.URL, answer.url.encode()))
            async for block in answer.blocks:
                _tell(frames.frame(frames.BLOCK, block))
        _tell(frames.frame(frames.END))
    except (SourceRefused, SourceFailed) as error:
        _tell(frames.write_error(error))
    except Exception as error:
        _tell(frames.frame(frames.FAULT, repr(error)[:500].encode()))


def _tell(frame: bytes) -> None:
    sys.stdout.buffer.write(frame)
    sys.stdout.buffer.flush()


def main() -> None:
    rules, url = frames.read_order(sys.stdin.buffer.readline())
    limit_ourselves()
    # Windows' other loop reads past the meter.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(run_errand(rules, url))
        os._exit(0)  # without waiting for a name server that a thread still waits for


if __name__ == "__main__":
    main()
