"""Memory that the C library gives back."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from model.heap import trim_heap

HEAPS = """
import ctypes, sys, threading
from model.heap import map_large_blocks, share_one_heap, trim_heap

if "one" in sys.argv:
    share_one_heap()
map_large_blocks()
meeting = threading.Barrier(4)
def work():
    kept = bytearray(5000)
    meeting.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
trim_heap()
if sys.platform == "linux":
    library = ctypes.CDLL(None)
    library.fopen.restype = ctypes.c_void_p
    library.malloc_info(0, ctypes.c_void_p(library.fopen(b"/dev/stdout", b"w")))
    library.fflush(None)
"""
TUNED = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")


def heaps(*arguments: str) -> int:
    """Return how many heaps a process has after four threads; in it, because settings stay."""
    environment = {name: value for name, value in os.environ.items() if name not in TUNED}
    command = [sys.executable, "-c", HEAPS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_info"),
    reason="only glibc gives threads heaps of their own",
)
def test_threads_share_the_heap_that_there_is() -> None:
    assert heaps("one") <= heaps() - 3


def test_giving_memory_back_does_no_harm_wherever_it_runs() -> None:
    trim_heap()
