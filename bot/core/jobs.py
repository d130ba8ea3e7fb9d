"""Trainings as records: the book, the asker, and the progress."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from bot.core.errors import BadSetting
from bot.core.languages import sentence
from bot.core.model_sentences import KNOWN


class JobState(StrEnum):
    """The state of a training; the last three are final."""

    PROPOSED = "proposed"  # the book is here, and its member has not said yes
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class TrainingLength(StrEnum):
    """How long a training may learn."""

    SHORT = "short"  # some minutes: enough to hear what a book sounds like
    LONG = "long"  # as long as config.toml allows


def read_length(text: str) -> TrainingLength:
    """Return what somebody typed; raise BadSetting.

    >>> read_length("Short")
    <TrainingLength.SHORT: 'short'>
    """
    try:
        return TrainingLength(text.strip().lower())
    except ValueError as error:
        raise BadSetting(
            "training",
            text,
            sentence(
                "{first} or {last}",
                first=TrainingLength.SHORT.value,
                last=TrainingLength.LONG.value,
            ),
        ) from error


GIVEN_UP = sentence(
    "The training was given up, as several machines were lost while they worked on it. Most often "
    "that means that the memory ran out. Train a shorter book."
)

# How trainings end. The database keeps them in English, so they are known again after a restart.
ENDINGS = (
    sentence("The model {name} is ready for everybody.", name=""),
    sentence("The model {name} is ready. Use /book use to choose it.", name=""),
    sentence("Poems in this server now come from {name}. Use /book undo to go back.", name=""),
    sentence("It was cancelled, and nothing was kept."),
    sentence("The bot was removed from the server."),
    sentence("Something went wrong. Give the bot's admin this ID: {id}", id=""),
    sentence(
        "The training was stopped from outside {times} times without progress (status {status}). "
        "Most often that means that the memory ran out. Train a shorter book, or give this machine "
        "more memory.",
        times="",
        status="",
    ),
    sentence(
        "The training failed {times} times without progress (status {status}). Give the bot's "
        "admin this ID: {id}",
        times="",
        status="",
        id="",
    ),
    GIVEN_UP,
    sentence("The model could not be installed: {reason}", reason=""),
    *KNOWN,
)


@dataclass(frozen=True, slots=True)
class Job:
    """One training. Guilds, askers, channels and messages are numbers as text, "" for none."""

    id: int
    guild: str  # "": for the shared library
    name: str  # of the model that it makes
    title: str  # of the book
    source: str  # in words: "an attachment", "Project Gutenberg 1041"
    characters: int
    state: JobState
    asker: str = ""
    channel: str = ""
    message: str = ""  # the one that shows it
    created: str = ""  # ISO 8601
    ended: str = ""
    seconds: float = 0.0  # of training so far
    loss: float | None = None  # nats per character, of the model that came out
    sentence: str = ""  # how it ended
    told: bool = False  # whether its message says so
    length: TrainingLength = TrainingLength.LONG


class TrainingStage(StrEnum):
    """What the training process is about."""

    WAITING = "waiting"  # for a machine
    STARTING = "starting"
    LEARNING = "learning"
    FINISHING = "measuring and writing"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training has come. Losses are in nats per character."""

    stage: TrainingStage = TrainingStage.STARTING
    share: float = 0.0  # of the learning, 0–1
    epoch: int = 0  # under way, counted from 1
    epochs: int = 0
    loss: float | None = None  # in training, lately
    held_out_loss: float | None = None  # after the last epoch, on text that is not learnt
    best_loss: float | None = None
    characters_per_second: float | None = None
    seconds_left: float | None = None
    sample: str = ""  # a few lines of the best model so far
    chart: Path | None = None  # a PNG of the losses by epoch
    drawn: int = 0  # how often the chart was drawn
    seconds: float = 0.0  # of training so far
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobView:
    """A training as a reader may see it now."""

    job: Job
    progress: Progress = field(default_factory=Progress)
    place: int = 0  # in the queue: 0 when it runs or has ended, 1 for the next

    def at(self, state: JobState) -> JobView:
        return replace(self, job=replace(self.job, state=state))


@dataclass(frozen=True, slots=True)
class FoundBook:
    """What was found in a file that a member wants to train on."""

    title: str
    characters: int
    alphabet: int  # different characters
    words: int
    first_lines: tuple[str, ...]
    encoding: str
    notes: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A book that was read and waits for a yes."""

    job: Job
    book: FoundBook
    estimated_seconds: float
    is_short: bool  # it will be learnt by heart
