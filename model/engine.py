"""Continuous batching: many poems advance together, a few characters per step.

Rows join and leave between steps. The same model, prompt, settings and random seed give the same
text whoever else is being written for, however they are stepped, on whatever processor: see
`model.kernel`. Not thread-safe: one thread owns an engine.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from model.capitals import Capitals
from model.checkpoint import Model
from model.config import LengthConfig, SamplingConfig
from model.errors import EngineFull, SettingError
from model.extent import Extent, Finish
from model.kernel import Batch, checked_arithmetic, pack_network

MAX_RANDOM_SEED = 2**63 - 1  # fits SQLite's and JSON readers' signed 64 bits
WRITTEN_PER_STEP = 8  # characters of each row; fewer cost calls, more delay those who join
READ_PER_STEP = 256  # characters of prompts, which take about as long as a step of a full batch


@dataclass(frozen=True, slots=True)
class Request:
    """A poem to be written: it continues `prompt`, which is on the model's alphabet."""

    prompt: str
    sampling: SamplingConfig
    random_seed: int  # 0 … 2**63 - 1
    length: LengthConfig  # counts the prompt too


@dataclass(frozen=True, slots=True)
class Piece:
    """What a step added to one poem: a few characters; none is possible at the end."""

    ticket: int
    text: str
    finished: Finish | None = None


@dataclass(slots=True, eq=False)
class _Row:
    """A request being written."""

    ticket: int
    request: Request
    ids: list[int]  # of the prompt; all but the last are read before the row joins
    extent: Extent
    capitals: Capitals | None  # of a model that has learnt in lower case
    read: int = 0  # how many of the ids are

    def show(self, text: str) -> str:
        """Take what was written on; return what is to be shown of it now."""
        shown = self.extent.write(text)
        if self.capitals is not None:
            shown = self.capitals.write(shown)
            if self.extent.finish is not None:
                shown += self.capitals.rest()
        return shown


class Rows(Protocol):
    """The arithmetic, see `model.kernel.Batch`: rows that write and one that reads its prompt."""

    def begin(self, sampling: SamplingConfig, random_seed: int) -> None: ...

    def read(self, ids: Sequence[int]) -> None: ...

    def join(self, next_id: int) -> None: ...

    def leave(self, place: int) -> None: ...

    def write(self, count: int) -> list[list[int]]: ...


class Engine:
    """Writes up to `max_rows` poems at once with one model.

    engine = Engine(model)
    ticket = engine.add(request)
    while engine.has_work:
        for piece in engine.step():
            print(piece.text, end="")
    """

    def __init__(self, model: Model, *, max_rows: int = 64, rows: Rows | None = None) -> None:
        if max_rows < 1:
            raise SettingError("max_rows", max_rows, "at least 1")
        self._vocabulary = model.vocabulary
        self._names = model.card.names if model.card.lower_case else None
        self._max_rows = max_rows
        self._batch: Rows = rows or Batch(
            pack_network(model.network, model.tensors), max_rows, checked_arithmetic()
        )
        self._tickets = itertools.count(1)
        self._waiting: deque[_Row] = deque()  # the first one is reading its prompt
        self._rows: list[_Row] = []  # at the same places as in the batch
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
        """Take a request on and return its ticket; the next steps read its prompt, then write.

        Raises EngineFull when all rows are taken, SettingError for a random seed out of range or
        a prompt with characters that the model lacks.
        """
        if self.running >= self._max_rows:
            raise EngineFull(self._max_rows)
        if not 0 <= request.random_seed <= MAX_RANDOM_SEED:
            raise SettingError("random_seed", request.random_seed, f"from 0 to {MAX_RANDOM_SEED}")
        ids = self._ids_of(request.prompt)
        ticket = next(self._tickets)
        extent = Extent(request.length, request.prompt)
        if extent.finish is not None:
            self._ended.append(Piece(ticket, "", extent.finish))
        else:
            names = self._names
            capitals = None if names is None else Capitals(names, request.prompt)
            self._waiting.append(_Row(ticket, request, ids, extent, capitals))
        return ticket

    def cancel(self, ticket: int) -> bool:
        """Free the row of `ticket`, told by the next step; False if it is not being written."""
        for place, row in enumerate(self._rows):
            if row.ticket == ticket:
                self._leave(place)
                break
        else:
            found = next((row for row in self._waiting if row.ticket == ticket), None)
            if found is None:
                return False
            row = found
            self._waiting.remove(row)
        held_back = "" if row.capitals is None else row.capitals.rest()
        self._ended.append(Piece(ticket, held_back, Finish.CANCELLED))
        return True

    def step(self) -> list[Piece]:
        """Write some characters of every poem; return what there is to show and what has ended."""
        pieces, self._ended = self._ended, []
        self._read_prompts()
        if not self._rows:
            return pieces
        written = self._batch.write(WRITTEN_PER_STEP)
        # From the last place down: the row that fills a gap has had its turn.
        for place in reversed(range(len(written))):
            row = self._rows[place]
            text = row.show(self._vocabulary.decode(written[place]))
            finish = row.extent.finish
            if text or finish is not None:
                pieces.append(Piece(row.ticket, text, finish))
            if finish is not None:
                self._leave(place)
        return pieces

    def _read_prompts(self) -> None:
        """Let those who wait read and join, as far as this step's share goes."""
        share = READ_PER_STEP
        while self._waiting:
            row = self._waiting[0]
            *opening, last = row.ids
            if not row.read:
                self._batch.begin(row.request.sampling, row.request.random_seed)
            part = opening[row.read : row.read + share]
            self._batch.read(part)
            row.read += len(part)
            share -= len(part)
            if row.read < len(opening):
                return
            self._batch.join(last)
            self._rows.append(self._waiting.popleft())

    def _leave(self, place: int) -> None:
        self._batch.leave(place)
        last = self._rows.pop()
        if place < len(self._rows):
            self._rows[place] = last

    def _ids_of(self, prompt: str) -> list[int]:
        """Return the ids to read; an empty prompt begins as a new line does."""
        known = self._vocabulary.ids
        unknown = "".join(dict.fromkeys(c for c in prompt if c not in known))
        if unknown:
            raise SettingError("prompt", unknown, "made of characters that the model knows")
        return self._vocabulary.encode(prompt) or [known.get("\n", 0)]
