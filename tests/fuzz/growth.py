"""Whether a function takes time by the length of its input, not by its square."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Input = TypeVar("Input")

TIMES = 8  # longer; what is linear takes as many times as long, what is quadratic 64 times
MOST = 28.0  # between the two, far from both
ENOUGH_SECONDS = 0.03  # whatever takes less is quick, and no ratio can be told


def is_linear(run: Callable[[Input], object], make: Callable[[int], Input], size: int) -> bool:
    """Compare the processor's time for inputs of `size` and TIMES as much, the best of three.

    `size` must be so large that a quadratic `run` would need a tenth of a second for the longer.
    """
    short, long = make(size), make(TIMES * size)
    taken = _best(run, long)
    return taken < ENOUGH_SECONDS or taken < MOST * _best(run, short)


def _best(run: Callable[[Input], object], value: Input) -> float:
    times = []
    for _ in range(3):
        began = time.thread_time()
        run(value)
        times.append(time.thread_time() - began)
        if times[-1] < ENOUGH_SECONDS:
            break
    return min(times)
