"""Rows through the network and on to their next characters, compiled.

What a row computes is the same to the last bit wherever it stands and whatever stands beside it:
its activations have a fixed scale, sums of integers are exact in any order, and everything else is
done lane by lane.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.kernel.arithmetic import Arithmetic
from model.kernel.choosing import NOTHING, choose, remember
from model.kernel.compilation import entry, inner
from model.kernel.guide import DONE, NO_ROW, Walk
from model.kernel.rows import Rows, Rules, Scratch
from model.kernel.tiles import (
    address,
    gates_of_1,
    gates_of_2,
    gates_of_4,
    sums_of_1,
    sums_of_4,
)
from model.kernel.weights import Weights


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
                out[row, character] = choose(rows, walk, rules, scratch, row)
            elif walk.phase[row] == DONE:
                out[row, character] = NOTHING
            else:
                out[row, character] = choose(rows, walk, rules, scratch, row)


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
        remember(rows, rules, row, id_)


@entry
def expect(rows: Rows, rules: Rules, row: int, id_: int) -> None:
    """Let `row` be about to read `id_`, and remember it as it does what it has read."""
    rows.next_id[row] = id_
    remember(rows, rules, row, id_)


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
