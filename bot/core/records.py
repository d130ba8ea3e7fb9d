"""Frozen records that cross the borders between the doors, the service and the heavy side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from bot.core.languages import counted, sentence, translate
from model import NO_PLAN as NO_PLAN

# The doors know the sampling settings from here.
from model import SAMPLING_SETTINGS as SAMPLING_SETTINGS
from model import USUAL_SAMPLING
from model import Plan as Plan
from model import Sampling as Sampling
from model import SamplingSetting as SamplingSetting


@dataclass(frozen=True, slots=True)
class Range:
    """What a setting may be, both ends included."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return str(self.sentence)

    @property
    def sentence(self) -> str:
        """What a door can translate."""
        return sentence("between {low:,} and {high:,}", low=self.low, high=self.high)


# The largest random seed is the largest whole number that JavaScript holds exactly.
RANGES = {
    **{
        setting.name: Range(setting.low, setting.high)
        for setting in SAMPLING_SETTINGS
        if setting.kind is not bool
    },
    "lines": Range(1, 500),
    "characters": Range(1, 10_000),
    "random_seed": Range(0, 2**53 - 1),
}
MAX_STOPS, MAX_STOP_CHARACTERS = 8, 100
MAX_AVOIDED, MAX_AVOIDED_CHARACTERS = 200, 30
FREE = "free"
FORMS = {"sonnet": 14, "quatrain": 4, "couplet": 2, "haiku": 3}  # and their lines
MAX_SEED_CHARACTERS = 500  # of a longer seed, the last so many are used
MAX_LINE_CHARACTERS = 200  # of a line that a reader writes
CANDIDATES = 3  # that a reader chooses the next line from


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, without naming a platform; limits and fairness count by these two."""

    member: str  # unique over all doors, for example "discord:1234" or "web:127.0.0.1"
    guild: str = ""  # the community that the member asks from, "" for none
    channel: str = ""  # where in it
    roles: frozenset[str] = frozenset()  # the member's, in it
    manages: bool = False  # whether the platform lets them manage it
    category: str = ""  # of channels, that `channel` is in

    @property
    def door(self) -> str:
        return self.member.partition(":")[0]


@dataclass(frozen=True, slots=True)
class PoemRequest:
    """What somebody asked for; None means the configured default.

    Ranges are the service's business: a door passes on what was typed.
    """

    asker: Asker
    seed: str = ""  # empty: a random opening of the book
    model: str | None = None  # a name, or a hash of at least 8 hexadecimal digits
    random_seed: int | None = None  # 0…2**53-1; None: drawn
    lines: int | None = None  # at most one of lines and characters
    characters: int | None = None
    # Values of Sampling, by name; absent or None: the configured default.
    sampling: Mapping[str, float | None] = field(default_factory=dict)
    stop: tuple[str, ...] = ()  # the poem ends where one of these would come
    form: str | None = None  # of FORMS, or FREE
    avoid: tuple[str, ...] = ()  # words that the poem must not have
    notes: tuple[str, ...] = ()  # the door's own notes under the poem
    # The lines of a form so far, as the reader left them; the poem goes on after them. The seed
    # then only says what it is about, the first line where it is empty.
    written: tuple[str, ...] = ()
    line_by_line: bool = False  # whether it is written so, and needs a form
    beginning: str = ""  # words of the seed that the line after those written begins with


@dataclass(frozen=True, slots=True)
class PoemSettings:
    """The settings a poem was written with, complete, so that it can be written again."""

    sampling: Sampling
    lines: int | None  # exactly one of lines and characters is set
    characters: int | None
    stop: tuple[str, ...] = ()
    form: str = FREE
    avoid: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return them flat, as `write --json` prints them and the web page's API answers."""
        sampling = self.sampling.model_dump()
        guard = {"repetition_guard": sampling.pop("repetition_guard")}  # its place since 0.1
        rest = {name: getattr(self, name) for name in ("stop", "form", "avoid")}
        length = {"lines": self.lines, "characters": self.characters}
        return {**sampling, **length, **guard, **rest}


@dataclass(frozen=True, slots=True)
class Defaults:
    """The settings of a poem where a request leaves them open."""

    lines: int = 14
    sampling: Sampling = USUAL_SAMPLING
    form: str = "sonnet"
    verse_temperature: float = 0.9  # of poems in a form, which the form itself keeps in order

    def as_dict(self) -> dict[str, object]:
        """Return them flat, as the web page's API answers; greedy writing is never a default."""
        sampling = self.sampling.model_dump(exclude={"greedy"})
        verse = {"form": self.form, "verse_temperature": self.verse_temperature}
        return {"lines": self.lines, **sampling, **verse}


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """How far a poem is from being written."""

    place: int  # 0: it is being written, 1: it is next
    wait_seconds: float | None = None  # until it is being written; None: not known

    @property
    def sentence(self) -> str:
        """Say it to the reader; it changes only as often as a reader cares to see.

        >>> QueuePosition(1).sentence, QueuePosition(4, 3.2).sentence
        ('In the queue: yours is next.', 'In the queue: 3 poems before yours, about 4 s.')
        """
        before, wait = self.place - 1, self.wait_seconds
        if before and wait is not None:
            return counted(
                "In the queue: {count} poem before yours, {wait}.",
                "In the queue: {count:,} poems before yours, {wait}.",
                before,
                wait=_about(wait),
            )
        if before:
            return counted(
                "In the queue: {count} poem before yours.",
                "In the queue: {count:,} poems before yours.",
                before,
            )
        if wait is not None:
            return sentence("In the queue: yours is next, {wait}.", wait=_about(wait))
        return sentence("In the queue: yours is next.")


def _about(seconds: float) -> str:
    """Say a time in round figures, rather too long than too short.

    >>> [_about(seconds) for seconds in (0.3, 4.0, 12, 61)]
    ['less than 1 s', 'about 4 s', 'about 15 s', 'about 2 min']
    """
    if seconds < 1:
        return sentence("less than {seconds} s", seconds=1)
    if seconds <= 5:
        return sentence("about {seconds} s", seconds=math.ceil(seconds))
    if seconds <= 55:
        return sentence("about {seconds} s", seconds=5 * math.ceil(seconds / 5))
    return sentence("about {minutes} min", minutes=math.ceil(seconds / 60))


@dataclass(frozen=True, slots=True)
class EpochLoss:
    """What an epoch of a training ended with, nats per character."""

    running: float  # while it learnt, dropout on
    held_out: float | None  # of text that is not learnt


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model that is installed."""

    name: str
    path: Path
    sha256: str  # of the file
    book: str  # the book's title
    loss: float  # nats per character
    size_bytes: int
    created: str  # ISO 8601
    shipped: bool  # came with Sonneteer
    default: bool  # used where no model was chosen
    guild: str = ""  # the guild that owns it, "" for a shared one
    characters: int = 0  # of the book
    held_out_loss: float | None = None  # nats per character of text that it never saw
    losses: tuple[EpochLoss, ...] = ()  # of its training
    chart: Path | None = None  # a PNG of them, where train.py left one


class Ending(StrEnum):
    """Why a poem ended."""

    COMPLETE = "complete"
    CUT_OFF = "cut_off"  # it has as many characters as a poem may have
    CANCELLED = "cancelled"  # a reader pressed Stop, or the bot stopped


@dataclass(frozen=True, slots=True)
class LineScansion:
    """A line as a reader may look at it."""

    rhyme: str  # a letter, "" where it rhymes with none
    syllables: tuple[tuple[str, bool], ...]  # all of the line in parts; whether the beat is there


@dataclass(frozen=True, slots=True)
class PoemScansion:
    """The title and the lines of a poem in a form; empty for free text."""

    title: str = ""
    lines: tuple[LineScansion, ...] = ()


@dataclass(frozen=True, slots=True)
class VerseLine:
    """A line of a poem in a form, written or offered."""

    looks: LineScansion
    notes: tuple[str, ...] = ()  # sentences: how it differs from what the form wants

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.looks.syllables)

    def as_dict(self) -> dict[str, object]:
        """Return what the web page's API answers."""
        return {
            "text": self.text,
            **asdict(self.looks),
            "notes": [translate(note) for note in self.notes],
        }


@dataclass(frozen=True, slots=True)
class NextLine:
    """A poem that is written line by line: what it has, and what its next line may be."""

    lines: tuple[VerseLine, ...]  # so far, those of the seed too
    candidates: tuple[VerseLine, ...]  # the best first; none where the poem is whole
    model: str
    model_sha256: str
    random_seed: int
    settings: PoemSettings
    plan: Plan
    notes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether the poem has all its lines."""
        return len(self.lines) >= FORMS[self.settings.form]

    def as_dict(self) -> dict[str, object]:
        """Return what the web page's API answers."""
        return {
            "lines": [line.as_dict() for line in self.lines],
            "candidates": [line.as_dict() for line in self.candidates],
            "whole": self.whole,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "random_seed": self.random_seed,
            "settings": self.settings.as_dict(),
            "plan": _plan_as_dict(self.plan),
            "notes": [translate(note) for note in self.notes],
        }


@dataclass(frozen=True, slots=True)
class Poem:
    """A finished poem."""

    text: str  # begins with the seed as it was typed
    seed: str  # the opening words, as typed or as drawn from the book
    model: str
    model_sha256: str
    random_seed: int
    settings: PoemSettings
    notes: tuple[str, ...]  # sentences for the reader: what was folded, cut or drawn
    ending: Ending = Ending.COMPLETE
    looks: PoemScansion = PoemScansion()
    plan: Plan = NO_PLAN  # what it is about; empty where nobody was told

    @property
    def lines(self) -> tuple[str, ...]:
        """The poem's lines, blank ones left out."""
        return tuple(line for line in self.text.split("\n") if line.strip())

    def as_dict(self) -> dict[str, object]:
        """Return what `write --json` prints and the web page's API answers."""
        return {
            "title": self.looks.title,
            "text": self.text,
            "lines": list(self.lines),
            "seed": self.seed,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "random_seed": self.random_seed,
            "settings": self.settings.as_dict(),
            "plan": _plan_as_dict(self.plan),
            "looks": [asdict(line) for line in self.looks.lines],
            "notes": [translate(note) for note in self.notes],
            "ending": self.ending.value,
        }


def _plan_as_dict(plan: Plan) -> dict[str, list[str]]:
    return {name: list(words) for name, words in asdict(plan).items()}
