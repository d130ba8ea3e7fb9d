"""What becomes of many measurements: pure functions, no clock and no process."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random


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
    keeps_up: Callable[[float], bool], low: float, high: float, steps: int
) -> float | None:
    """Halve the way between `low` and `high` so often; return the highest rate that kept up.

    None when not one did.
    """
    kept = None
    for _ in range(steps):
        middle = (low + high) / 2
        if keeps_up(middle):
            kept = low = middle
        else:
            high = middle
    return kept
