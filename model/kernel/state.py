"""What rows remember and were asked for, as arrays; a row has the same place in each of them.

The functions at the end tell where a row's numbers lie, for the functions of `tiles`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.config import SAMPLING_SETTINGS, Sampling
from model.kernel.compilation import inner
from model.kernel.constraints import (
    MAX_FAMILIES,
    MAX_POEM_NODES,
    MAX_TRIGRAMS,
    NO_SLOT,
    FormConstraints,
    LineSpecs,
    LineState,
    Trie,
)
from model.kernel.instruction_sets import LANES
from model.kernel.quantization import Floats, QuantizedWeights, aligned
from model.kernel.tiles import BLOCK, FLOAT_BYTES

GUARD_WINDOW = 256  # tokens that the repetition guard looks back
RING = 32  # hashes that a row remembers, more than a gram is long
COUNT, AFTER_SPACE, HITS = range(3)  # of characters; whether one was white space; grams in a row
MAX_AVOIDED = 512  # words: each of 200 as it was listed, and as it is on the model's alphabet
CHUNK = 64  # tokens that one pass of `read` takes; a multiple of 4
SAMPLING = np.dtype([(each.name, each.kind) for each in SAMPLING_SETTINGS], align=True)
BY_LAYER = ("hidden_state", "cell")  # arrays of a BatchState whose rows are the second axis


class BatchState(NamedTuple):
    """What N rows remember and were asked for; one row's values stand at one place everywhere."""

    hidden_state: NDArray[np.uint8]  # (L, N, H), as bytes
    cell: Floats  # (L, N, H)
    topic: Floats  # (N, H), what its line is about, added to the first layer's output
    next_id: NDArray[np.int64]  # (N,), which the next step reads
    random_state: NDArray[np.uint64]  # (N,)
    sampling: NDArray[np.void]  # (N,) records, whose fields are those of model.config.Sampling
    history: NDArray[np.uint16]  # (N, 2 × GUARD_WINDOW), the ids that the guard looks back on
    runs: NDArray[np.int16]  # (N, GUARD_WINDOW + 1)
    history_length: NDArray[np.int64]  # (N,) of the history
    ring: NDArray[np.uint64]  # (N, RING), hashes; see `filters`
    ring_state: NDArray[np.int64]  # (N, 3): COUNT, AFTER_SPACE, HITS
    word_hash: NDArray[np.uint64]  # (N,), of the word under way; see `filters`
    avoided: NDArray[np.uint64]  # (N, MAX_AVOIDED), hashes of words to avoid
    avoided_count: NDArray[np.int64]  # (N,)


class ScratchSpace(NamedTuple):
    """Room for intermediate values; nothing in it outlives a call. M: N lanes, or CHUNK tokens.

    A lane computes one step for a row, or for several that are alike.
    """

    lane_of: NDArray[np.int64]  # (N,), a row's lane; NO_LANE
    row_of: NDArray[np.int64]  # (N,), one of a lane's rows
    inputs: NDArray[np.uint8]  # (M, 2, H), what a layer reads and its hidden state
    cell: Floats  # (M, H)
    bias_offsets: NDArray[np.int64]  # (M,)
    hidden: Floats  # (M, H)
    hidden_bytes: NDArray[np.uint8]  # (M, H)
    residual_stream: Floats  # (M, H), for residual networks
    outputs: NDArray[np.uint8]  # (M, H), of a layer, for the next one or the head
    sums: NDArray[np.int32]  # (CHUNK, B, 64)
    head_sums: NDArray[np.int32]  # (M, V rounded up to 64)
    logits: Floats  # (M, V)
    own_logits: Floats  # (V,), a row's copy of what it shares with others
    probs: NDArray[np.float64]  # (V,)
    order: NDArray[np.int64]  # (V,)
    allowed: NDArray[np.bool_]  # (V,)


class Constraints(NamedTuple):
    """What limits the choice besides a row's own settings."""

    form: FormConstraints
    grams: NDArray[np.uint32]  # hashes of what must not be repeated, sorted
    symbols: NDArray[np.int32]  # (V, W), see `filters.symbols_of`
    lengths: NDArray[np.int64]  # (V,), characters of a token
    letters: NDArray[np.int64]  # (V, W), see `filters.letters_of`
    masked: NDArray[np.bool_]  # (V,), what must never be written


def sampling_record(sampling: Sampling) -> tuple[float, ...]:
    """Return the values of a record of SAMPLING."""
    return tuple(getattr(sampling, each.name) for each in SAMPLING_SETTINGS)


def make_state(weights: QuantizedWeights, count: int) -> BatchState:
    layers, blocks, _ = weights.initial_sums.shape
    hidden = blocks * LANES
    return BatchState(
        hidden_state=aligned((layers, count, hidden), np.uint8),
        cell=aligned((layers, count, hidden), np.float32),
        topic=aligned((count, hidden), np.float32),
        next_id=np.zeros(count, np.int64),
        random_state=np.zeros(count, np.uint64),
        sampling=np.array([sampling_record(Sampling())] * count, SAMPLING),
        history=np.zeros((count, 2 * GUARD_WINDOW), np.uint16),
        runs=np.zeros((count, GUARD_WINDOW + 1), np.int16),
        history_length=np.zeros(count, np.int64),
        ring=np.zeros((count, RING), np.uint64),
        ring_state=np.zeros((count, 3), np.int64),
        word_hash=np.zeros(count, np.uint64),
        avoided=np.zeros((count, MAX_AVOIDED), np.uint64),
        avoided_count=np.zeros(count, np.int64),
    )


def make_line_state(count: int) -> LineState:
    return LineState(
        slot=np.full(count, NO_SLOT, np.int64),
        phase=np.zeros(count, np.int64),
        node=np.zeros(count, np.int64),
        poem_node=np.zeros(count, np.int64),
        reached=np.ones(count, np.int64),
        may_end=np.zeros(count, np.bool_),
        twins=np.zeros(count, np.int64),
        words=np.zeros((count, 2), np.int64),
        families=np.zeros((count, MAX_FAMILIES), np.int64),
        family_count=np.zeros(count, np.int64),
        log_weight=np.zeros(count, np.float64),
        log_boost=np.zeros(count, np.float64),
        copied=np.zeros(count, np.int64),
    )


def empty_trie() -> Trie:
    return Trie(np.full(3, 2, np.int32), *(np.zeros(2, np.int32) for _ in Trie._fields[1:]))


def make_poem_tries(slots: int) -> Trie:
    def masks(size: int) -> NDArray[np.int32]:
        return np.zeros((slots, size), np.int32)

    first = masks(MAX_POEM_NODES + 1)
    first[:] = 2  # the two roots, and nothing below
    return Trie(first, *(masks(MAX_POEM_NODES) for _ in Trie._fields[1:]))


def make_line_specs(slots: int) -> LineSpecs:
    def numbers(*shape: int) -> NDArray[np.int64]:
        return np.zeros((slots, *shape), np.int64)

    return LineSpecs(
        syllables=numbers(),
        continue_mask=numbers(),
        metre=numbers(),
        must_rhyme=np.zeros(slots, np.bool_),
        must_close=np.zeros(slots, np.bool_),
        no_doubles=np.zeros(slots, np.bool_),
        boost=np.ones(slots, np.float64),
        trigrams=numbers(MAX_TRIGRAMS),
        trigram_count=numbers(),
    )


def make_scratch(weights: QuantizedWeights, count: int) -> ScratchSpace:
    blocks, size = weights.initial_sums.shape[1], weights.vocabulary_size
    hidden = blocks * LANES
    return ScratchSpace(
        lane_of=np.zeros(count, np.int64),
        row_of=np.zeros(count, np.int64),
        inputs=aligned((count, 2, hidden), np.uint8),
        cell=aligned((count, hidden), np.float32),
        bias_offsets=np.zeros(count, np.int64),
        hidden=aligned((count, hidden), np.float32),
        hidden_bytes=aligned((count, hidden), np.uint8),
        residual_stream=aligned((count, hidden), np.float32),
        outputs=aligned((count, hidden), np.uint8),
        sums=aligned((CHUNK, blocks, BLOCK), np.int32),
        head_sums=aligned((count, weights.head_initial_sums.size), np.int32),
        logits=aligned((count, size), np.float32),
        own_logits=aligned((size,), np.float32),
        probs=np.zeros(size, np.float64),
        order=np.zeros(size, np.int64),
        allowed=np.zeros(size, np.bool_),
    )


# Where a row's numbers lie, in bytes. They take numbers alone: passing arrays would cost time.


@inner
def layer_input(lane: int, hidden: int, inputs: int) -> int:
    """Return where, in ScratchSpace.inputs (M, 2, H), the last `inputs` of a lane begin.

    That is what a layer reads and its hidden state, 2 H bytes, or with H `inputs` the latter alone.
    """
    return (lane + 1) * 2 * hidden - inputs


@inner
def unit_bytes(row: int, block: int, hidden: int) -> int:
    """Return where a block's 16 units of a row begin in an array of bytes (rows, H)."""
    return row * hidden + block * LANES


@inner
def unit_floats(row: int, block: int, hidden: int) -> int:
    """Return where a block's 16 units of a row begin in an array of floats (rows, H)."""
    return unit_bytes(row, block, hidden) * FLOAT_BYTES
