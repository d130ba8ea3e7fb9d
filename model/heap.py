"""The C library's heap, where that is glibc's: what is freed shall be the system's again."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

M_MMAP_THRESHOLD, LARGE = -3, 2**20  # a setting of glibc's mallopt, and bytes for it


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
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
