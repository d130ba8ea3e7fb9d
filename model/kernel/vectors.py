"""Sums, maxima and exponentials over the vocabulary, written so that the compiler makes vectors of
them. It may not change the order of additions, so each of eight lanes has a sum of its own.

The results are the same to the last bit on whatever processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.kernel.compilation import inner

SMALLEST = -80.0  # an exponent; e to it is taken for 0


@inner
def exponential(x: float) -> float:
    """Return e to the `x`, which is 0 or less, to ten digits; 0 below SMALLEST.

    As (e to the x / 1024) to the 1024: six terms of the series, then ten squares. It takes a
    seventh of the time of the library's, which no loop makes vectors of.
    """
    z = x * (1.0 / 1024.0)
    y = 1.0 + z * (1.0 + z * (1 / 2 + z * (1 / 6 + z * (1 / 24 + z * (1 / 120 + z * (1 / 720))))))
    y *= y
    y *= y
    y *= y
    y *= y
    y *= y
    y *= y
    y *= y
    y *= y
    y *= y
    y *= y
    return y if x >= SMALLEST else 0.0


@inner
def largest_of(values: NDArray[np.floating[Any]]) -> float:
    """Return the largest of values (V,); at least one."""
    whole = len(values) // 8 * 8
    a = b = c = d = e = f = g = h = values[0]
    for i in range(0, whole, 8):
        a = values[i] if values[i] > a else a
        b = values[i + 1] if values[i + 1] > b else b
        c = values[i + 2] if values[i + 2] > c else c
        d = values[i + 3] if values[i + 3] > d else d
        e = values[i + 4] if values[i + 4] > e else e
        f = values[i + 5] if values[i + 5] > f else f
        g = values[i + 6] if values[i + 6] > g else g
        h = values[i + 7] if values[i + 7] > h else h
    largest = max(max(max(a, b), max(c, d)), max(max(e, f), max(g, h)))
    for i in range(whole, len(values)):
        largest = values[i] if values[i] > largest else largest
    return np.float64(largest)


@inner
def sum_of(values: NDArray[np.float64]) -> float:
    """Return the sum of values (V,)."""
    whole = len(values) // 8 * 8
    a = b = c = d = e = f = g = h = 0.0
    for i in range(0, whole, 8):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
        e += values[i + 4]
        f += values[i + 5]
        g += values[i + 6]
        h += values[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, len(values)):
        total += values[i]
    return total
