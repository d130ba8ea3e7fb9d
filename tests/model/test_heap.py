"""Memory that the C library gives back."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from model.heap import keep_heap_small, trim_heap

HEAPS = """
import ctypes, sys, threading
from model.heap import keep_heap_small

if "small" in sys.argv:
    keep_heap_small()
meeting = threading.Barrier(4)
def work():
    kept = bytearray(5000)
    meeting.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
library.malloc_info(0, ctypes.c_void_p(library.fopen(b"/dev/stdout", b"w")))
library.fflush(None)
"""


def test_giving_memory_back_does_no_harm_wherever_it_runs() -> None:
    keep_heap_small()
    trim_heap()


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_info"),
    reason="only glibc gives threads heaps of their own",
)
def test_threads_share_the_heaps_that_there_are() -> None:
    def heaps(*arguments: str) -> int:
        command = [sys.executable, "-c", HEAPS, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.count(
            "<heap nr="
        )

    assert heaps("small") <= heaps() - 3
