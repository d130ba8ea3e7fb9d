"""Memory that the C library gives back."""

from __future__ import annotations

from model.heap import map_large_blocks, trim_heap


def test_giving_memory_back_does_no_harm_wherever_it_runs() -> None:
    map_large_blocks()
    trim_heap()
