"""Work on what strangers send, in processes of their own: none of it can hold up the bot.

Such a process is started for one piece of work, told it in a line on stdin, and answers on stdout.
Of the bot's environment it gets what it needs by name, and so none of its secrets; it can write no
file; its processor time and memory are limited; and it ends when the bot does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from bot.core.core_dumps import forbid_core_dumps
from bot.core.paths import ROOT

NICENESS = 10  # behind the bot
OPEN_FILES = 64
START_SECONDS = 15.0  # for starting, beside the work itself; on a busy machine
END_SECONDS = 1.0  # for ending by itself, which takes milliseconds, before it is killed
# What every process that the bot starts may know of its environment.
COMMON_VARIABLES = {
    *("PATH", "HOME", "LANG", "TZ", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV"),
    *("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"),
}
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
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=sandbox_environment(os.environ),
        cwd=ROOT,
        start_new_session=True,  # Ctrl-C at the terminal is the bot's to hear
    )
    try:
        forbid_core_dumps(process.pid)
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(instructions + b"\n")
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


def limit_this_process(*, cpu_seconds: int, memory_bytes: int) -> None:
    """Take from this process what it has no need of; POSIX only."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(NICENESS)
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        lower = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lower, lower))
