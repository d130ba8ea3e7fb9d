"""The choice of a row's next token; compiled, and small enough to be read as formulas.

`sample_token` is the whole chain, in this order: repetition guard, temperature, form, the boost of
a poem's own words, top-k, top-p, min-p, the draw, filters. Each formula below it is pure but
for the array it says it fills. Probs are probabilities up to a common factor; what is taken away
has probability 0, and the others stay as they are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.kernel.compilation import entry, inner
from model.kernel.constraints import (
    NO_SLOT,
    FormConstraints,
    LineState,
    accept,
    boost_poem_words,
    find_allowed,
    mask_probs,
)
from model.kernel.filters import GRAM, add_letter, is_forbidden, note_symbol
from model.kernel.state import GUARD_WINDOW, HITS, BatchState, Constraints, ScratchSpace
from model.kernel.vectors import exponential, largest_of, sum_of

Probs = NDArray[np.float64]  # (V,)
Ids = NDArray[np.int64]
NO_TOKEN = -1  # instead of an id, of a row in a form whose line has ended
# Nats off for the first token too many, the factor for each more, and how often it is applied.
GUARD_FIRST, GUARD_GROWTH, GUARD_STEPS = 0.5, 1.5, 40


@inner
def sample_token(
    state: BatchState,
    line_state: LineState,
    constraints: Constraints,
    scratch: ScratchSpace,
    row: int,
    logits: NDArray[np.float32],
) -> int:
    """Choose the next id of `row` from its logits and remember it; NO_TOKEN in a dead end.

    What must not come is taken out of the logits.
    """
    form = constraints.form
    in_form = line_state.slot[row] != NO_SLOT
    sampling = state.sampling[row]
    if sampling["repetition_guard"] > 0:
        history, runs, length = state.history[row], state.runs[row], state.history_length[row]
        guard_repetition(logits, history, runs, length, sampling["repetition_guard"])
    if in_form:
        find_allowed(form, line_state, row, scratch.allowed)
    chance = draw_uniform(state.random_state, row)
    log_weight_before = line_state.log_weight[row]
    while True:
        chosen = _draw_token(state, line_state, form, scratch, row, logits, chance, in_form)
        if chosen == NO_TOKEN:
            return NO_TOKEN
        # What was forbidden already is drawn where nothing else is left: a stranger's model may
        # have learnt one letter, or not know what to say.
        if logits[chosen] == -np.inf or not is_forbidden(state, constraints, row, chosen):
            break
        logits[chosen] = -np.inf
        line_state.log_weight[row] = log_weight_before
    if in_form:
        accept(form, line_state, row, chosen)
    remember(state, constraints, row, chosen)
    hits = state.ring_state[row, HITS]
    if in_form and hits > 0:
        line_state.copied[row] = max(line_state.copied[row], GRAM - 1 + hits)
    state.next_id[row] = chosen
    return chosen


@inner
def _draw_token(
    state: BatchState,
    line_state: LineState,
    form: FormConstraints,
    scratch: ScratchSpace,
    row: int,
    logits: NDArray[np.float32],
    chance: float,
    in_form: bool,
) -> int:
    """Draw an id as the row's settings have it, from what its form allows if it has one."""
    probs, sampling = scratch.probs, state.sampling[row]
    if sampling["greedy"] and not in_form:
        return argmax(logits)
    apply_temperature(logits, sampling["temperature"], probs)
    if in_form and not mask_probs(scratch.allowed, probs, line_state, row):
        return NO_TOKEN
    if in_form and sampling["greedy"]:
        return argmax(probs)
    least = sampling["min_p"] * largest_of(probs)
    if in_form:
        boost_poem_words(form, line_state, row, probs)
    k, size = sampling["top_k"], len(logits)
    if 0 < k < size or sampling["top_p"] < 1.0:
        sort_by_prob(probs, scratch.order)
        if 0 < k < size:
            apply_top_k(probs, scratch.order, k)
        if sampling["top_p"] < 1.0:
            apply_top_p(probs, scratch.order, sampling["top_p"])
    if sampling["min_p"] > 0.0:
        apply_min_p(probs, least)
    return draw(probs, chance)


@inner
def remember(state: BatchState, constraints: Constraints, row: int, id_: int) -> None:
    """Let a row remember what it has read or written, as far as that is looked back on."""
    length = constraints.lengths[id_]
    if state.sampling[row]["repetition_guard"] > 0:
        note_repetition(state.history[row], state.runs[row], state.history_length, row, id_, length)
    if len(constraints.grams):
        for symbol in constraints.symbols[id_, :length]:
            note_symbol(symbol, state.ring[row], state.ring_state[row], constraints.grams)
    add_letter(constraints.letters[id_], state.word_hash, row)


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
def argmax(values: NDArray[np.floating[Any]]) -> int:
    """Return the id of the largest of logits or probs (V,), the lowest one on a tie."""
    best = 0
    for id_ in range(1, len(values)):
        if values[id_] > values[best]:
            best = id_
    return best


@inner
def apply_temperature(logits: NDArray[np.float32], value: float, probs: Probs) -> None:
    """Fill `probs` with exp(logits / value), the largest being 1.

    Ackley, Hinton and Sejnowski 1985.
    """
    largest, inverse = largest_of(logits), 1.0 / value
    for i in range(len(logits)):
        probs[i] = exponential((np.float64(logits[i]) - largest) * inverse)


@entry
def fill_surprisals(logits: NDArray[np.float32], ids: Ids, probs: Probs, nats: Probs) -> None:
    """Fill `nats` (T,) with how little each of `ids` (T,) was expected by its logits (T, V).

    Overwrites `probs` (V,).
    """
    for t in range(len(ids)):
        apply_temperature(logits[t], 1.0, probs)
        largest = np.float64(largest_of(logits[t]))
        nats[t] = math.log(sum_of(probs)) + largest - np.float64(logits[t, ids[t]])


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
    target = chance * sum_of(probs)
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
    characters: int,
) -> None:
    """Add `id_` to the row's history (2 × GUARD_WINDOW,), of which the last half at least is kept.

    runs[d] is how many `characters` the last ids have that, in one piece, are those that stand d
    places before them.
    """
    length = lengths[row]
    if length == 2 * GUARD_WINDOW:
        history[:GUARD_WINDOW] = history[GUARD_WINDOW:]
        length = GUARD_WINDOW
    for d in range(1, min(length, GUARD_WINDOW) + 1):
        runs[d] = runs[d] + characters if history[length - d] == id_ else 0
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
