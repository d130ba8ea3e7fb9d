"""What an engine is asked for, what it tells, and the poems under way between the two.

A `PoemDraft` is all that the engine knows: tokens to read, rows that write, text to show. There is
one for free text and one for poems in a form.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Protocol

from model.capitals import Capitals
from model.config import LengthConfig, Sampling
from model.stopping import FinishReason, StoppingCriteria
from model.verse import (
    NO_PLAN,
    Composer,
    Form,
    Opening,
    Particle,
    ParticleBatch,
    ParticleFilter,
    Plan,
    Planner,
    Prosody,
)
from model.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Request:
    """A poem to be written: it continues `opening`, and with a form it has the form's length."""

    opening: Opening
    sampling: Sampling
    random_seed: int  # 0 … 2**63 - 1
    length: LengthConfig  # counts the opening too
    form: Form | None = None
    avoided: frozenset[str] = frozenset()  # lower-case words that must not come
    plan: Plan = NO_PLAN  # what a poem in a form is to be about; empty: the network is not told
    candidates: int = 0  # for the next line, one a line of the text, in place of the whole poem


@dataclass(frozen=True, slots=True)
class PoemPiece:
    """What a step added to one poem: a few characters; none is possible at the end."""

    ticket: int
    text: str
    finished: FinishReason | None = None


class TokenBatch(Protocol):
    """The arithmetic, see `model.kernel.Batch`: rows that write and one that reads its prompt."""

    def begin(self, sampling: Sampling, random_seed: int, avoided: Collection[str]) -> None: ...

    def read(self, ids: Sequence[int]) -> None: ...

    def join(self, next_id: int) -> None: ...

    def leave(self, place: int) -> None: ...

    def write(self, count: int) -> list[list[int]]: ...


class FormBatch(TokenBatch, ParticleBatch, Protocol):
    """A batch whose rows may also be the particles of a poem in a form."""


class PoemDraft(Protocol):
    """A request being written, by one row or many.

    It reads and writes in turn: `begin`, then the engine reads `unread` but for the last token,
    `join`, then for each step `receive` for every row and `advance`. When no row goes on, it reads
    again, or is finished.
    """

    ticket: int
    read: int  # how many tokens of `unread` are

    @property
    def unread(self) -> Sequence[int]:
        """Tokens to read before writing; at least one, which the rows read on joining."""

    @property
    def finished(self) -> FinishReason | None:
        """Why it has ended, or None while it goes on."""

    def begin(self) -> bool:
        """Let the batch's row that reads begin, or go on from where this poem was.

        False, and nothing done, where it must wait for another poem to end.
        """

    def join(self) -> int:
        """Let what was read write; return the number of rows, which are the batch's last ones."""

    def receive(self, number: int, ids: Sequence[int], place: int) -> bool:
        """Take what its row `number` wrote at a place of the batch; True when the row goes on."""

    def advance(self, places: Mapping[int, int]) -> str:
        """Go on once all rows are received; `places` of those that go on, by number.

        Returns the text to show, often none.
        """

    def end(self) -> str:
        """Give back what it held of the batch; return the text that was held back."""


@dataclass(slots=True, eq=False)
class FreePoem:
    """A poem without a form: one row."""

    ticket: int
    request: Request
    batch: TokenBatch
    vocabulary: Vocabulary
    unread: Sequence[int]  # the opening
    stopping: StoppingCriteria
    capitals: Capitals | None  # of a model that has learnt in lower case
    read: int = 0
    _shown: str = ""  # of what was received last

    @property
    def finished(self) -> FinishReason | None:
        return self.stopping.finished

    def begin(self) -> bool:
        request = self.request
        self.batch.begin(request.sampling, request.random_seed, request.avoided)
        return True

    def join(self) -> int:
        self.batch.join(self.unread[-1])
        return 1

    def receive(self, number: int, ids: Sequence[int], place: int) -> bool:
        text = self.stopping.write(self.vocabulary.decode(ids))
        self._shown = text if self.capitals is None else self.capitals.write(text)
        return self.finished is None

    def advance(self, places: Mapping[int, int]) -> str:
        return self._shown

    def end(self) -> str:
        return "" if self.capitals is None else self.capitals.rest()


@dataclass(slots=True, eq=False)
class FormParts:
    """What the poems in forms of one engine share."""

    batch: FormBatch
    prosody: Prosody
    free_slots: list[int]  # of the batch; a poem has one while it is written
    planner: Planner | None = None  # of a model that can be told what a poem is about
    kept_slots: int = 0  # that are kept for those who wait for a line alone


@dataclass(slots=True, eq=False)
class FormPoem:
    """A poem in a form, written line by line by many particles: see `model.verse`."""

    ticket: int
    request: Request
    parts: FormParts
    vocabulary: Vocabulary
    composer: Composer
    capitals: Capitals | None
    read: int = 0
    finished: FinishReason | None = None
    _filter: ParticleFilter | None = None  # while it has a slot
    _particles: Sequence[Particle] = ()  # by number

    @property
    def unread(self) -> Sequence[int]:
        return self._particle_filter.unread

    def begin(self) -> bool:
        if self._filter is None:
            kept = 0 if self.request.candidates else self.parts.kept_slots
            if len(self.parts.free_slots) <= kept:
                return False
            # A poem begins after a blank line.
            unread = self.vocabulary.encode("\n\n" + self.request.opening.text)
            newline, slot = self.vocabulary.ids["\n"], self.parts.free_slots.pop()
            self._filter = ParticleFilter(self.composer, slot, unread, newline)
        if self._filter.snapshot is not None:
            self.parts.batch.load(self._filter.snapshot)
            self._filter.tell_what_was_written(self.parts.batch)
        else:
            request = self.request
            self.parts.batch.begin(request.sampling, request.random_seed, request.avoided)
            self._filter.tell_what_was_written(self.parts.batch)
        return True

    def join(self) -> int:
        self._particles = self._particle_filter.start_line(self.parts.batch)
        return len(self._particles)

    def receive(self, number: int, ids: Sequence[int], place: int) -> bool:
        particle = self._particles[number]
        return self._particle_filter.receive(particle, ids, place, self.parts.batch)

    def advance(self, places: Mapping[int, int]) -> str:
        """Resample the particles that still write their line, or take the best line of all."""
        particle_filter = self._particle_filter
        if places:
            found = [(self._particles[number], place) for number, place in places.items()]
            particle_filter.resample(self.parts.batch, found)
            return ""
        if self.request.candidates:
            return self._offer()
        line = particle_filter.choose_line(self.parts.batch, self.vocabulary.shown)
        if line is None:
            self.finished = FinishReason.CUT_OFF if self.composer.is_stuck else None
            return ""
        particle_filter.unread += self.vocabulary.encode(line + "\n")
        self.finished = FinishReason.LENGTH if self.composer.is_complete else None
        return self._shown(line)

    def end(self) -> str:
        if self._filter is not None:
            self.parts.free_slots.append(self._filter.slot)
            self._filter = None
        return ""

    @property
    def _particle_filter(self) -> ParticleFilter:
        assert self._filter is not None  # noqa: S101 - who reads or writes has begun
        return self._filter

    def _offer(self) -> str:
        lines = self._particle_filter.offer_lines(
            self.parts.batch, self.vocabulary.shown, self.request.candidates
        )
        if lines is None:
            self.finished = FinishReason.CUT_OFF if self.composer.is_stuck else None
            return ""
        self.finished = FinishReason.LENGTH
        if self.capitals is None:
            return "\n".join(lines)
        ways = [copy(self.capitals) for _ in lines]
        return "\n".join(
            way.write(line) + way.rest() for way, line in zip(ways, lines, strict=True)
        )

    def _shown(self, line: str) -> str:
        """Return a line as it is shown, with the break after it."""
        number, form = len(self.composer.lines), self.composer.form
        after = "" if number == len(form) else form.break_after(number - 1)
        if self.capitals is None:
            return line + after
        return self.capitals.write(line) + self.capitals.rest() + self.capitals.write(after)
