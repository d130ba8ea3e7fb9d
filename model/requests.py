"""What an engine is asked for, what it tells, and the state of a poem between the two."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from model.capitals import Capitals
from model.config import LengthConfig, Sampling
from model.stopping import FinishReason, StoppingCriteria
from model.verse import Composer, Form, Opening, ParticleFilter


@dataclass(frozen=True, slots=True)
class Request:
    """A poem to be written: it continues `prompt`, which is on the model's alphabet.

    With a form, the poem begins with `opening` instead, and has the form's length.
    """

    prompt: str
    sampling: Sampling
    random_seed: int  # 0 … 2**63 - 1
    length: LengthConfig  # counts the prompt too
    form: Form | None = None
    opening: Opening = field(default_factory=Opening)
    avoided: frozenset[str] = frozenset()  # lower-case words that must not come


@dataclass(frozen=True, slots=True)
class PoemPiece:
    """What a step added to one poem: a few characters; none is possible at the end."""

    ticket: int
    text: str
    finished: FinishReason | None = None


@dataclass(slots=True, eq=False)
class FreePoem:
    """A request being written."""

    ticket: int
    request: Request
    ids: list[int]  # of the prompt; all but the last are read before the row joins
    stopping: StoppingCriteria
    capitals: Capitals | None  # of a model that has learnt in lower case
    read: int = 0  # how many of the ids are

    def show(self, text: str) -> str:
        """Take what was written on; return what is to be shown of it now."""
        shown = self.stopping.write(text)
        if self.capitals is not None:
            shown = self.capitals.write(shown)
            if self.stopping.finish is not None:
                shown += self.capitals.rest()
        return shown


@dataclass(slots=True, eq=False)
class FormPoem:
    """A request being written in a form."""

    ticket: int
    request: Request
    composer: Composer
    capitals: Capitals | None
    particle_filter: ParticleFilter | None = None  # while it has a slot
    read: int = 0

    def show(self, line: str) -> str:
        """Return a line as it is to be shown, with the break after it."""
        number, form = len(self.composer.lines), self.composer.form
        after = "" if number == len(form) else form.break_after(number - 1)
        if self.capitals is None:
            return line + after
        return self.capitals.write(line) + self.capitals.rest() + self.capitals.write(after)


class TokenBatch(Protocol):
    """The arithmetic, see `model.kernel.Batch`: rows that write and one that reads its prompt."""

    def begin(self, sampling: Sampling, random_seed: int, avoided: Collection[str]) -> None: ...

    def read(self, ids: Sequence[int]) -> None: ...

    def join(self, next_id: int) -> None: ...

    def leave(self, place: int) -> None: ...

    def write(self, count: int) -> list[list[int]]: ...
