"""A batch of rows: Python's side of the compiled functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.config import SamplingConfig
from model.kernel.advance import expect, read, write
from model.kernel.arithmetic import Arithmetic
from model.kernel.avoidance import begin_word, hash_of, letters_of, masked_of
from model.kernel.guide import IN_WORD, MAX_PHRASES, NO_ROW, OTHER, Guide, Trie, kind_of
from model.kernel.rows import (
    CHUNK,
    Rows,
    Rules,
    empty_trie,
    make_lines,
    make_own,
    make_rows,
    make_scratch,
    make_walk,
)
from model.kernel.weights import Floats, Weights
from model.vocabulary import skeleton


@dataclass(frozen=True, slots=True)
class Line:
    """What is asked of a line of verse; see `model.kernel.guide.Lines`."""

    syllables: int
    may_go_on: int
    metre: int
    owes: bool
    closes: bool
    favour: float
    own: Trie  # the poem's own words
    phrases: Sequence[int]
    # where its rows stand at first
    begun: int = 1  # bits: numbers of syllables that it has
    phase: int = IN_WORD
    may_end: bool = False
    words: tuple[int, int] = (0, 0)
    least_temperature: float = 0.0  # above 0: no filter counts, and this at the least


class Batch:
    """Rows at places 0…n-1 without gaps, and one more that reads its prompt.

    A row's text depends on its prompt, settings and random seed alone, not on its place, on its
    neighbours or on how many characters are written at a time. Not thread-safe; `write` and
    `read` compute without Python's lock.
    """

    def __init__(
        self,
        weights: Weights,
        max_rows: int,
        arithmetic: Arithmetic,
        *,
        characters: str = "",
        grams: NDArray[np.uint32] | None = None,
        trie: Trie | None = None,
        slots: int = 1,
    ) -> None:
        """Make room for `max_rows` rows, of which up to `slots` groups may write verse.

        `characters` is the alphabet, without which nothing is known of words and lines; `grams`
        are hashes of runs that must not come, `trie` the words that guided rows may write.
        """
        self._arithmetic = arithmetic
        self._weights = weights
        self._rows = make_rows(weights, max_rows + 1)
        self._walk = make_walk(max_rows + 1)
        size = weights.vocabulary_size
        self._rules = Rules(
            Guide(
                trie=trie or empty_trie(),
                own=make_own(slots),
                lines=make_lines(slots),
                kinds=np.array([kind_of(c) for c in characters] or [OTHER] * size, np.int64),
            ),
            grams=np.empty(0, np.uint32) if grams is None else grams,
            letters=letters_of(characters) if characters else np.zeros((size, 1), np.int64),
            masked=masked_of(characters) if characters else np.zeros(size, np.bool_),
        )
        self._scratch = make_scratch(weights, max(max_rows + 1, CHUNK))
        self._reader = max_rows  # its place
        self._size = 0

    def __len__(self) -> int:
        """How many rows write."""
        return self._size

    def begin(
        self, sampling: SamplingConfig, random_seed: int, avoided: Collection[str] = ()
    ) -> None:
        """Let the row that reads begin anew, with nothing read.

        Up to MAX_AVOIDED words of letters, `avoided`, it will not write.
        """
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
        rows.ring_state[row] = 0
        begin_word(rows.word, row)
        hashes = sorted({hash_of(word) for word in avoided if skeleton(word)})
        rows.avoided_count[row] = len(hashes)
        rows.avoided[row, : len(hashes)] = hashes
        self._walk.slot[row] = NO_ROW

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
        self._expect(next_id)
        self._move(self._reader, self._size)
        self._size += 1

    def save(self) -> Memory:
        """Return what the row that reads remembers."""
        return Memory(
            {
                name: getattr(self._rows, name)[:, self._reader].copy()
                if name in ("x", "cell")
                else getattr(self._rows, name)[self._reader].copy()
                for name in Rows._fields
            }
        )

    def load(self, memory: Memory) -> None:
        """Let the row that reads remember what was saved."""
        for name, value in memory.values.items():
            values = getattr(self._rows, name)
            if name in ("x", "cell"):
                values[:, self._reader] = value
            else:
                values[self._reader] = value

    def ask(self, slot: int, line: Line) -> None:
        """Say what the rows of `slot` are to write from now on."""
        lines, own = self._rules.guide.lines, self._rules.guide.own
        for name in ("syllables", "may_go_on", "metre", "owes", "closes", "favour"):
            getattr(lines, name)[slot] = getattr(line, name)
        phrases = line.phrases[-MAX_PHRASES:]
        lines.phrases[slot, : len(phrases)] = phrases
        lines.phrase_count[slot] = len(phrases)
        for name in Trie._fields:
            part = getattr(line.own, name)
            getattr(own, name)[slot, : len(part)] = part

    def spread(self, slot: int, line: Line, next_id: int, randoms: NDArray[np.uint64]) -> None:
        """Let copies of the row that reads write the line of `slot` from place n on, a row for
        each of `randoms`; they read `next_id` first.
        """
        walk, row = self._walk, self._reader
        self._expect(next_id)
        walk.slot[row] = slot
        walk.phase[row] = line.phase
        walk.node[row] = walk.own[row] = 0
        walk.syllables[row] = line.begun
        walk.may_end[row] = line.may_end
        walk.words[row] = line.words
        walk.weight[row] = walk.nats[row] = 0.0
        walk.copied[row] = 0
        walk.favoured[row] = 0.0
        places = np.arange(self._size, self._size + len(randoms))
        self._copy(np.full(len(places), row), places)
        self._rows.random[places] = randoms
        if line.least_temperature:
            temperature = self._rows.temperature
            temperature[places] = np.maximum(temperature[places], line.least_temperature)
            for off, name in ((False, "greedy"), (0, "top_k"), (1.0, "top_p"), (0.0, "min_p")):
                getattr(self._rows, name)[places] = off
        self._size += len(places)

    def weights(self, places: Sequence[int]) -> NDArray[np.float64]:
        """Return the log weights of guided rows."""
        return self._walk.weight[list(places)]

    def outcome(self, place: int) -> tuple[float, int]:
        """Return what the line of a guided row has cost the network, in nats, and how long its
        longest run of the book is, in characters; 0 for a short one.
        """
        return float(self._walk.nats[place]), int(self._walk.copied[place])

    def reweigh(
        self,
        places: Sequence[int],
        sources: Sequence[int],
        weight: float,
        randoms: NDArray[np.uint64],
    ) -> None:
        """Put copies of the rows `sources` at `places`, all of one log weight."""
        where = np.asarray(places)
        self._copy(np.asarray(sources), where)
        self._walk.weight[where] = weight
        self._rows.random[where] = randoms

    def leave(self, place: int) -> None:
        """Take a row away; the last row takes its place."""
        self._size -= 1
        if place != self._size:
            self._move(self._size, place)

    def write(self, count: int) -> list[list[int]]:
        """Return the next `count` ids of every row."""
        out = np.empty((self._size, count), np.int64)
        write(
            self._arithmetic,
            self._weights,
            self._rows,
            self._walk,
            self._rules,
            self._scratch,
            out,
        )
        ids: list[list[int]] = out.tolist()
        return ids

    def _expect(self, next_id: int) -> None:
        """Let the row that has read be about to read one more."""
        expect(self._rows, self._rules, self._reader, next_id)

    def _read(self, ids: NDArray[np.int64], *, predict: bool) -> None:
        row = self._reader
        rules, scratch = self._rules, self._scratch
        read(self._arithmetic, self._weights, self._rows, rules, scratch, row, ids, predict)

    def _move(self, source: int, target: int) -> None:
        self._copy(np.array([source]), np.array([target]))

    def _copy(self, sources: NDArray[np.int64], targets: NDArray[np.int64]) -> None:
        for part in (self._rows, self._walk):
            for name in part._fields:
                values = getattr(part, name)
                if name in ("x", "cell"):
                    values[:, targets] = values[:, sources]
                else:
                    values[targets] = values[sources]


@dataclass(frozen=True, slots=True)
class Memory:
    """What a row remembers, out of the batch."""

    values: Mapping[str, NDArray[np.generic]]


def _chunks(ids: Sequence[int]) -> list[NDArray[np.int64]]:
    whole = np.asarray(ids, np.int64)
    return [whole[begin : begin + CHUNK] for begin in range(0, len(whole), CHUNK)]
