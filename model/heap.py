"""The C library's heap, where that is glibc's: what is freed shall be the system's again."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # settings of glibc's mallopt
LARGE = 2**20  # bytes


def trim_heap() -> None:
    """Return what the C library keeps of freed memory to the system."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has no such function
            ctypes.CDLL(None).malloc_trim(0)


def keep_heap_small() -> None:
    """Let large blocks of memory be the system's again as soon as they are freed, and all threads
    share one heap. To be called before there are threads.

    By itself glibc keeps large blocks once one was freed, which is 45 MB of a bot, and gives each
    thread a heap of its own, another 29 MB. Not for a training, which asks for such blocks at each
    step: it would take 1.6 times as long.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(M_MMAP_THRESHOLD, LARGE)
            library.mallopt(M_ARENA_MAX, 1)
