"""What the bot remembers stays its own: the token, and books that are not published.

No core dumps, no reading of its memory, no secret in the environment. The first two on Linux only.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

PR_SET_DUMPABLE = 4  # linux/prctl.h


def forbid_core_dumps(process: int = 0) -> None:
    """Let a process leave no core file when it crashes: a child by its number, ourselves as 0."""
    if sys.platform != "linux":
        return
    import resource

    with suppress(OSError):  # it has ended already
        _, most = resource.prlimit(process, resource.RLIMIT_CORE)
        resource.prlimit(process, resource.RLIMIT_CORE, (0, most))


def hide_memory() -> None:
    """Keep our memory from other processes of our user, and from collectors of core dumps.

    A collector is told of a crash in spite of the limit above. Figures of /proc can still be read.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def take_from_environment(name: str) -> str:
    """Return a variable of ours and remove it, "" where it is not set.

    Processes that we start do not get it. On Linux /proc and `ps e` show the environment as it was
    at the start, also after a removal: there the value is overwritten.
    """
    value = os.environ.get(name, "")
    if value and sys.platform == "linux":
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_void_p
        if address := getenv(os.fsencode(name)):
            ctypes.memset(address, ord("*"), len(os.fsencode(value)))
    os.environ.pop(name, None)
    return value
