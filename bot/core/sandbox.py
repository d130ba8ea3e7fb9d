"""Work on strangers' input in processes of its own, so that it cannot hold up the bot.

Such a process is started for one piece of work, told it in a line on stdin, and answers on stdout.
Of the bot's environment it gets what it needs by name, and so none of its secrets; it can write no
file; its processor time and memory are limited; and it ends when the bot does.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from bot.core.child_process import COMMON_VARIABLES, start_child, stop_child

NICENESS = 10  # behind the bot
OPEN_FILES = 64
START_SECONDS = 15.0  # for starting, beside the work itself; on a busy machine
END_SECONDS = 1.0  # for ending by itself, which takes milliseconds, before it is killed
SANDBOX_VARIABLES = {
    *COMMON_VARIABLES,
    "PYTHONDONTWRITEBYTECODE",
    *("RES_OPTIONS", "LOCALDOMAIN"),  # resolv.conf(5)
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),  # where a system keeps its certificates elsewhere
}
# A thread of OpenBLAS takes 32 MB of addresses, and there is nothing to multiply.
THREAD_VARIABLES = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def sandbox_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what such a process may know of the bot's environment.

    >>> sandbox_environment({"DISCORD_TOKEN": "x", "TZ": "UTC"})["TZ"]
    'UTC'
    """
    passed = {
        name: value for name, value in environment.items() if name.upper() in SANDBOX_VARIABLES
    }
    return {**passed, **THREAD_VARIABLES}


@asynccontextmanager
async def sandboxed_process(
    module: str, instructions: bytes
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a module as a process, with a line to read; it has ended when the block has."""
    process = await start_child(
        "-m", module, environment=sandbox_environment(os.environ), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(instructions + b"\n")
        yield process
    finally:
        await stop_child(process, process.communicate, grace_seconds=END_SECONDS)


def end_with_the_bot() -> None:
    """Let this process end once its stdin does: the bot, which holds the other end, has let go.

    What was to be read from stdin has been read before.
    """
    threading.Thread(target=_end_after_stdin, name="leash", daemon=True).start()


def _end_after_stdin() -> None:
    with suppress(OSError):
        while os.read(sys.stdin.fileno(), 1024):
            pass
    os._exit(1)


def limit_this_process(*, cpu_seconds: int, memory_bytes: int) -> None:
    """Limit this process to what it needs; Windows has no such limits, macOS none of addresses."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(NICENESS)
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_seconds),
        # macOS refuses any that is below the 400 GB of addresses that a process begins with.
        *([] if sys.platform == "darwin" else [(resource.RLIMIT_AS, memory_bytes)]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        lower = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lower, lower))
