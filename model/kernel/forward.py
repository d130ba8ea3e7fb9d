"""Rows through the network and on to their next characters, compiled.

What a row computes is the same to the last bit wherever it stands and whatever stands beside it:
its activations have a fixed scale, sums of integers are exact in any order, and everything else is
done lane by lane.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.kernel.compilation import entry, inner
from model.kernel.constraints import DONE, NO_SLOT, LineState
from model.kernel.quantization import QuantizedWeights
from model.kernel.sampling import NO_TOKEN, remember, sample_token
from model.kernel.state import BatchState, ScratchSpace, TokenRules
from model.kernel.tiles import (
    InstructionSet,
    address,
    gates_of_1,
    gates_of_2,
    gates_of_4,
    sums_of_1,
    sums_of_4,
)


@entry
def write(
    isa: InstructionSet,
    weights: QuantizedWeights,
    state: BatchState,
    line_state: LineState,
    rules: TokenRules,
    scratch: ScratchSpace,
    out: NDArray[np.int64],
) -> None:
    """Fill `out` (N, S) with the next S ids of the first N rows."""
    for step in range(out.shape[1]):
        _step(isa, weights, state, scratch, out.shape[0])
        for row in range(out.shape[0]):
            if line_state.slot[row] == NO_SLOT:
                out[row, step] = sample_token(state, line_state, rules, scratch, row)
            elif line_state.phase[row] == DONE:
                out[row, step] = NO_TOKEN
            else:
                out[row, step] = sample_token(state, line_state, rules, scratch, row)


@entry
def read(
    isa: InstructionSet,
    weights: QuantizedWeights,
    state: BatchState,
    rules: TokenRules,
    scratch: ScratchSpace,
    row: int,
    ids: NDArray[np.int64],
    predict: bool,
) -> None:
    """Let `row` read up to CHUNK ids in one pass, layer by layer.

    The products with the outputs of the layer below are made for all characters at once; only
    those with the layer's own past one by one. With `predict`, scratch.logits are what the network
    expects after each id.
    """
    layers, blocks = weights.initial_sums.shape[0], weights.initial_sums.shape[1]
    capacity, hidden = state.layer_bytes.shape[1], state.layer_bytes.shape[3]
    size = blocks * 256  # bytes of a vector of gates
    for layer in range(layers):
        inputs = 2 * hidden if layer else hidden
        if layer:
            for block in range(blocks):
                w = weights.w_offset[layer] + block * inputs * 64
                start = address(weights.initial_sums, (layer * blocks + block) * 256)
                out = scratch.sums[:, block]
                multiply(isa, scratch.layer_inputs[: len(ids)], address(weights.w, w), start, out)
        x = address(state.layer_bytes, ((layer * capacity + row) * 2 + 1) * hidden)
        for t in range(len(ids)):
            place = ids[t] if layer == 0 else weights.vocabulary_size + layer - 1
            scratch.bias_offsets[0] = size * place
            for block in range(blocks):
                start = address(weights.initial_sums, block * 256)
                if layer:
                    start = address(scratch.sums, t * size + block * 256)
                gates_of_1(
                    isa,
                    x,
                    0,
                    hidden // 4,
                    address(
                        weights.w, weights.w_offset[layer] + ((block + 1) * inputs - hidden) * 64
                    ),
                    start,
                    address(weights.scale, (layer * blocks + block) * 256),
                    address(weights.bias, block * 256),
                    address(scratch.bias_offsets, 0),
                    address(state.cell, ((layer * capacity + row) * hidden + block * 16) * 4),
                    address(scratch.hidden, (t * hidden + block * 16) * 4),
                    address(scratch.hidden_bytes, t * hidden + block * 16),
                    hidden,
                )
            state.layer_bytes[layer, row, 1] = scratch.hidden_bytes[t]
            _quantize_output(weights, scratch, layer, t, scratch.layer_inputs[t])
    if predict:
        _compute_logits(isa, weights, scratch.layer_inputs, scratch, len(ids))
    for id_ in ids:
        remember(state, rules, row, id_)


@entry
def set_next(state: BatchState, rules: TokenRules, row: int, id_: int) -> None:
    """Let `row` be about to read `id_`, and remember it as it does what it has read."""
    state.next_id[row] = id_
    remember(state, rules, row, id_)


@inner
def _step(
    isa: InstructionSet,
    weights: QuantizedWeights,
    state: BatchState,
    scratch: ScratchSpace,
    count: int,
) -> None:
    """Let the rows before `count` read their next id; fill scratch.logits."""
    layers, blocks = weights.initial_sums.shape[0], weights.initial_sums.shape[1]
    capacity, hidden = state.layer_bytes.shape[1], state.layer_bytes.shape[3]
    size = blocks * 256
    stride = 2 * hidden
    for layer in range(layers):
        inputs = stride if layer else hidden
        for row in range(count):
            place = state.next_id[row] if layer == 0 else weights.vocabulary_size + layer - 1
            scratch.bias_offsets[row] = place * size
        for block in range(blocks):
            w = address(weights.w, weights.w_offset[layer] + block * inputs * 64)
            start = address(weights.initial_sums, (layer * blocks + block) * 256)
            scale = address(weights.scale, (layer * blocks + block) * 256)
            bias = address(weights.bias, block * 256)
            row = 0
            while row < count:
                x = address(state.layer_bytes, (layer * capacity + row) * stride + stride - inputs)
                bias_offsets = address(scratch.bias_offsets, row * 8)
                at = row * hidden + block * 16
                cell = address(state.cell, (layer * capacity * hidden + at) * 4)
                out = address(scratch.hidden, at * 4)
                hidden_bytes = address(scratch.hidden_bytes, at)
                # fmt: off
                if isa.rows >= 4 and row + 4 <= count:
                    gates_of_4(isa, x, stride, inputs // 4, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    row += 4
                elif isa.rows >= 2 and row + 2 <= count:
                    gates_of_2(isa, x, stride, inputs // 4, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    row += 2
                else:
                    gates_of_1(isa, x, stride, inputs // 4, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    row += 1
                # fmt: on
        for row in range(count):
            state.layer_bytes[layer, row, 1] = scratch.hidden_bytes[row]
            above = state.top[row] if layer + 1 == layers else state.layer_bytes[layer + 1, row, 0]
            _quantize_output(weights, scratch, layer, row, above)
    _compute_logits(isa, weights, state.top, scratch, count)


@inner
def _quantize_output(
    weights: QuantizedWeights, scratch: ScratchSpace, layer: int, row: int, above: NDArray[np.uint8]
) -> None:
    """Fill `above` with the bytes of the layer's output for `row`."""
    if not weights.residual:
        above[:] = scratch.hidden_bytes[row]
        return
    scale = np.float32(127.0 / (layer + 1))
    for unit in range(len(above)):
        value = scratch.hidden[row, unit]
        if layer:
            value += scratch.residual_stream[row, unit]
        scratch.residual_stream[row, unit] = value
        above[unit] = np.uint8(np.int32(value * scale + np.float32(128.5)))


@inner
def _compute_logits(
    isa: InstructionSet,
    weights: QuantizedWeights,
    top: NDArray[np.uint8],
    scratch: ScratchSpace,
    count: int,
) -> None:
    """Fill scratch.logits[:count] from the bytes of the last layer's output (M, H)."""
    hidden, size = top.shape[1], weights.vocabulary_size
    for block in range(weights.head_initial_sums.shape[0]):
        w = address(weights.head_w, block * hidden * 64)
        start = address(weights.head_initial_sums, block * 256)
        multiply(isa, top[:count], w, start, scratch.head_sums[:, block * 64 : block * 64 + 64])
    for row in range(count):
        for i in range(size):
            value = np.float32(scratch.head_sums[row, i]) * weights.head_scale[i]
            scratch.logits[row, i] = value + weights.head_bias[i]


@inner
def multiply(
    isa: InstructionSet, x: NDArray[np.uint8], w: Any, start: Any, out: NDArray[np.int32]
) -> None:
    """Fill out[: len(x)] (M, 64) with the sums of a block `w` for rows x (M, K), from `start` on.

    Rows of `x` and `out` may stand apart in memory.
    """
    state, quads = x.shape[0], x.shape[1] // 4
    across, down = x.strides[0], out.strides[0]
    row = 0
    while row < state:
        there, here = address(x, row * across), address(out, row * down)
        if isa.rows >= 4 and row + 4 <= state:
            sums_of_4(isa, there, across, quads, w, start, here, down)
            row += 4
        else:
            sums_of_1(isa, there, across, quads, w, start, here, down)
            row += 1
