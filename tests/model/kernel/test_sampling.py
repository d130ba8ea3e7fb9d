"""The choice of a character: each formula on its own, then the random numbers and the guard."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.kernel.sampling import (
    apply_min_p,
    apply_temperature,
    apply_top_k,
    apply_top_p,
    argmax,
    draw,
    draw_uniform,
    guard_repetition,
    note_repetition,
    sort_by_prob,
)
from model.kernel.state import GUARD_WINDOW

# Few distinct values, so that ties are common; many sizes, so that vector tails differ.
LOGITS = st.lists(
    st.sampled_from([-30.0, -2.0, -1.0, 0.0, 0.5, 1.0, 30.0]) | st.floats(-50, 50, width=32),
    min_size=1,
    max_size=40,
)
UNIFORMS = st.floats(0, 1, exclude_max=True)


def probs_of(logits: list[float], value: float = 1.0) -> NDArray[np.float64]:
    probs = np.empty(len(logits))
    apply_temperature(np.array(logits, np.float32), value, probs)
    return probs


def order_of(probs: NDArray[np.float64]) -> NDArray[np.int64]:
    order = np.empty(len(probs), np.int64)
    sort_by_prob(probs, order)
    return order


def kept(probs: NDArray[np.float64]) -> list[int]:
    return np.flatnonzero(probs).tolist()


@given(LOGITS)
def test_greedy_takes_the_likeliest_and_the_lowest_of_equals(logits: list[float]) -> None:
    likeliest = min(range(len(logits)), key=lambda place: (-logits[place], place))
    assert argmax(np.array(logits, np.float32)) == likeliest


@given(LOGITS, st.floats(0.05, 2.0))
def test_a_temperature_divides_the_logits(logits: list[float], value: float) -> None:
    largest = max(logits)
    expected = [math.exp((logit - largest) / value) for logit in logits]
    assert probs_of(logits, value) == pytest.approx(expected, rel=1e-4, abs=1e-12)


@given(LOGITS)
def test_the_order_is_by_weight_and_among_equals_by_id(logits: list[float]) -> None:
    probs = probs_of(logits)
    ranked = sorted(range(len(probs)), key=lambda place: (-probs[place], place))
    assert order_of(probs).tolist() == ranked


@given(LOGITS, st.integers(1, 45))
def test_top_k_keeps_exactly_the_k_likeliest_and_the_lowest_of_equals(
    logits: list[float], k: int
) -> None:
    probs = probs_of([max(logit, -20.0) for logit in logits])
    order = order_of(probs)
    apply_top_k(probs, order, k)
    assert kept(probs) == sorted(order[:k].tolist())


@given(LOGITS, st.floats(0.001, 1))
def test_top_p_keeps_the_fewest_that_reach_p_and_at_least_one(
    logits: list[float], p: float
) -> None:
    probs = probs_of([max(logit, -20.0) for logit in logits])
    shares = (probs / probs.sum()).tolist()
    order = order_of(probs)
    apply_top_p(probs, order, p)
    left = len(kept(probs))
    assert left >= 1
    assert kept(probs) == sorted(order[:left].tolist())
    assert math.fsum(shares[place] for place in order[: left - 1]) < p + 1e-9
    assert math.fsum(shares[place] for place in order[:left]) > p - 1e-9


@given(LOGITS, st.floats(0.001, 0.99))
def test_min_p_keeps_what_is_p_times_as_probable_as_the_likeliest(
    logits: list[float], p: float
) -> None:
    probs = probs_of(logits)
    expected = [place for place, prob in enumerate(probs) if prob >= p]
    apply_min_p(probs, p)
    assert kept(probs) == expected
    assert argmax(np.array(logits, np.float32)) in expected


@given(LOGITS, UNIFORMS, st.sets(st.integers(0, 39)))
def test_a_draw_inverts_the_distribution_and_never_takes_what_was_taken_away(
    logits: list[float], chance: float, gone: set[int]
) -> None:
    probs = probs_of(logits)
    probs[[place for place in gone if place < len(probs)]] = 0.0
    if not probs.any():
        return
    chosen = draw(probs, chance)
    assert probs[chosen] > 0.0
    below, target = math.fsum(probs[:chosen]), chance * math.fsum(probs)
    assert below <= target * (1 + 1e-9)
    assert target <= (below + probs[chosen]) * (1 + 1e-9)


def test_the_largest_chance_takes_the_last_of_those_kept() -> None:
    assert draw(np.array([0.1, 0.2, 0.3, 0.0]), 1.0) == 2


def split_mix(state: int) -> tuple[int, float]:
    """SplitMix64 in Python's whole numbers."""
    mask = 2**64 - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return state, ((z ^ (z >> 31)) >> 11) / 2**53


@given(st.integers(0, 2**64 - 1))
def test_random_numbers_are_split_mix_of_the_rows_own_state(seed: int) -> None:
    states = np.array([1, seed, 2], np.uint64)
    state = seed
    for _ in range(5):
        state, expected = split_mix(state)
        assert draw_uniform(states, 1) == expected
    assert states.tolist() == [1, state, 2]


def test_the_first_random_number_of_seed_0_is_the_published_one() -> None:
    assert draw_uniform(np.zeros(1, np.uint64), 0) == (0xE220A8397B1DCDAF >> 11) / 2**53


class Writer:
    """The guard's memory of one row."""

    def __init__(self) -> None:
        self.history = np.zeros(2 * GUARD_WINDOW, np.uint16)
        self.runs = np.zeros(GUARD_WINDOW + 1, np.int16)
        self.lengths = np.zeros(1, np.int64)

    def write(self, id_: int) -> None:
        note_repetition(self.history, self.runs, self.lengths, 0, id_, 1)

    def guarded(self, logits: NDArray[np.float32], allowed: int) -> NDArray[np.float32]:
        lowered = logits.copy()
        guard_repetition(lowered, self.history, self.runs, int(self.lengths[0]), allowed)
        return lowered


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(1, 5))
def test_the_guard_lowers_what_would_go_on_with_a_repetition(ids: list[int], allowed: int) -> None:
    writer = Writer()
    for id_ in ids:
        writer.write(id_)
    expected = np.zeros(4)
    for distance in range(1, len(ids)):
        run = 0
        while run + distance < len(ids) and ids[-1 - run] == ids[-1 - run - distance]:
            run += 1
        if run >= allowed:
            expected[ids[len(ids) - distance]] -= 0.5 * 1.5 ** (run - allowed)
    lowered = writer.guarded(np.zeros(4, np.float32), allowed)
    assert lowered == pytest.approx(expected, rel=1e-5)


def test_no_loop_is_written_for_long_even_by_the_greedy() -> None:
    """A writer that always wants to go on with the same six letters is led out of them."""
    writer = Writer()
    written: list[int] = []
    for place in range(600):
        logits = np.array([0.0] * 6 + [-4.0], np.float32)
        logits[place % 6] = 8.0
        chosen = argmax(writer.guarded(logits, 12))
        writer.write(chosen)
        written.append(chosen)
    gaps = [place for place, chosen in enumerate(written) if chosen != place % 6]
    assert gaps[0] < 40
    assert len(gaps) > 10


def test_the_guard_forgets_what_was_long_ago() -> None:
    writer = Writer()
    phrase, filler = [1, 2, 3, 4, 5, 1, 2, 3], 9
    for id_ in [*phrase, 7, *[filler + n % 50 for n in range(3 * GUARD_WINDOW)], *phrase]:
        writer.write(id_)
    logits = np.zeros(70, np.float32)
    assert (writer.guarded(logits, 8) == logits).all()
    assert int(writer.lengths[0]) <= 2 * GUARD_WINDOW
