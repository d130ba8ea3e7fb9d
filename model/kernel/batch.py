"""A batch of rows: Python's side of the compiled functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.characters import skeleton
from model.config import SAMPLING_SETTINGS, Sampling
from model.kernel.constraints import (
    IN_WORD,
    LINE_START,
    MAX_FAMILIES,
    MAX_TRIGRAMS,
    NO_SLOT,
    OTHER,
    FormConstraints,
    Trie,
    kind_of,
    marks_of,
)
from model.kernel.filters import begin_word, hash_of, letters_of, masked_of, symbols_of
from model.kernel.forward import read, set_next, write
from model.kernel.instruction_sets import SIGNED, InstructionSet
from model.kernel.quantization import (
    ACTIVATION_ZERO,
    Floats,
    QuantizedWeights,
    for_signed_activations,
)
from model.kernel.sampling import fill_surprisals
from model.kernel.state import (
    BY_LAYER,
    CHUNK,
    BatchState,
    Constraints,
    empty_trie,
    make_line_specs,
    make_line_state,
    make_poem_tries,
    make_scratch,
    make_state,
    sampling_record,
)


@dataclass(frozen=True, slots=True)
class LineSpec:
    """What is asked of a line of verse; see `model.kernel.constraints.LineSpecs`."""

    syllables: int
    continue_mask: int
    metre: int
    must_rhyme: bool
    must_close: bool
    boost: float
    poem_trie: Trie  # the poem's own words
    trigrams: Sequence[int]
    no_doubles: bool = False
    # where its rows stand at first
    initial_syllables: int = 1  # bits: numbers of syllables that it has
    phase: int = IN_WORD
    may_end: bool = False
    last_words: tuple[int, int] = (0, 0)
    families: Sequence[int] = ()
    min_temperature: float = 0.0  # above 0: no filter counts, and this at the least


class Batch:
    """Rows at places 0…n-1 without gaps, and one more that reads its prompt.

    A row's text depends on its prompt, settings and random seed alone, not on its place, on its
    neighbours or on how many tokens are written at a time. Not thread-safe; `write` and
    `read` compute without Python's lock.
    """

    def __init__(
        self,
        weights: QuantizedWeights,
        max_rows: int,
        isa: InstructionSet,
        *,
        tokens: Sequence[str] = (),
        grams: NDArray[np.uint32] | None = None,
        trie: Trie | None = None,
        slots: int = 1,
    ) -> None:
        """Make room for `max_rows` rows, of which up to `slots` groups may write verse.

        `tokens` is the vocabulary; without it the batch knows no words and lines. `grams`
        are hashes of runs that must not come, `trie` the words that guided rows may write.
        """
        self._isa = isa
        self._weights = for_signed_activations(weights) if isinstance(isa, SIGNED) else weights
        size = weights.vocabulary_size
        kinds = np.array([kind_of(token) for token in tokens] or [OTHER] * size, np.int64)
        self._constraints = Constraints(
            FormConstraints(
                trie=trie or empty_trie(),
                poem_tries=make_poem_tries(slots),
                lines=make_line_specs(slots),
                kinds=kinds,
                marks=marks_of(kinds),
            ),
            grams=np.empty(0, np.uint32) if grams is None else grams,
            symbols=symbols_of(tokens)
            if tokens
            else np.arange(1, size + 1, dtype=np.int32)[:, None],
            lengths=np.array([len(token) for token in tokens] or [1] * size, np.int64),
            letters=letters_of(tokens) if tokens else np.zeros((size, 1), np.int64),
            masked=masked_of(tokens) if tokens else np.zeros(size, np.bool_),
        )
        self._reader = max_rows  # its place
        self._make_rows()

    def another(self) -> Batch:
        """Return a batch of as many rows, for another thread; it has the same weights and words."""
        other = copy(self)
        form = self._constraints.form
        slots = len(form.lines.syllables)
        own = form._replace(poem_tries=make_poem_tries(slots), lines=make_line_specs(slots))
        other._constraints = self._constraints._replace(form=own)
        other._make_rows()
        return other

    def _make_rows(self) -> None:
        count = self._reader + 1
        self._state = make_state(self._weights, count)
        self._line_state = make_line_state(count)
        self._scratch = make_scratch(self._weights, max(count, CHUNK))
        self._rows = _by_row(self._state)
        self._twins = 1  # the next number of rows that are alike
        self._all_rows = [*self._rows, *self._line_state]
        self._size = 0

    def __len__(self) -> int:
        """How many rows write."""
        return self._size

    def begin(self, sampling: Sampling, random_seed: int, avoided: Collection[str] = ()) -> None:
        """Let the row that reads begin anew, with nothing read.

        Up to MAX_AVOIDED words of letters, `avoided`, it will not write.
        """
        state, row = self._state, self._reader
        state.hidden_state[:, row] = ACTIVATION_ZERO
        state.cell[:, row] = 0.0
        state.topic[row] = 0.0
        state.random_state[row] = random_seed
        state.sampling[row] = sampling_record(sampling)
        state.history_length[row] = 0
        state.runs[row] = 0
        state.ring_state[row] = 0
        begin_word(state.word_hash, row)
        hashes = sorted({hash_of(word) for word in avoided if skeleton(word)})
        state.avoided_count[row] = len(hashes)
        state.avoided[row, : len(hashes)] = hashes
        self._line_state.slot[row] = NO_SLOT

    def set_topic(self, topic: Floats) -> None:
        """Tell the row that reads what the text is about: a vector (H,) within 1 that is added to
        the first layer's output.
        """
        self._state.topic[self._reader, : len(topic)] = topic

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

    def surprisals(self, ids: Sequence[int]) -> NDArray[np.float64]:
        """Read all of `ids` but the last; return the nats (T - 1,) of each but the first."""
        nats = np.empty(len(ids) - 1, np.float64)
        begin, scratch = 0, self._scratch
        for chunk in _chunks(ids[:-1]):
            self._read(chunk, predict=True)
            end = begin + len(chunk)
            targets = np.asarray(ids[begin + 1 : end + 1], np.int64)
            fill_surprisals(scratch.logits, targets, scratch.probs, nats[begin:end])
            begin = end
        return nats

    def join(self, next_id: int) -> None:
        """Let the row that has read write from place n on; it reads `next_id` first."""
        self._set_next(next_id)
        self._move(self._reader, self._size)
        self._size += 1

    def save(self) -> RowSnapshot:
        """Return what the row that reads remembers."""
        return RowSnapshot(tuple(values[self._reader].copy() for values in self._rows))

    def load(self, snapshot: RowSnapshot) -> None:
        """Let the row that reads remember what was saved."""
        for values, saved in zip(self._rows, snapshot.values, strict=True):
            values[self._reader] = saved

    def set_line(self, slot: int, line: LineSpec) -> None:
        """Set what the rows of `slot` write from now on."""
        lines, poem_tries = self._constraints.form.lines, self._constraints.form.poem_tries
        lines.syllables[slot] = line.syllables
        lines.continue_mask[slot] = line.continue_mask
        lines.metre[slot] = line.metre
        lines.must_rhyme[slot] = line.must_rhyme
        lines.must_close[slot] = line.must_close
        lines.no_doubles[slot] = line.no_doubles
        lines.boost[slot] = line.boost
        trigrams = line.trigrams[-MAX_TRIGRAMS:]
        lines.trigrams[slot, : len(trigrams)] = trigrams
        lines.trigram_count[slot] = len(trigrams)
        for part, room in zip(line.poem_trie, poem_tries, strict=True):
            room[slot, : len(part)] = part  # (n,) of (S, MAX_POEM_NODES)

    def fork(
        self,
        slot: int,
        line: LineSpec,
        next_id: int,
        random_states: NDArray[np.uint64],
        topics: Floats | None = None,
    ) -> None:
        """Let copies of the row that reads write the line of `slot` from place n on, a row for
        each of the R `random_states`; they read `next_id` first. `topics` (T, H) are told to them
        by turns.
        """
        line_state, row = self._line_state, self._reader
        self._set_next(next_id)
        line_state.slot[row] = slot
        line_state.phase[row] = line.phase
        line_state.node[row] = line_state.poem_node[row] = LINE_START
        line_state.reached[row] = line.initial_syllables
        line_state.may_end[row] = line.may_end
        line_state.words[row] = line.last_words
        families = line.families[:MAX_FAMILIES]
        line_state.families[row, : len(families)] = families
        line_state.family_count[row] = len(families)
        line_state.log_weight[row] = 0.0
        line_state.copied[row] = 0
        line_state.log_boost[row] = 0.0
        places = np.arange(self._size, self._size + len(random_states))
        self._copy(np.full(len(places), row), places)
        self._state.random_state[places] = random_states
        turns = np.arange(len(places)) % (1 if topics is None else len(topics))
        if topics is not None:
            self._state.topic[places, : topics.shape[1]] = topics[turns]
        self._make_twins(places, turns)
        if line.min_temperature:
            sampling = self._state.sampling
            warmth = np.maximum(sampling["temperature"][places], line.min_temperature)
            sampling["temperature"][places] = warmth
            for setting in SAMPLING_SETTINGS:
                if setting.narrows:
                    sampling[setting.name][places] = setting.off
        self._size += len(places)

    def log_weights(self, places: Sequence[int]) -> NDArray[np.float64]:
        """Return the log weights of guided rows."""
        return self._line_state.log_weight[list(places)]

    def copied(self, place: int) -> int:
        """Return how long the longest run of the book is that the line of a guided row has, in
        characters; 0 for a short one.
        """
        return int(self._line_state.copied[place])

    def resample(
        self,
        places: Sequence[int],
        sources: Sequence[int],
        weight: float,
        random_states: NDArray[np.uint64],
    ) -> None:
        """Put copies of the rows `sources` at `places`, all of one log weight."""
        where = np.asarray(places)
        self._copy(np.asarray(sources), where)
        self._line_state.log_weight[where] = weight
        self._state.random_state[where] = random_states
        self._make_twins(where, np.asarray(sources))

    def leave(self, place: int) -> None:
        """Take a row away; the last row takes its place."""
        self._size -= 1
        if place != self._size:
            self._move(self._size, place)

    def write(self, count: int) -> list[list[int]]:
        """Return the next `count` ids of every row."""
        out = np.empty((self._size, count), np.int64)
        write(
            self._isa,
            self._weights,
            self._state,
            self._line_state,
            self._constraints,
            self._scratch,
            out,
        )
        ids: list[list[int]] = out.tolist()
        return ids

    def _make_twins(self, places: NDArray[np.int64], kinds: NDArray[np.int64]) -> None:
        """Let the rows of each kind be computed as one until they have written."""
        self._line_state.twins[places] = self._twins + kinds
        self._twins += int(kinds.max()) + 1

    def _set_next(self, next_id: int) -> None:
        """Let the row that has read be about to read one more."""
        set_next(self._state, self._constraints, self._reader, next_id)

    def _read(self, ids: NDArray[np.int64], *, predict: bool) -> None:
        read(
            self._isa,
            self._weights,
            self._state,
            self._constraints,
            self._scratch,
            self._reader,
            ids,
            predict,
        )

    def _move(self, source: int, target: int) -> None:
        for values in self._all_rows:
            values[target] = values[source]

    def _copy(self, sources: NDArray[np.int64], targets: NDArray[np.int64]) -> None:
        for values in self._all_rows:
            values[targets] = values[sources]


@dataclass(frozen=True, slots=True)
class RowSnapshot:
    """What a row remembers, out of the batch."""

    values: tuple[NDArray[Any], ...]  # one for each array of a BatchState


def _by_row(state: BatchState) -> list[NDArray[Any]]:
    """Return views (N, …) of the arrays, in their order."""
    return [
        values.swapaxes(0, 1) if name in BY_LAYER else values  # (L, N, …) → (N, L, …)
        for name, values in state._asdict().items()
    ]


def _chunks(ids: Sequence[int]) -> list[NDArray[np.int64]]:
    whole = np.asarray(ids, np.int64)
    return [whole[begin : begin + CHUNK] for begin in range(0, len(whole), CHUNK)]
