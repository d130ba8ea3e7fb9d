"""What a row writes next: drawn as its settings have it, within what limits it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.kernel.avoidance import add_letter, is_avoided
from model.kernel.compilation import inner
from model.kernel.constraints import (
    NEWLINE,
    NO_SLOT,
    SPACE,
    Constraints,
    LineState,
    accept,
    boost_poem_words,
    find_allowed,
    mask_probs,
    surprisal,
)
from model.kernel.filters import GRAM, MAX_HITS, is_in_book, note_gram
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
from model.kernel.state import BatchState, ScratchSpace, TokenRules

NO_TOKEN = -1  # instead of an id, of a guided row whose line has ended


@inner
def sample_token(
    state: BatchState, line_state: LineState, rules: TokenRules, scratch: ScratchSpace, row: int
) -> int:
    """Choose the next id of `row` from its logits and remember it; NO_TOKEN in a dead end."""
    logits, constraints = scratch.logits[row], rules.constraints
    in_form = line_state.slot[row] != NO_SLOT
    if state.repetition_guard[row] > 0:
        history, runs, length = state.history[row], state.runs[row], state.history_length[row]
        guard_repetition(logits, history, runs, length, state.repetition_guard[row])
    if in_form:
        find_allowed(constraints, line_state, row, scratch.allowed)
    chance = draw_uniform(state.random_state, row)
    log_weight_before = line_state.log_weight[row]
    while True:
        chosen = _draw_token(state, line_state, constraints, scratch, row, chance, in_form)
        if chosen == NO_TOKEN:
            return NO_TOKEN
        # What was forbidden already is drawn where nothing else is left: a stranger's model may
        # have learnt one letter, or not know what to say.
        if logits[chosen] == -np.inf or not _is_filtered(state, rules, row, chosen):
            break
        logits[chosen] = -np.inf
        line_state.log_weight[row] = log_weight_before
    if in_form:
        line_state.nats[row] += surprisal(logits, chosen)
        accept(constraints, line_state, row, chosen)
    remember(state, rules, row, chosen)
    if in_form and state.ring_state[row, 2] > 0:
        line_state.copied[row] = max(line_state.copied[row], GRAM - 1 + state.ring_state[row, 2])
    state.next_id[row] = chosen
    return chosen


@inner
def _is_filtered(state: BatchState, rules: TokenRules, row: int, id_: int) -> bool:
    """Whether `id_` is never written, or would complete a run of the book or a word to avoid."""
    if rules.masked[id_]:
        return True
    ring, ring_state = state.ring[row], state.ring_state[row]
    is_space = _is_space(rules, id_)
    goes_on = ring_state[2] >= MAX_HITS and not (is_space and ring_state[1] == 1)
    if goes_on and is_in_book(id_, is_space, ring, ring_state, rules.grams):
        return True
    codes, count = rules.letters[id_], state.avoided_count[row]
    return bool(is_avoided(codes, state.word_hash[row], state.avoided[row], count))


@inner
def _draw_token(
    state: BatchState,
    line_state: LineState,
    constraints: Constraints,
    scratch: ScratchSpace,
    row: int,
    chance: float,
    in_form: bool,
) -> int:
    """Draw an id as the row's settings have it, from what its form allows if it has one."""
    logits, probs = scratch.logits[row], scratch.probs
    if state.greedy[row] and not in_form:
        return argmax(logits)
    apply_temperature(logits, state.temperature[row], probs)
    if in_form and not mask_probs(scratch.allowed, probs, line_state, row):
        return NO_TOKEN
    if in_form and state.greedy[row]:
        return _likeliest(probs)
    k, size = state.top_k[row], len(logits)
    if 0 < k < size or state.top_p[row] < 1.0:
        sort_by_prob(probs, scratch.order)
        if 0 < k < size:
            apply_top_k(probs, scratch.order, k)
        if state.top_p[row] < 1.0:
            apply_top_p(probs, scratch.order, state.top_p[row])
    if state.min_p[row] > 0.0:
        apply_min_p(probs, state.min_p[row] * probs[_likeliest(probs)])
    if in_form:
        boost_poem_words(constraints, line_state, row, probs)
    return draw(probs, chance)


@inner
def _likeliest(probs: NDArray[np.float64]) -> int:
    best = 0
    for id_ in range(1, len(probs)):
        if probs[id_] > probs[best]:
            best = id_
    return best


@inner
def remember(state: BatchState, rules: TokenRules, row: int, id_: int) -> None:
    """Let a row remember what it has read or written, as far as that is looked back on."""
    if state.repetition_guard[row] > 0:
        note_repetition(state.history[row], state.runs[row], state.history_length, row, id_)
    if len(rules.grams):
        note_gram(id_, _is_space(rules, id_), state.ring[row], state.ring_state[row], rules.grams)
    add_letter(rules.letters[id_], state.word_hash, row)


@inner
def _is_space(rules: TokenRules, id_: int) -> bool:
    return bool(rules.constraints.kinds[id_] == SPACE or rules.constraints.kinds[id_] == NEWLINE)
