"""A Python process that the bot starts: how it begins, and how it ends.

The bot holds the child's stdin as a leash: a child ends by itself once that is closed, so also
when the bot is killed.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from bot.core.core_dumps import forbid_core_dumps
from bot.core.installation import ROOT

# What every child may know of the bot's environment, which holds secrets.
COMMON_VARIABLES = {
    *("PATH", "HOME", "LANG", "TZ", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV"),
    *("USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME"),  # where compiled arithmetic is kept
    *("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"),
    # Windows: what Python and PyTorch read of it there, besides some of the above
    *("SYSTEMDRIVE", "WINDIR", "PROGRAMFILES", "PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS"),
}
# Ctrl-C at the terminal is the bot's to hear: elsewhere a child has a session of its own.
OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows


async def start_child(
    *arguments: str, environment: Mapping[str, str], stderr: int, limit: int = 2**16
) -> asyncio.subprocess.Process:
    """Start Python with these arguments; a line that is read may have up to `limit` bytes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        limit=limit,
        env=environment,
        cwd=ROOT,
        start_new_session=True,
        creationflags=OWN_GROUP,
    )
    forbid_core_dumps(process.pid)
    return process


async def stop_child(
    process: asyncio.subprocess.Process,
    wait: Callable[[], Awaitable[object]],
    *,
    grace_seconds: float,
) -> None:
    """Let go of the leash, and kill a child that has not ended `grace_seconds` later.

    `wait` waits for its end: `process.wait` while its pipes are read elsewhere, otherwise
    `process.communicate`, which reads them.
    """
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    process.stdin.close()
    try:
        async with asyncio.timeout(grace_seconds):
            await wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await wait()
