"""The arithmetic of the benches."""

from __future__ import annotations

import doctest
import itertools
import math
from random import Random
from types import ModuleType

import pytest

from bench import stats, tables
from bench.stats import MAX_STRIDES, highest_kept, jain, mean, poisson_arrivals, quantile, slope


def test_members_come_at_the_rate_asked_for() -> None:
    arrivals = poisson_arrivals(20.0, 200.0, Random(1))
    assert len(arrivals) == pytest.approx(4_000, rel=0.05)
    assert arrivals == sorted(arrivals)
    assert arrivals[0] > 0.0
    assert arrivals[-1] < 200.0


def test_gaps_between_members_spread_as_much_as_they_last() -> None:
    arrivals = poisson_arrivals(10.0, 500.0, Random(2))
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    spread = math.sqrt(mean([(gap - mean(gaps)) ** 2 for gap in gaps]))
    assert spread == pytest.approx(mean(gaps), rel=0.1)


def test_another_rate_brings_the_same_crowd_faster() -> None:
    slow = poisson_arrivals(2.0, 50.0, Random(3))
    quick = poisson_arrivals(4.0, 25.0, Random(3))
    assert [2 * moment for moment in quick] == pytest.approx(slow)


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1, 100)]
)
def test_a_quantile_is_the_nearest_rank(share: float, value: int) -> None:
    values = [float(number) for number in range(1, 101)]
    Random(4).shuffle(values)
    assert quantile(values, share) == value


def test_fairness_is_one_only_when_all_have_the_same() -> None:
    assert jain([3.0] * 7) == pytest.approx(1.0)
    assert jain([3.0, 3.0, 3.0, 1.0]) < 0.93
    assert jain([5.0, 0.0, 0.0, 0.0, 0.0]) == pytest.approx(1 / 5)
    assert math.isnan(jain([0.0, 0.0]))


def test_the_slope_of_a_noisy_line_is_found() -> None:
    random = Random(5)
    points = [(x / 10, 7.0 - 0.5 * x / 10 + random.gauss(0, 0.1)) for x in range(200)]
    assert slope(points) == pytest.approx(-0.5, abs=0.01)


@pytest.mark.parametrize("begin", [5.0, 36.0, 37.0, 150.0])
def test_the_search_finds_the_rate_that_is_kept_up_with_from_wherever_it_begins(
    begin: float,
) -> None:
    found = highest_kept(lambda rate: rate <= 37.0, begin, stride=1.25, halvings=8)
    assert found is not None
    assert 36.9 < found <= 37.0


def test_the_search_gives_up_when_no_rate_is_kept_up_with() -> None:
    asked: list[float] = []

    def fails(rate: float) -> bool:
        asked.append(rate)
        return False

    assert highest_kept(fails, 20.0, stride=2.0, halvings=5) is None
    assert len(asked) == MAX_STRIDES


def test_a_rate_that_nothing_overloads_is_told_as_far_as_it_was_seen() -> None:
    assert highest_kept(lambda _: True, 1.0, stride=2.0, halvings=5) == 2.0 ** (MAX_STRIDES - 1)


@pytest.mark.parametrize("module", [stats, tables])
def test_the_examples_hold(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
