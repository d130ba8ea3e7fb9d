"""A batch of rows: Python's side of the compiled functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.config import SamplingConfig
from model.kernel.advance import CHUNK, Rows, Scratch, read, write
from model.kernel.arithmetic import Arithmetic
from model.kernel.sampling import GUARD_WINDOW
from model.kernel.vectors import BLOCK, LANES
from model.kernel.weights import Floats, Weights, aligned


class Batch:
    """Rows at places 0…n-1 without gaps, and one more that reads its prompt.

    A row's text depends on its prompt, settings and random seed alone, not on its place, on its
    neighbours or on how many characters are written at a time. Not thread-safe; `write` and
    `read` compute without Python's lock.
    """

    def __init__(self, weights: Weights, max_rows: int, arithmetic: Arithmetic) -> None:
        self._arithmetic = arithmetic
        self._weights = weights
        self._rows = _make_rows(weights, max_rows + 1)
        self._scratch = _make_scratch(weights, max(max_rows + 1, CHUNK))
        self._reader = max_rows  # its place
        self._size = 0

    def __len__(self) -> int:
        """How many rows write."""
        return self._size

    def begin(self, sampling: SamplingConfig, random_seed: int) -> None:
        """Let the row that reads begin anew, with nothing read."""
        rows, row = self._rows, self._reader
        rows.x[:, row] = 128  # a hidden value of 0
        rows.cell[:, row] = 0.0
        rows.random[row] = random_seed
        rows.greedy[row] = sampling.greedy
        rows.temperature[row] = sampling.temperature
        rows.top_k[row] = sampling.top_k
        rows.top_p[row] = sampling.top_p
        rows.min_p[row] = sampling.min_p
        rows.guard[row] = sampling.repetition_guard
        rows.length[row] = 0
        rows.runs[row] = 0

    def read(self, ids: Sequence[int]) -> None:
        """Let the row that reads read `ids`, of any number."""
        for chunk in _chunks(ids):
            self._read(chunk, predict=False)

    def predict(self, ids: Sequence[int]) -> Floats:
        """Read `ids` and return the logits (T, V) of what follows each."""
        parts = [np.empty((0, self._weights.vocabulary_size), np.float32)]
        for chunk in _chunks(ids):
            self._read(chunk, predict=True)
            parts.append(self._scratch.logits[: len(chunk)].copy())
        return np.concatenate(parts)

    def join(self, next_id: int) -> None:
        """Let the row that has read write from place n on; it reads `next_id` first."""
        self._rows.next_id[self._reader] = next_id
        self._move(self._reader, self._size)
        self._size += 1

    def leave(self, place: int) -> None:
        """Take a row away; the last row takes its place."""
        self._size -= 1
        if place != self._size:
            self._move(self._size, place)

    def write(self, count: int) -> list[list[int]]:
        """Return the next `count` ids of every row."""
        out = np.empty((self._size, count), np.int64)
        write(self._arithmetic, self._weights, self._rows, self._scratch, out)
        ids: list[list[int]] = out.tolist()
        return ids

    def _read(self, ids: NDArray[np.int64], *, predict: bool) -> None:
        row = self._reader
        read(self._arithmetic, self._weights, self._rows, self._scratch, row, ids, predict)

    def _move(self, source: int, target: int) -> None:
        for name in Rows._fields:
            values = getattr(self._rows, name)
            if name in ("x", "cell"):
                values[:, target] = values[:, source]
            else:
                values[target] = values[source]


def _chunks(ids: Sequence[int]) -> list[NDArray[np.int64]]:
    whole = np.asarray(ids, np.int64)
    return [whole[begin : begin + CHUNK] for begin in range(0, len(whole), CHUNK)]


def _make_rows(weights: Weights, count: int) -> Rows:
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
    )


def _make_scratch(weights: Weights, count: int) -> Scratch:
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
    )
