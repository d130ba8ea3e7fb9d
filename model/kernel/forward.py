"""Rows through the network and on to their next tokens, compiled.

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
from model.kernel.quantization import (
    ACTIVATION_ZERO,
    Floats,
    QuantizedWeights,
    bias_row,
    block_vector,
    head_block,
    recurrent_part,
    weight_block,
)
from model.kernel.sampling import NO_TOKEN, remember, sample_token
from model.kernel.state import (
    BatchState,
    Constraints,
    ScratchSpace,
    layer_input,
    unit_bytes,
    unit_floats,
)
from model.kernel.tiles import (
    BLOCK,
    OFFSET_BYTES,
    QUAD,
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
    constraints: Constraints,
    scratch: ScratchSpace,
    out: NDArray[np.int64],
) -> None:
    """Fill `out` (N, S) with the next S ids of the first N rows."""
    for step in range(out.shape[1]):
        _step(isa, weights, state, scratch, out.shape[0])
        for row in range(out.shape[0]):
            if line_state.slot[row] != NO_SLOT and line_state.phase[row] == DONE:
                out[row, step] = NO_TOKEN
            else:
                out[row, step] = sample_token(state, line_state, constraints, scratch, row)


@entry
def read(
    isa: InstructionSet,
    weights: QuantizedWeights,
    state: BatchState,
    constraints: Constraints,
    scratch: ScratchSpace,
    row: int,
    ids: NDArray[np.int64],
    predict: bool,
) -> None:
    """Let `row` read up to CHUNK ids in one pass, layer by layer.

    The products with the outputs of the layer below are made for all tokens at once; only
    those with the layer's own past one by one. With `predict`, scratch.logits are what the network
    expects after each id.
    """
    layers, blocks = weights.initial_sums.shape[0], weights.initial_sums.shape[1]
    capacity, hidden = state.layer_bytes.shape[1], state.layer_bytes.shape[3]
    for layer in range(layers):
        inputs = 2 * hidden if layer else hidden
        layer_offset = weights.layer_offset[layer]
        if layer:
            for block in range(blocks):
                w = address(weights.blocks, weight_block(layer_offset, block, inputs))
                start = address(weights.initial_sums, block_vector(layer, block, blocks))
                out = scratch.sums[:, block]  # (CHUNK, 64)
                multiply(isa, scratch.layer_inputs[: len(ids)], w, start, out)
        own = address(state.layer_bytes, layer_input(layer * capacity + row, hidden, hidden))
        for t in range(len(ids)):
            scratch.bias_offsets[0] = bias_row(layer, ids[t], weights.vocabulary_size, blocks)
            for block in range(blocks):
                start = address(weights.initial_sums, block_vector(layer, block, blocks))
                if layer:
                    start = address(scratch.sums, block_vector(t, block, blocks))
                gates_of_1(
                    isa,
                    own,
                    0,
                    hidden // QUAD,
                    address(weights.blocks, recurrent_part(layer_offset, block, inputs, hidden)),
                    start,
                    address(weights.scale, block_vector(layer, block, blocks)),
                    address(weights.bias, block_vector(0, block, blocks)),
                    address(scratch.bias_offsets, 0),
                    address(state.cell, unit_floats(layer * capacity + row, block, hidden)),
                    address(scratch.hidden, unit_floats(t, block, hidden)),
                    address(scratch.hidden_bytes, unit_bytes(t, block, hidden)),
                    hidden,
                )
            state.layer_bytes[layer, row, 1] = scratch.hidden_bytes[t]
            _quantize_output(weights, state.topic[row], scratch, layer, t, scratch.layer_inputs[t])
    if predict:
        _compute_logits(isa, weights, scratch.layer_inputs, scratch, len(ids))
    for id_ in ids:
        remember(state, constraints, row, id_)


@entry
def set_next(state: BatchState, constraints: Constraints, row: int, id_: int) -> None:
    """Let `row` be about to read `id_`, and remember it as it does what it has read."""
    state.next_id[row] = id_
    remember(state, constraints, row, id_)


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
    stride = 2 * hidden  # bytes of a row's input and hidden state
    for layer in range(layers):
        inputs = stride if layer else hidden
        layer_offset = weights.layer_offset[layer]
        for row in range(count):
            scratch.bias_offsets[row] = bias_row(
                layer, state.next_id[row], weights.vocabulary_size, blocks
            )
        for block in range(blocks):
            w = address(weights.blocks, weight_block(layer_offset, block, inputs))
            start = address(weights.initial_sums, block_vector(layer, block, blocks))
            scale = address(weights.scale, block_vector(layer, block, blocks))
            bias = address(weights.bias, block_vector(0, block, blocks))
            row = 0
            while row < count:
                x = address(state.layer_bytes, layer_input(layer * capacity + row, hidden, inputs))
                bias_offsets = address(scratch.bias_offsets, row * OFFSET_BYTES)
                cell = address(state.cell, unit_floats(layer * capacity + row, block, hidden))
                out = address(scratch.hidden, unit_floats(row, block, hidden))
                hidden_bytes = address(scratch.hidden_bytes, unit_bytes(row, block, hidden))
                # fmt: off
                if isa.rows >= 4 and row + 4 <= count:
                    gates_of_4(isa, x, stride, inputs // QUAD, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    row += 4
                elif isa.rows >= 2 and row + 2 <= count:
                    gates_of_2(isa, x, stride, inputs // QUAD, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    row += 2
                else:
                    gates_of_1(isa, x, stride, inputs // QUAD, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    row += 1
                # fmt: on
        for row in range(count):
            state.layer_bytes[layer, row, 1] = scratch.hidden_bytes[row]
            above = state.top[row] if layer + 1 == layers else state.layer_bytes[layer + 1, row, 0]
            _quantize_output(weights, state.topic[row], scratch, layer, row, above)
    _compute_logits(isa, weights, state.top, scratch, count)


@inner
def _quantize_output(
    weights: QuantizedWeights,
    topic: Floats,
    scratch: ScratchSpace,
    layer: int,
    row: int,
    above: NDArray[np.uint8],
) -> None:
    """Fill `above` with the bytes of the layer's output for `row`."""
    if not weights.residual:
        above[:] = scratch.hidden_bytes[row]
        return
    scale = weights.output_scale[layer]
    for unit in range(len(above)):
        value = scratch.hidden[row, unit]
        value += scratch.residual_stream[row, unit] if layer else topic[unit]
        scratch.residual_stream[row, unit] = value
        above[unit] = np.uint8(np.int32(value * scale + np.float32(ACTIVATION_ZERO + 0.5)))


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
    blocks = weights.head_initial_sums.shape[0]
    for block in range(blocks):
        w = address(weights.head_blocks, head_block(block, hidden))
        start = address(weights.head_initial_sums, block_vector(0, block, blocks))
        out = scratch.head_sums[:, block * BLOCK : (block + 1) * BLOCK]  # (M, 64)
        multiply(isa, top[:count], w, start, out)
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
    rows, quads = x.shape[0], x.shape[1] // QUAD
    across, down = x.strides[0], out.strides[0]
    row = 0
    while row < rows:
        there, here = address(x, row * across), address(out, row * down)
        if isa.rows >= 4 and row + 4 <= rows:
            sums_of_4(isa, there, across, quads, w, start, here, down)
            row += 4
        else:
            sums_of_1(isa, there, across, quads, w, start, here, down)
            row += 1
