"""Choosing the next character of one row; compiled, and small enough to be read as a formula.

Every function is pure but for the array it says it fills. Probs are probabilities up to a common
factor; a filter sets the probs that it takes away to zero, and leaves the others as they are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from model.kernel.compilation import inner

Probs = NDArray[np.float64]  # (V,)
Ids = NDArray[np.int64]
GUARD_WINDOW = 256  # characters that the repetition guard looks back
# Nats off for the first character too many, the factor for each more, and how often it is applied.
GUARD_FIRST, GUARD_GROWTH, GUARD_STEPS = 0.5, 1.5, 40


@inner
def draw_uniform(states: NDArray[np.uint64], row: int) -> float:
    """Advance generator `row` of `random` (uint64) and return a float64 in [0, 1).

    SplitMix64: Steele, Lea and Flood 2014.
    """
    states[row] += np.uint64(0x9E3779B97F4A7C15)
    z = states[row]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@inner
def argmax(logits: NDArray[np.float32]) -> int:
    """Return the likeliest id, the lowest one on a tie."""
    best = 0
    for i in range(1, len(logits)):
        if logits[i] > logits[best]:
            best = i
    return best


@inner
def apply_temperature(logits: NDArray[np.float32], value: float, probs: Probs) -> None:
    """Fill `probs` with exp(logits / value), the largest being 1.

    Ackley, Hinton and Sejnowski 1985.
    """
    largest = logits[argmax(logits)]
    for i in range(len(logits)):
        probs[i] = math.exp((logits[i] - largest) / value)


@inner
def sort_by_prob(probs: Probs, order: Ids) -> None:
    """Fill `order` with the ids, heaviest first, the lower id on a tie.

    A heap: making it takes V comparisons, each id taken from it log V.
    """
    size = len(probs)
    heap = np.arange(size)
    for root in range(size // 2 - 1, -1, -1):
        _sift_down(heap, probs, root, size)
    for place in range(len(order)):
        order[place] = heap[0]
        size -= 1
        heap[0] = heap[size]
        _sift_down(heap, probs, 0, size)


@inner
def _sift_down(heap: Ids, probs: Probs, root: int, size: int) -> None:
    while True:
        best = root
        for child in (2 * root + 1, 2 * root + 2):
            if child < size:
                a, b = heap[child], heap[best]
                if probs[a] > probs[b] or (probs[a] == probs[b] and a < b):
                    best = child
        if best == root:
            return
        heap[root], heap[best] = heap[best], heap[root]
        root = best


@inner
def apply_top_k(probs: Probs, order: Ids, k: int) -> None:
    """Keep the k first of `order`; Fan, Lewis and Dauphin 2018."""
    for place in range(k, len(order)):
        probs[order[place]] = 0.0


@inner
def apply_top_p(probs: Probs, order: Ids, p: float) -> None:
    """Keep the fewest of `order`, from its beginning, whose share reaches p; at least one.

    Holtzman et al. 2020.
    """
    total = 0.0
    for place in range(len(order)):
        total += probs[order[place]]
    likelier = 0.0
    for place in range(len(order)):
        prob = probs[order[place]]
        if likelier >= p * total:
            probs[order[place]] = 0.0
        likelier += prob


@inner
def apply_min_p(probs: Probs, p: float) -> None:
    """Keep ids at least p times as probable as the likeliest, whose weight is 1.

    Nguyen et al. 2024.
    """
    for i in range(len(probs)):
        if probs[i] < p:
            probs[i] = 0.0


@inner
def draw(probs: Probs, chance: float) -> int:
    """Return an id by inversion of the cumulative distribution; never one without weight."""
    total = 0.0
    for i in range(len(probs)):
        total += probs[i]
    target = chance * total
    passed = 0.0
    last = 0
    for i in range(len(probs)):
        if probs[i] > 0.0:
            last = i
            passed += probs[i]
            if passed > target:
                return i
    return last


@inner
def note_repetition(
    history: NDArray[np.uint16],
    runs: NDArray[np.int16],
    lengths: NDArray[np.int64],
    row: int,
    id_: int,
) -> None:
    """Add `id_` to the row's history (2 × GUARD_WINDOW,), of which the last half at least is kept.

    runs[d] is how many of the last ids, in one piece, are those that stand d places before them.
    """
    length = lengths[row]
    if length == 2 * GUARD_WINDOW:
        history[:GUARD_WINDOW] = history[GUARD_WINDOW:]
        length = GUARD_WINDOW
    for d in range(1, min(length, GUARD_WINDOW) + 1):
        runs[d] = runs[d] + 1 if history[length - d] == id_ else 0
    history[length] = id_
    lengths[row] = length + 1


@inner
def guard_repetition(
    logits: NDArray[np.float32],
    history: NDArray[np.uint16],
    runs: NDArray[np.int16],
    length: int,
    allowed: int,
) -> None:
    """Lower the logits of ids that would go on repeating a run of `allowed` and more characters.

    The penalty grows with the run, so that no loop lasts: DRY, p-e-w 2024.
    """
    longest = 0
    for d in range(GUARD_WINDOW + 1):
        longest = max(longest, runs[d])
    if longest < allowed:
        return
    for d in range(1, min(length, GUARD_WINDOW) + 1):
        if runs[d] >= allowed:
            more = min(runs[d] - allowed, GUARD_STEPS)
            logits[history[length - d]] -= np.float32(GUARD_FIRST * GUARD_GROWTH**more)
