"""What a row writes next: drawn as its settings have it, within what limits it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.kernel.avoidance import is_avoided, spell
from model.kernel.compilation import inner
from model.kernel.grams import GRAM, MAX_HITS, is_of_book, note
from model.kernel.guide import (
    NEWLINE,
    NO_ROW,
    SPACE,
    Guide,
    Walk,
    allow,
    cost,
    favour,
    restrict,
    take,
)
from model.kernel.rows import Rows, Rules, Scratch
from model.kernel.sampling import (
    by_likelihood,
    draw,
    greedy,
    guard_repetition,
    min_p,
    note_repetition,
    temperature,
    top_k,
    top_p,
    uniform,
)

NOTHING = -1  # instead of an id, of a guided row whose line has ended


@inner
def choose(rows: Rows, walk: Walk, rules: Rules, scratch: Scratch, row: int) -> int:
    """Choose the next id of `row` from its logits and remember it; NOTHING in a dead end."""
    logits, guide = scratch.logits[row], rules.guide
    guided = walk.slot[row] != NO_ROW
    if rows.guard[row] > 0:
        history, runs, length = rows.history[row], rows.runs[row], rows.length[row]
        guard_repetition(logits, history, runs, length, rows.guard[row])
    if guided:
        allow(guide, walk, row, scratch.allowed)
    chance = uniform(rows.random, row)
    before = walk.weight[row]
    while True:
        chosen = _draw(rows, walk, guide, scratch, row, chance, guided)
        if chosen == NOTHING:
            return NOTHING
        # What was forbidden already is drawn where nothing else is left: a stranger's model may
        # have learnt one letter, or not know what to say.
        if logits[chosen] == -np.inf or not _is_forbidden(rows, rules, row, chosen):
            break
        logits[chosen] = -np.inf
        walk.weight[row] = before
    if guided:
        walk.nats[row] += cost(logits, chosen)
        take(guide, walk, row, chosen)
    remember(rows, rules, row, chosen)
    if guided and rows.ring_state[row, 2] > 0:
        walk.copied[row] = max(walk.copied[row], GRAM - 1 + rows.ring_state[row, 2])
    rows.next_id[row] = chosen
    return chosen


@inner
def _is_forbidden(rows: Rows, rules: Rules, row: int, id_: int) -> bool:
    """Whether `id_` is never written, or would complete a run of the book or a word to avoid."""
    if rules.masked[id_]:
        return True
    ring, state = rows.ring[row], rows.ring_state[row]
    is_space = _is_space(rules, id_)
    goes_on = state[2] >= MAX_HITS and not (is_space and state[1] == 1)
    if goes_on and is_of_book(id_, is_space, ring, state, rules.grams):
        return True
    codes, count = rules.letters[id_], rows.avoided_count[row]
    return bool(is_avoided(codes, rows.word[row], rows.avoided[row], count))


@inner
def _draw(
    rows: Rows,
    walk: Walk,
    guide: Guide,
    scratch: Scratch,
    row: int,
    chance: float,
    guided: bool,
) -> int:
    """Draw an id as the row's settings have it, from what its guide allows if it has one."""
    logits, chances = scratch.logits[row], scratch.weights
    if rows.greedy[row] and not guided:
        return greedy(logits)
    temperature(logits, rows.temperature[row], chances)
    if guided and not restrict(scratch.allowed, chances, walk, row):
        return NOTHING
    if guided and rows.greedy[row]:
        return _heaviest(chances)
    k, size = rows.top_k[row], len(logits)
    if 0 < k < size or rows.top_p[row] < 1.0:
        by_likelihood(chances, scratch.order)
        if 0 < k < size:
            top_k(chances, scratch.order, k)
        if rows.top_p[row] < 1.0:
            top_p(chances, scratch.order, rows.top_p[row])
    if rows.min_p[row] > 0.0:
        min_p(chances, rows.min_p[row] * chances[_heaviest(chances)])
    if guided:
        favour(guide, walk, row, chances)
    return draw(chances, chance)


@inner
def _heaviest(chances: NDArray[np.float64]) -> int:
    best = 0
    for id_ in range(1, len(chances)):
        if chances[id_] > chances[best]:
            best = id_
    return best


@inner
def remember(rows: Rows, rules: Rules, row: int, id_: int) -> None:
    """Let a row remember what it has read or written, as far as that is looked back on."""
    if rows.guard[row] > 0:
        note_repetition(rows.history[row], rows.runs[row], rows.length, row, id_)
    if len(rules.grams):
        note(id_, _is_space(rules, id_), rows.ring[row], rows.ring_state[row], rules.grams)
    spell(rules.letters[id_], rows.word, row)


@inner
def _is_space(rules: Rules, id_: int) -> bool:
    return bool(rules.guide.kinds[id_] == SPACE or rules.guide.kinds[id_] == NEWLINE)
