"""What rows remember and were asked for, as arrays; a row has the same place in each of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.kernel.avoidance import MAX_AVOIDED
from model.kernel.grams import RING
from model.kernel.guide import MAX_OWN, MAX_PHRASES, NO_ROW, Guide, Lines, Trie, Walk
from model.kernel.sampling import GUARD_WINDOW
from model.kernel.vectors import BLOCK, LANES
from model.kernel.weights import Floats, Weights, aligned

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
    letters: NDArray[np.int64]  # (V, W), see model.kernel.avoidance
    masked: NDArray[np.bool_]  # (V,), what must never be written


def make_rows(weights: Weights, count: int) -> Rows:
    layers, blocks, _ = weights.start.shape
    hidden = blocks * LANES
    return Rows(
        x=aligned((layers, count, 2, hidden), np.uint8),
        cell=aligned((layers, count, hidden), np.float32),
        top=aligned((count, hidden), np.uint8),
        next_id=np.zeros(count, np.int64),
        random=np.zeros(count, np.uint64),
        greedy=np.zeros(count, np.bool_),
        temperature=np.ones(count, np.float64),
        top_k=np.zeros(count, np.int64),
        top_p=np.ones(count, np.float64),
        min_p=np.zeros(count, np.float64),
        guard=np.zeros(count, np.int64),
        history=np.zeros((count, 2 * GUARD_WINDOW), np.uint16),
        runs=np.zeros((count, GUARD_WINDOW + 1), np.int16),
        length=np.zeros(count, np.int64),
        ring=np.zeros((count, RING), np.uint64),
        ring_state=np.zeros((count, 3), np.int64),
        word=np.zeros(count, np.uint64),
        avoided=np.zeros((count, MAX_AVOIDED), np.uint64),
        avoided_count=np.zeros(count, np.int64),
    )


def make_walk(count: int) -> Walk:
    return Walk(
        slot=np.full(count, NO_ROW, np.int64),
        phase=np.zeros(count, np.int64),
        node=np.zeros(count, np.int64),
        own=np.zeros(count, np.int64),
        syllables=np.ones(count, np.int64),
        may_end=np.zeros(count, np.bool_),
        words=np.zeros((count, 2), np.int64),
        weight=np.zeros(count, np.float64),
        nats=np.zeros(count, np.float64),
        favoured=np.zeros(count, np.float64),
        copied=np.zeros(count, np.int64),
    )


def empty_trie() -> Trie:
    one = np.zeros(1, np.int32)
    return Trie(np.ones(2, np.int32), one, one, one, one, one, one)


def make_own(slots: int) -> Trie:
    def masks(size: int) -> NDArray[np.int32]:
        return np.zeros((slots, size), np.int32)

    first = masks(MAX_OWN + 1)
    first[:] = 1
    return Trie(first, *(masks(MAX_OWN) for _ in Trie._fields[1:]))


def make_lines(slots: int) -> Lines:
    def numbers(*shape: int) -> NDArray[np.int64]:
        return np.zeros((slots, *shape), np.int64)

    return Lines(
        syllables=numbers(),
        may_go_on=numbers(),
        metre=numbers(),
        owes=np.zeros(slots, np.bool_),
        closes=np.zeros(slots, np.bool_),
        favour=np.ones(slots, np.float64),
        phrases=numbers(MAX_PHRASES),
        phrase_count=numbers(),
    )


def make_scratch(weights: Weights, count: int) -> Scratch:
    blocks, size = weights.start.shape[1], weights.vocabulary_size
    hidden = blocks * LANES
    return Scratch(
        places=np.zeros(count, np.int64),
        hidden=aligned((count, hidden), np.float32),
        fresh=aligned((count, hidden), np.uint8),
        stream=aligned((count, hidden), np.float32),
        tape=aligned((count, hidden), np.uint8),
        sums=aligned((CHUNK, blocks, BLOCK), np.int32),
        head=aligned((count, weights.head_start.size), np.int32),
        logits=aligned((count, size), np.float32),
        weights=np.zeros(size, np.float64),
        order=np.zeros(size, np.int64),
        allowed=np.zeros(size, np.bool_),
    )
