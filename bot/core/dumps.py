"""No core dumps: what the bot remembers has the token in it, and books that are not published.

Linux only; elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
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
    """Keep our memory from other processes of our user, and from whatever collects core dumps.

    A collector is told of a crash in spite of the limit above. Figures of /proc can still be read.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
