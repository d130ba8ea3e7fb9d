"""Continuous batching: many poems advance together, one character per step.

Rows join and leave between steps. The same model, prompt, settings and random seed give the same
text whoever else is being written for: each row has its own random generator, and the arithmetic
(`stepper.py`) keeps rows apart to the last bit. Not thread-safe: one thread owns an engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch

from model.checkpoint import Model
from model.config import LengthConfig, SamplingConfig
from model.errors import EngineFull, SettingError
from model.extent import Extent, Finish
from model.sampling import RowSettings, sample
from model.stepper import FloatStepper, Stepper

MAX_RANDOM_SEED = 2**63 - 1  # fits SQLite's and JSON readers' signed 64 bits


@dataclass(frozen=True, slots=True)
class Request:
    """A poem to be written: it continues `prompt`, which is on the model's alphabet."""

    prompt: str
    sampling: SamplingConfig
    random_seed: int  # 0 … 2**63 - 1
    length: LengthConfig  # counts the prompt too


@dataclass(frozen=True, slots=True)
class Piece:
    """What a step added to one poem: usually one character; none is possible at the end."""

    ticket: int
    text: str
    finished: Finish | None = None


@dataclass(slots=True, eq=False)
class _Row:
    """A request being written."""

    ticket: int
    sampling: SamplingConfig
    opening: list[int]  # ids to read on joining
    next_id: int  # the id that the next step reads
    random: Random
    extent: Extent


class Batch:
    """The rows as the arithmetic sees them: it turns ids and uniforms into the next ids."""

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper
        self._sampling: list[SamplingConfig] = []
        self._settings: RowSettings | None = None  # of the present rows; made when they change

    def join(self, read: Sequence[int], sampling: SamplingConfig) -> None:
        """Add a row after the last one; it has read the ids `read`."""
        self._stepper.join(len(self._sampling), read)
        self._sampling.append(sampling)
        self._settings = None

    def leave(self, position: int) -> None:
        """Take a row away; the last row takes its place."""
        last = len(self._sampling) - 1
        if position != last:
            self._stepper.move(last, position)
            self._sampling[position] = self._sampling[last]
        self._sampling.pop()
        self._settings = None

    def step(self, ids: Sequence[int], uniforms: Sequence[float]) -> list[int]:
        """Let each row read its id; return the ids chosen next."""
        if self._settings is None:
            self._settings = RowSettings.of(self._sampling)
        logits = self._stepper.step(ids)
        with torch.inference_mode():
            chosen = sample(logits, self._settings, torch.tensor(uniforms, dtype=torch.float64))
        return [int(place) for place in chosen.tolist()]


class Engine:
    """Writes up to `max_rows` poems at once with one model.

    engine = Engine(model)
    ticket = engine.add(request)
    while engine.has_work:
        for piece in engine.step():
            print(piece.text, end="")
    """

    def __init__(self, model: Model, *, max_rows: int = 64, stepper: Stepper | None = None) -> None:
        if max_rows < 1:
            raise SettingError("max_rows", max_rows, "at least 1")
        self._vocabulary = model.vocabulary
        self._max_rows = max_rows
        self._batch = Batch(stepper or FloatStepper(model.network, max_rows))
        self._tickets = itertools.count(1)
        self._waiting: list[_Row] = []  # join at the next step
        self._rows: list[_Row] = []  # at the same positions as in the batch
        self._ended: list[Piece] = []  # told by the next step

    @property
    def running(self) -> int:
        """How many poems hold a row."""
        return len(self._waiting) + len(self._rows)

    @property
    def has_work(self) -> bool:
        """Whether `step` has anything to do or to tell."""
        return bool(self._waiting or self._rows or self._ended)

    def add(self, request: Request) -> int:
        """Take a request on and return its ticket; its first piece comes with the next step.

        Raises EngineFull when all rows are taken, SettingError for a random seed out of range or
        a prompt with characters that the model lacks.
        """
        if self.running >= self._max_rows:
            raise EngineFull(self._max_rows)
        if not 0 <= request.random_seed <= MAX_RANDOM_SEED:
            raise SettingError("random_seed", request.random_seed, f"from 0 to {MAX_RANDOM_SEED}")
        *opening, next_id = self._ids_of(request.prompt)
        ticket = next(self._tickets)
        extent = Extent(request.length, request.prompt)
        if extent.finish is not None:
            self._ended.append(Piece(ticket, "", extent.finish))
            return ticket
        random = Random(request.random_seed)
        self._waiting.append(_Row(ticket, request.sampling, opening, next_id, random, extent))
        return ticket

    def cancel(self, ticket: int) -> bool:
        """Free the row of `ticket`, told by the next step; False if it is not being written."""
        for position, row in enumerate(self._rows):
            if row.ticket == ticket:
                self._leave(position)
                break
        else:
            still = [row for row in self._waiting if row.ticket != ticket]
            if len(still) == len(self._waiting):
                return False
            self._waiting = still
        self._ended.append(Piece(ticket, "", Finish.CANCELLED))
        return True

    def step(self) -> list[Piece]:
        """Write one character of every poem; return what there is to show and what has ended."""
        pieces, self._ended = self._ended, []
        while self._waiting:
            self._batch.join(self._waiting[0].opening, self._waiting[0].sampling)
            self._rows.append(self._waiting.pop(0))
        if not self._rows:
            return pieces
        chosen = self._batch.step(
            [row.next_id for row in self._rows], [row.random.random() for row in self._rows]
        )
        characters = self._vocabulary.characters
        # From the last position down: the row that fills a gap has had its turn.
        for position in reversed(range(len(chosen))):
            row = self._rows[position]
            row.next_id = chosen[position]
            text = row.extent.write(characters[chosen[position]])
            finish = row.extent.finish
            if text or finish is not None:
                pieces.append(Piece(row.ticket, text, finish))
            if finish is not None:
                self._leave(position)
        return pieces

    def _leave(self, position: int) -> None:
        self._batch.leave(position)
        last = self._rows.pop()
        if position < len(self._rows):
            self._rows[position] = last

    def _ids_of(self, prompt: str) -> list[int]:
        """Return the ids to read; an empty prompt begins as a new line does."""
        known = self._vocabulary.ids
        unknown = "".join(dict.fromkeys(c for c in prompt if c not in known))
        if unknown:
            raise SettingError("prompt", unknown, "made of characters that the model knows")
        return self._vocabulary.encode(prompt) or [known.get("\n", 0)]


def set_threads(count: int) -> None:
    """Let torch compute with `count` threads, in this whole process."""
    torch.set_num_threads(count)
