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
from model.kernel.instruction_sets import QUAD, InstructionSet
from model.kernel.quantization import (
    ACTIVATION_ZERO,
    Floats,
    QuantizedWeights,
    bias_block,
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
    address,
    gates_of_1,
    gates_of_2,
    gates_of_3,
    gates_of_4,
    sums_of_1,
    sums_of_3,
    sums_of_4,
)

NO_LANE = -1


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
    rows = out.shape[0]
    for step in range(out.shape[1]):
        lanes = _assign_lanes(line_state, scratch, rows)
        _step(isa, weights, state, scratch, rows, lanes)
        for row in range(rows):
            lane = scratch.lane_of[row]
            if lane == NO_LANE:
                out[row, step] = NO_TOKEN
                continue
            logits = scratch.logits[lane]
            if line_state.twins[row]:
                logits = scratch.own_logits
                logits[:] = scratch.logits[lane]
            out[row, step] = sample_token(state, line_state, constraints, scratch, row, logits)
            line_state.twins[row] = 0


@inner
def _assign_lanes(line_state: LineState, scratch: ScratchSpace, rows: int) -> int:
    """Give each of the first `rows` rows a lane, twins the same; return how many there are.

    A row whose line has ended has none.
    """
    lanes = 0
    for row in range(rows):
        lane = NO_LANE
        if line_state.slot[row] == NO_SLOT or line_state.phase[row] != DONE:
            lane = _lane_of_twin(line_state, scratch, row)
            if lane == NO_LANE:
                lane = lanes
                scratch.row_of[lane] = row
                lanes += 1
        scratch.lane_of[row] = lane
    return lanes


@inner
def _lane_of_twin(line_state: LineState, scratch: ScratchSpace, row: int) -> int:
    """Return the lane of a row before `row` that is like it, NO_LANE where there is none."""
    if line_state.twins[row]:
        for other in range(row):
            if line_state.twins[other] == line_state.twins[row]:
                return int(scratch.lane_of[other])
    return NO_LANE


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
    capacity, hidden = state.hidden_state.shape[1], state.hidden_state.shape[2]
    for layer in range(layers):
        inputs = 2 * hidden if layer else hidden
        layer_offset = weights.layer_offset[layer]
        if layer:
            for block in range(blocks):
                w = address(weights.blocks, weight_block(layer_offset, block, inputs))
                start = address(weights.initial_sums, block_vector(layer, block, blocks))
                out = scratch.sums[:, block]  # (CHUNK, 64)
                multiply(isa, scratch.outputs[: len(ids)], w, start, out)
        own = address(state.hidden_state, unit_bytes(layer * capacity + row, 0, hidden))
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
                    address(weights.bias, bias_block(block)),
                    address(scratch.bias_offsets, 0),
                    address(state.cell, unit_floats(layer * capacity + row, block, hidden)),
                    address(scratch.hidden, unit_floats(t, block, hidden)),
                    address(scratch.hidden_bytes, unit_bytes(t, block, hidden)),
                    hidden,
                )
            state.hidden_state[layer, row] = scratch.hidden_bytes[t]
            _quantize_output(weights, state.topic[row], scratch, layer, t, scratch.outputs[t])
    if predict:
        _compute_logits(isa, weights, scratch, len(ids))
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
    rows: int,
    lanes: int,
) -> None:
    """Let the first rows read their next id, each on its lane; fill scratch.logits of the lanes."""
    layers, blocks = weights.initial_sums.shape[0], weights.initial_sums.shape[1]
    hidden = state.hidden_state.shape[2]
    stride = 2 * hidden  # bytes of a lane's inputs
    for layer in range(layers):
        inputs = stride if layer else hidden
        layer_offset = weights.layer_offset[layer]
        for lane in range(lanes):
            row = scratch.row_of[lane]
            scratch.inputs[lane, 1] = state.hidden_state[layer, row]
            scratch.cell[lane] = state.cell[layer, row]
            scratch.bias_offsets[lane] = bias_row(
                layer, state.next_id[row], weights.vocabulary_size, blocks
            )
        for block in range(blocks):
            w = address(weights.blocks, weight_block(layer_offset, block, inputs))
            start = address(weights.initial_sums, block_vector(layer, block, blocks))
            scale = address(weights.scale, block_vector(layer, block, blocks))
            bias = address(weights.bias, bias_block(block))
            lane = 0
            while lane < lanes:
                x = address(scratch.inputs, layer_input(lane, hidden, inputs))
                bias_offsets = address(scratch.bias_offsets, lane * OFFSET_BYTES)
                cell = address(scratch.cell, unit_floats(lane, block, hidden))
                out = address(scratch.hidden, unit_floats(lane, block, hidden))
                hidden_bytes = address(scratch.hidden_bytes, unit_bytes(lane, block, hidden))
                # fmt: off
                if isa.rows >= 4 and lane + 4 <= lanes:
                    gates_of_4(isa, x, stride, inputs // QUAD, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    lane += 4
                elif isa.rows == 3 and lane + 3 <= lanes:
                    gates_of_3(isa, x, stride, inputs // QUAD, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    lane += 3
                elif isa.rows >= 4 and lane + 2 <= lanes:
                    gates_of_2(isa, x, stride, inputs // QUAD, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    lane += 2
                else:
                    gates_of_1(isa, x, stride, inputs // QUAD, w, start, scale, bias,
                               bias_offsets, cell, out, hidden_bytes, hidden)
                    lane += 1
                # fmt: on
        for row in range(rows):
            lane = scratch.lane_of[row]
            if lane != NO_LANE:
                state.hidden_state[layer, row] = scratch.hidden_bytes[lane]
                state.cell[layer, row] = scratch.cell[lane]
        for lane in range(lanes):
            topic = state.topic[scratch.row_of[lane]]
            above = scratch.outputs[lane] if layer + 1 == layers else scratch.inputs[lane, 0]
            _quantize_output(weights, topic, scratch, layer, lane, above)
    _compute_logits(isa, weights, scratch, lanes)


@inner
def _quantize_output(
    weights: QuantizedWeights,
    topic: Floats,
    scratch: ScratchSpace,
    layer: int,
    lane: int,
    above: NDArray[np.uint8],
) -> None:
    """Fill `above` with the bytes of the layer's output for a lane, or a token."""
    if not weights.residual:
        above[:] = scratch.hidden_bytes[lane]
        return
    scale = weights.output_scale[layer]
    for unit in range(len(above)):
        value = scratch.hidden[lane, unit]
        value += scratch.residual_stream[lane, unit] if layer else topic[unit]
        scratch.residual_stream[lane, unit] = value
        above[unit] = np.uint8(np.int32(value * scale + np.float32(ACTIVATION_ZERO + 0.5)))


@inner
def _compute_logits(
    isa: InstructionSet,
    weights: QuantizedWeights,
    scratch: ScratchSpace,
    count: int,
) -> None:
    """Fill scratch.logits[:count] from what the last layer put into scratch.outputs."""
    hidden, size = scratch.outputs.shape[1], weights.vocabulary_size
    blocks = weights.head_initial_sums.shape[0]
    for block in range(blocks):
        w = address(weights.head_blocks, head_block(block, hidden))
        start = address(weights.head_initial_sums, block_vector(0, block, blocks))
        out = scratch.head_sums[:, block * BLOCK : (block + 1) * BLOCK]  # (M, 64)
        multiply(isa, scratch.outputs[:count], w, start, out)
    for n in range(count):
        for i in range(size):
            value = np.float32(scratch.head_sums[n, i]) * weights.head_scale[i]
            scratch.logits[n, i] = value + weights.head_bias[i]


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
        elif isa.rows == 3 and row + 3 <= rows:
            sums_of_3(isa, there, across, quads, w, start, here, down)
            row += 3
        else:
            sums_of_1(isa, there, across, quads, w, start, here, down)
            row += 1
