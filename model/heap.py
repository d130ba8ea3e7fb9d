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


def map_large_blocks() -> None:
    """Let large blocks of memory be the system's again as soon as they are freed.

    By itself glibc stops doing so once one was freed; a model then took 45 MB more. Not for a
    training, which asks for such blocks at each step: it would take 1.6 times as long.
    """
    _set(M_MMAP_THRESHOLD, LARGE)


def share_one_heap() -> None:
    """Let all threads share one heap; to be called before there are threads.

    By itself glibc gives each a heap of its own, which is 29 MB of a bot.
    """
    _set(M_ARENA_MAX, 1)


def _set(setting: int, value: int) -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(setting, value)
