"""Rows through the network and on to their next characters, compiled.

What a row computes is the same to the last bit wherever it stands and whatever stands beside it:
its activations have a fixed scale, sums of integers are exact in any order, and everything else is
done lane by lane.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.kernel.arithmetic import Arithmetic
from model.kernel.avoidance import is_avoided, spell
from model.kernel.compilation import entry, inner
from model.kernel.grams import GRAM, MAX_HITS, is_of_book, note
from model.kernel.guide import (
    DONE,
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
from model.kernel.tiles import (
    address,
    gates_of_1,
    gates_of_2,
    gates_of_4,
    sums_of_1,
    sums_of_4,
)
from model.kernel.weights import Floats, Weights

CHUNK = 64  # characters that one pass of `read` takes; a multiple of 4


class Rows(NamedTuple):
    """What N rows remember and were asked for; one row's values stand at one place everywhere."""

    x: NDArray[np.uint8]  # (L, N, 2, H): the output of the layer below, and the hidden state
    cell: Floats  # (L, N, H)
    top: NDArray[np.uint8]  # (N, H), the last layer's output
    next_id: NDArray[np.int64]  # (N,), which the next step reads
    random: NDArray[np.uint64]  # (N,)
    greedy: NDArray[np.bool_]  # (N,), and so on: see model.config.SamplingConfig
    temperature: NDArray[np.float64]
    top_k: NDArray[np.int64]
    top_p: NDArray[np.float64]
    min_p: NDArray[np.float64]
    guard: NDArray[np.int64]
    history: NDArray[np.uint16]  # (N, 2 × GUARD_WINDOW), the ids that the guard looks back on
    runs: NDArray[np.int16]  # (N, GUARD_WINDOW + 1)
    length: NDArray[np.int64]  # (N,) of the history
    ring: NDArray[np.uint64]  # (N, RING), see model.kernel.grams
    ring_state: NDArray[np.int64]  # (N, 3)
    word: NDArray[np.uint64]  # (N,), and so on: see model.kernel.avoidance
    avoided: NDArray[np.uint64]  # (N, MAX_AVOIDED)
    avoided_count: NDArray[np.int64]


class Scratch(NamedTuple):
    """Room for what passes by; nothing in it outlives a call. M: N rows, or CHUNK characters."""

    places: NDArray[np.int64]  # (M,)
    hidden: Floats  # (M, H)
    fresh: NDArray[np.uint8]  # (M, H)
    stream: Floats  # (M, H), for residual networks
    tape: NDArray[np.uint8]  # (M, H)
    sums: NDArray[np.int32]  # (M, B, 64)
    head: NDArray[np.int32]  # (M, V rounded up to 64)
    logits: Floats  # (M, V)
    weights: NDArray[np.float64]  # (V,)
    order: NDArray[np.int64]  # (V,)
    allowed: NDArray[np.bool_]  # (V,)


class Rules(NamedTuple):
    """What limits the choice besides a row's own settings."""

    guide: Guide
    grams: NDArray[np.uint32]  # hashes of what must not be repeated, sorted
    letters: NDArray[np.int64]  # (V,), see model.kernel.avoidance


NOTHING = -1  # in `out`, of a guided row whose line has ended


@entry
def write(
    arithmetic: Arithmetic,
    weights: Weights,
    rows: Rows,
    walk: Walk,
    rules: Rules,
    scratch: Scratch,
    out: NDArray[np.int64],
) -> None:
    """Fill `out` (N, S) with the next S ids of the first N rows."""
    for character in range(out.shape[1]):
        _step(arithmetic, weights, rows, scratch, out.shape[0])
        for row in range(out.shape[0]):
            if walk.slot[row] == NO_ROW:
                out[row, character] = _choose(rows, walk, rules, scratch, row)
            elif walk.phase[row] == DONE:
                out[row, character] = NOTHING
            else:
                out[row, character] = _choose(rows, walk, rules, scratch, row)


@entry
def read(
    arithmetic: Arithmetic,
    weights: Weights,
    rows: Rows,
    rules: Rules,
    scratch: Scratch,
    row: int,
    ids: NDArray[np.int64],
    predict: bool,
) -> None:
    """Let `row` read up to CHUNK ids in one pass, layer by layer.

    The products with the outputs of the layer below are made for all characters at once; only
    those with the layer's own past one by one. With `predict`, scratch.logits are what the network
    expects after each id.
    """
    layers, blocks = weights.start.shape[0], weights.start.shape[1]
    count, hidden = rows.x.shape[1], rows.x.shape[3]
    size = blocks * 256  # bytes of a vector of gates
    for layer in range(layers):
        inputs = 2 * hidden if layer else hidden
        if layer:
            for block in range(blocks):
                w = weights.w_at[layer] + block * inputs * 64
                start = address(weights.start, (layer * blocks + block) * 256)
                out = scratch.sums[:, block]
                multiply(arithmetic, scratch.tape[: len(ids)], address(weights.w, w), start, out)
        x = address(rows.x, ((layer * count + row) * 2 + 1) * hidden)
        for t in range(len(ids)):
            place = ids[t] if layer == 0 else weights.vocabulary_size + layer - 1
            scratch.places[0] = size * place
            for block in range(blocks):
                start = address(weights.start, block * 256)
                if layer:
                    start = address(scratch.sums, t * size + block * 256)
                gates_of_1(
                    arithmetic,
                    x,
                    0,
                    hidden // 4,
                    address(weights.w, weights.w_at[layer] + ((block + 1) * inputs - hidden) * 64),
                    start,
                    address(weights.scale, (layer * blocks + block) * 256),
                    address(weights.plus, block * 256),
                    address(scratch.places, 0),
                    address(rows.cell, ((layer * count + row) * hidden + block * 16) * 4),
                    address(scratch.hidden, (t * hidden + block * 16) * 4),
                    address(scratch.fresh, t * hidden + block * 16),
                    hidden,
                )
            rows.x[layer, row, 1] = scratch.fresh[t]
            _pass_on(weights, scratch, layer, t, scratch.tape[t])
    if predict:
        _head(arithmetic, weights, scratch.tape, scratch, len(ids))
    for id_ in ids:
        _note(rows, rules, row, id_)


@entry
def remember(rows: Rows, rules: Rules, row: int, id_: int) -> None:
    """Let a row that is to read `id_` next remember it, as it does what it has read."""
    _note(rows, rules, row, id_)


@inner
def _note(rows: Rows, rules: Rules, row: int, id_: int) -> None:
    """Let a row remember what it has read or written, as far as that is looked back on."""
    if rows.guard[row] > 0:
        note_repetition(rows.history[row], rows.runs[row], rows.length, row, id_)
    if len(rules.grams):
        note(id_, _is_space(rules, id_), rows.ring[row], rows.ring_state[row], rules.grams)
    spell(rules.letters[id_], rows.word, row)


@inner
def _is_space(rules: Rules, id_: int) -> bool:
    return bool(rules.guide.kinds[id_] == SPACE or rules.guide.kinds[id_] == NEWLINE)


@inner
def _step(
    arithmetic: Arithmetic, weights: Weights, rows: Rows, scratch: Scratch, last: int
) -> None:
    """Let the rows before `last` read their next id; fill scratch.logits."""
    layers, blocks = weights.start.shape[0], weights.start.shape[1]
    count, hidden = rows.x.shape[1], rows.x.shape[3]
    size = blocks * 256
    stride = 2 * hidden
    for layer in range(layers):
        inputs = stride if layer else hidden
        for row in range(last):
            place = rows.next_id[row] if layer == 0 else weights.vocabulary_size + layer - 1
            scratch.places[row] = place * size
        for block in range(blocks):
            w = address(weights.w, weights.w_at[layer] + block * inputs * 64)
            start = address(weights.start, (layer * blocks + block) * 256)
            scale = address(weights.scale, (layer * blocks + block) * 256)
            plus = address(weights.plus, block * 256)
            row = 0
            while row < last:
                x = address(rows.x, (layer * count + row) * stride + stride - inputs)
                places = address(scratch.places, row * 8)
                at = row * hidden + block * 16
                cell = address(rows.cell, (layer * count * hidden + at) * 4)
                out = address(scratch.hidden, at * 4)
                fresh = address(scratch.fresh, at)
                # fmt: off
                if arithmetic.rows >= 4 and row + 4 <= last:
                    gates_of_4(arithmetic, x, stride, inputs // 4, w, start, scale, plus,
                               places, cell, out, fresh, hidden)
                    row += 4
                elif arithmetic.rows >= 2 and row + 2 <= last:
                    gates_of_2(arithmetic, x, stride, inputs // 4, w, start, scale, plus,
                               places, cell, out, fresh, hidden)
                    row += 2
                else:
                    gates_of_1(arithmetic, x, stride, inputs // 4, w, start, scale, plus,
                               places, cell, out, fresh, hidden)
                    row += 1
                # fmt: on
        for row in range(last):
            rows.x[layer, row, 1] = scratch.fresh[row]
            above = rows.top[row] if layer + 1 == layers else rows.x[layer + 1, row, 0]
            _pass_on(weights, scratch, layer, row, above)
    _head(arithmetic, weights, rows.top, scratch, last)


@inner
def _pass_on(
    weights: Weights, scratch: Scratch, layer: int, row: int, above: NDArray[np.uint8]
) -> None:
    """Fill `above` with the bytes of the layer's output for `row`."""
    if not weights.residual:
        above[:] = scratch.fresh[row]
        return
    scale = np.float32(127.0 / (layer + 1))
    for unit in range(len(above)):
        value = scratch.hidden[row, unit]
        if layer:
            value += scratch.stream[row, unit]
        scratch.stream[row, unit] = value
        above[unit] = np.uint8(np.int32(value * scale + np.float32(128.5)))


@inner
def _head(
    arithmetic: Arithmetic,
    weights: Weights,
    top: NDArray[np.uint8],
    scratch: Scratch,
    last: int,
) -> None:
    """Fill scratch.logits[:last] from the bytes of the last layer's output (M, H)."""
    hidden, size = top.shape[1], weights.vocabulary_size
    for block in range(weights.head_start.shape[0]):
        w = address(weights.head_w, block * hidden * 64)
        start = address(weights.head_start, block * 256)
        multiply(arithmetic, top[:last], w, start, scratch.head[:, block * 64 : block * 64 + 64])
    for row in range(last):
        for i in range(size):
            value = np.float32(scratch.head[row, i]) * weights.head_scale[i]
            scratch.logits[row, i] = value + weights.head_plus[i]


@inner
def multiply(
    arithmetic: Arithmetic, x: NDArray[np.uint8], w: Any, start: Any, out: NDArray[np.int32]
) -> None:
    """Fill out[: len(x)] (M, 64) with the sums of a block `w` for rows x (M, K), from `start` on.

    Rows of `x` and `out` may stand apart in memory.
    """
    rows, fours = x.shape[0], x.shape[1] // 4
    across, down = x.strides[0], out.strides[0]
    row = 0
    while row < rows:
        there, here = address(x, row * across), address(out, row * down)
        if arithmetic.rows >= 4 and row + 4 <= rows:
            sums_of_4(arithmetic, there, across, fours, w, start, here, down)
            row += 4
        else:
            sums_of_1(arithmetic, there, across, fours, w, start, here, down)
            row += 1


@inner
def _choose(rows: Rows, walk: Walk, rules: Rules, scratch: Scratch, row: int) -> int:
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
        if not _is_forbidden(rows, rules, row, chosen):
            break
        logits[chosen] = -np.inf
        walk.weight[row] = before
    if guided:
        walk.nats[row] += cost(logits, chosen)
        take(guide, walk, row, chosen)
    _note(rows, rules, row, chosen)
    if guided and rows.ring_state[row, 2] > 0:
        walk.copied[row] = max(walk.copied[row], GRAM - 1 + rows.ring_state[row, 2])
    rows.next_id[row] = chosen
    return chosen


@inner
def _is_forbidden(rows: Rows, rules: Rules, row: int, id_: int) -> bool:
    """Whether `id_` would complete a run of the book, or a word to avoid."""
    ring, state = rows.ring[row], rows.ring_state[row]
    is_space = _is_space(rules, id_)
    goes_on = state[2] >= MAX_HITS and not (is_space and state[1] == 1)
    if goes_on and is_of_book(id_, is_space, ring, state, rules.grams):
        return True
    letter, count = rules.letters[id_], rows.avoided_count[row]
    return bool(is_avoided(letter, rows.word[row], rows.avoided[row], count))


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
