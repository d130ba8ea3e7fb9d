"""What becomes of many measurements: pure functions, no clock and no process."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

MAX_STRIDES = 12  # of a search: 1.25 ** 12 is 15


def poisson_arrivals(rate: float, seconds: float, random: Random) -> list[float]:
    """Return when independent people come: `rate` a second on average, for `seconds`.

    Gaps are drawn for a rate of 1 and then scaled, so that one random seed gives the same crowd,
    only faster, at another rate.
    """
    arrivals: list[float] = []
    moment = random.expovariate(1.0) / rate
    while moment < seconds:
        arrivals.append(moment)
        moment += random.expovariate(1.0) / rate
    return arrivals


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least value that at least `share` of all do not exceed (nearest rank).

    >>> quantile([4.0, 1.0, 3.0, 2.0], 0.5), quantile([4.0, 1.0, 3.0, 2.0], 0.99)
    (2.0, 4.0)
    >>> quantile([], 0.5)
    nan
    """
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def mean(values: Sequence[float]) -> float:
    """Return the average, nan of nothing.

    >>> mean([1.0, 2.0])
    1.5
    """
    return math.fsum(values) / len(values) if values else math.nan


def jain(values: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 when all have the same, 1/n when one has everything.

    R. Jain, D. Chiu and W. Hawe, A Quantitative Measure of Fairness, DEC TR-301, 1984.

    >>> jain([2.0, 2.0, 2.0]), jain([1.0, 0.0, 0.0, 0.0])
    (1.0, 0.25)
    """
    squares = math.fsum(value * value for value in values)
    return math.fsum(values) ** 2 / (len(values) * squares) if squares else math.nan


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the rise of the least-squares line through `points`, y per x.

    >>> slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)])
    2.0
    """
    middle_x, middle_y = mean([x for x, _ in points]), mean([y for _, y in points])
    spread = math.fsum((x - middle_x) ** 2 for x, _ in points)
    rise = math.fsum((x - middle_x) * (y - middle_y) for x, y in points)
    return rise / spread if spread else math.nan


def highest_kept(
    keeps_up: Callable[[float], bool], begin: float, *, stride: float, halvings: int
) -> float | None:
    """Return the highest rate that was seen to keep up; None when not one was.

    Goes up from `begin` by the factor `stride` until a rate does not keep up (or down until one
    does), then halves the way between the two.
    """
    kept, missed, rate = None, None, begin
    for _ in range(MAX_STRIDES):
        if keeps_up(rate):
            kept, rate = rate, rate * stride
        else:
            missed, rate = rate, rate / stride
        if kept is not None and missed is not None:
            break
    if kept is None or missed is None:
        return kept
    for _ in range(halvings):
        middle = (kept + missed) / 2
        if keeps_up(middle):
            kept = middle
        else:
            missed = middle
    return kept
