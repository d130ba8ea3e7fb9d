"""What processes of a cluster say to each other: JSON, bounded and checked, with a version."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
)

from bot.core.jobs import TrainingStage
from bot.core.languages import pack_sentence, unpack_sentence
from bot.core.names import MAX_TITLE
from bot.core.records import Ending
from model import FORMS, Request

VERSION: Literal[1] = 1  # messages of another are left out, and the log says so
MAX_BYTES = 64 * 1024
MAX_TEXT = 20_000  # characters; a poem has 10,000 at most
MAX_SAMPLE, MAX_COMPLAINT = 2_000, 4_000  # characters; 64 KiB hold both, whatever they are

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=100_000)]
Told = Annotated[str, PlainValidator(unpack_sentence), PlainSerializer(pack_sentence)]


class Message(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal[1] = VERSION

    def encode(self) -> bytes:
        return self.model_dump_json().encode()


class PoemOrder(Message):
    """A poem to be written; each attempt at it is a message of its own."""

    gateway: Id
    draft: Id
    attempt: Annotated[int, Field(ge=1, le=100)]
    model: Sha256
    model_name: Annotated[str, Field(max_length=100)]
    from_stranger: bool  # a server's own model, which is looked at more closely
    form: Annotated[str, Field(pattern=f"^({'|'.join(FORMS)})$")] | None
    request: Request  # without its form: a form is never taken from the bus

    @classmethod
    def of(
        cls,
        request: Request,
        *,
        gateway: str,
        draft: str,
        attempt: int,
        model: tuple[str, str, bool],
    ) -> PoemOrder:
        """Return the order for `request`; `model` is its hash, its name, whether a stranger's."""
        form = None if request.form is None else request.form.name
        sha256, name, from_stranger = model
        return cls(
            gateway=gateway,
            draft=draft,
            attempt=attempt,
            model=sha256,
            model_name=name,
            from_stranger=from_stranger,
            form=form,
            request=replace(request, form=None),
        )

    @property
    def asked(self) -> Request:
        """The request, whole."""
        return replace(self.request, form=None if self.form is None else FORMS[self.form])


class Answer(Message):
    """Whether a worker has taken an order."""

    accepted: bool


class PoemText(Message):
    """What was written next; `number` counts the messages of an attempt from 0."""

    worker: Id
    draft: Id
    attempt: Annotated[int, Field(ge=1, le=100)]
    number: Count
    text: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    ending: Annotated[Ending, Field(strict=False)] | None = None  # with the last one
    failure: Told | None = None  # a sentence, in place of it


class Cancel(Message):
    """An attempt that nobody waits for any more."""

    draft: Id
    attempt: Annotated[int, Field(ge=1, le=100)]


class WorkerBeat(Message):
    """What a worker has and can take; every second, and whenever it changes."""

    worker: Id
    rows: Count  # that write
    free_poems: Count  # in a form
    free_lines: Count
    free_rows: Count  # for free text
    attempts: Annotated[tuple[tuple[Id, Count], ...], Field(max_length=512)]  # under way
    models: Annotated[tuple[Sha256, ...], Field(max_length=64)]  # in memory


class GatewayBeat(Message):
    """That a gateway is there; the poems of one that is silent are given up."""

    gateway: Id


# Trainings

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Figure = Annotated[float, Field(ge=0.0, le=1e12, allow_inf_nan=False)]


class TrainerBeat(Message):
    """That a machine is there that trains."""

    trainer: Id


class TrainingReport(Message):
    """How far a training has come; see `bot.core.jobs.Progress`."""

    stage: Annotated[TrainingStage, Field(strict=False)] = TrainingStage.STARTING
    share: Share = 0.0
    epoch: Count = 0
    epochs: Count = 0
    loss: Figure | None = None
    held_out_loss: Figure | None = None
    best_loss: Figure | None = None
    characters_per_second: Figure | None = None
    seconds_left: Figure | None = None
    sample: Annotated[str, Field(max_length=MAX_SAMPLE)] = ""
    chart: Sha256 | None = None
    seconds: Figure = 0.0


class TrainingEnd(Message):
    """How a training process ended on its machine; where it went well, the files that it left."""

    status: Annotated[int, Field(ge=-255, le=255)]
    complaint: Annotated[str, Field(max_length=MAX_COMPLAINT)] = ""
    model: Sha256 | None = None
    chart: Sha256 | None = None
    poem: Sha256 | None = None


class TrainingOrder(Message):
    """A training, as all see it: what is asked for, who has it, how far it is, how it ended."""

    book: Sha256
    title: Annotated[str, Field(max_length=MAX_TITLE, pattern=r"^[^\x00-\x1f\x7f]*$")]
    seconds: Annotated[float, Field(gt=0.0, le=600_000.0)]  # of learning, at most
    trainer: Id | Literal[""] = ""  # "": it waits
    attempt: Count = 0
    lost: Annotated[int, Field(ge=0, le=100)] = 0  # attempts whose machine fell silent
    report: TrainingReport = TrainingReport()
    end: TrainingEnd | None = None


Kind = TypeVar("Kind", bound=Message)


class BadMessage(ValueError):
    """What came is no message of ours; the sentence tells why."""


def decode(kind: type[Kind], data: bytes) -> Kind:
    """Read a message; raise BadMessage."""
    if len(data) > MAX_BYTES:
        raise BadMessage(f"{len(data):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        return kind.model_validate_json(data)
    except (ValidationError, ValueError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else "no JSON"
        raise BadMessage(f"no {kind.__name__} of version {VERSION}: {why}") from error
