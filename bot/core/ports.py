"""What the service needs of the heavy side, as Protocols; tests put fakes in their place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bot.core.guild_settings import GuildSettings
from bot.core.records import (
    NO_PLAN,
    Asker,
    Ending,
    ModelRecord,
    Plan,
    PoemScansion,
    PoemSettings,
    VerseLine,
)
from model import Opening as Opening  # the service knows it from here
from model import TokenSplitter as TokenSplitter


@dataclass(frozen=True, slots=True)
class Prompt:
    """A seed on a model's alphabet."""

    text: str  # what the network reads
    left_out: tuple[str, ...]  # characters that the model lacks, distinct


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """A poem to be written, all questions answered."""

    asker: Asker
    model: ModelRecord
    opening: Opening  # the seed, laid out once
    settings: PoemSettings
    random_seed: int
    plan: Plan = NO_PLAN  # what it is to be about; empty for free text
    # As they were listed: a model may lack a letter and have a ligature with it. Those of
    # `settings` are on its alphabet.
    avoid: tuple[str, ...] = ()
    candidates: int = 0  # for the next line, in place of the whole poem; a line of the text each


class Models(Protocol):
    """What is installed; see `model_library.ModelLibrary`."""

    def models(self, guild: str = "") -> tuple[ModelRecord, ...]: ...

    def find(self, wanted: str | None, guild: str = "") -> ModelRecord: ...

    @property
    def shared_folder(self) -> Path:
        """Where shared models are put."""

    def guild_folder(self, guild: str) -> Path | None: ...

    def hides_another(self, model: ModelRecord) -> bool: ...


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model that a guild has chosen; a name of "" is the installation's default."""

    name: str
    sha256: str


DEFAULT_CHOICE = ModelChoice("", "")


class GuildPreferences(Protocol):
    """The settings and model choices of guilds; see `guilds.Guilds`."""

    def guild_settings(self, guild: str) -> GuildSettings: ...

    def choice(self, guild: str, *places: str) -> ModelChoice: ...


class NoPreferences:
    """Where guilds have no settings: the terminal, and a bot without a data folder."""

    def guild_settings(self, guild: str) -> GuildSettings:
        return GuildSettings()

    def choice(self, guild: str, *places: str) -> ModelChoice:
        return DEFAULT_CHOICE


class Draft(Protocol):
    """A poem while it is being written; iterate it for the text as it comes, prompt excluded."""

    @property
    def place(self) -> int:
        """The place in the queue: 0 when it is being written, 1 for the next."""

    @property
    def expected_wait(self) -> float | None:
        """Seconds until it is being written, 0 when it is; None while nothing is known of it."""

    @property
    def queue_seconds(self) -> float | None:
        """How long it waited in the queue; None while it does."""

    @property
    def ending(self) -> Ending:
        """Why it ended, or what it is heading for."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    def cancel(self) -> None:
        """Free the row at the next step; the iteration then ends. No effect after the end."""


class PoemEngine(Protocol):
    """What can write: loads models, reads seeds, writes many poems at once.

    What is neither asynchronous nor `check` nor `write` takes milliseconds, or longer for hostile
    input: it belongs on another thread than the event loop's, and a model must be held meanwhile.
    """

    @property
    def running(self) -> int: ...

    @property
    def waiting(self) -> int: ...

    async def load(self, model: ModelRecord) -> None:
        """Have `model` ready; raise ModelUnusable. Cheap when it is ready already."""

    def hold(self, model: ModelRecord) -> AbstractContextManager[None]:
        """Keep a loaded model in memory for as long as the context lasts."""

    def prepare(self, model: ModelRecord, seed: str) -> Prompt:
        """Fold a seed onto the alphabet of a loaded model."""

    def lay_out(self, model: ModelRecord, seed: str, form: str) -> Opening:
        """Break a seed into the lines of `form`; raise FormImpossible where that cannot be."""

    def take_lines(
        self,
        model: ModelRecord,
        lines: Sequence[str],
        seed: str,
        form: str,
        beginning: str = "",
    ) -> Opening:
        """Take whole lines as they are; raise LinesImpossible where the model has no forms."""

    def scan_lines(
        self, model: ModelRecord, lines: Sequence[str], form: str, first: int = 0
    ) -> tuple[VerseLine, ...]:
        """Return lines from number `first` on, compared with the form; raise LinesImpossible."""

    def plan(
        self,
        model: ModelRecord,
        opening: Opening,
        form: str,
        random_seed: int,
        avoid: Collection[str],
    ) -> Plan:
        """Choose what a poem is to be about; an empty plan where nobody can be told."""

    def look_at(self, model: ModelRecord, text: str, form: str) -> PoemScansion:
        """Return the title and the scansion of a poem; nothing for one without a form."""

    def token_splitter(self, model: ModelRecord) -> TokenSplitter:
        """Return what cuts the text of a loaded model into its tokens."""

    def opening(self, model: ModelRecord, random_seed: int) -> str:
        """Draw an opening of a loaded model's book; "" when the model carries none."""

    def check(self, asker: Asker) -> None:
        """Raise QueueFull, or a child of it, when there is no room for another poem."""

    def write(self, engine_request: EngineRequest) -> Draft:
        """Begin a poem or put it into the queue; raise QueueFull, or a child of it."""

    async def close(self) -> None: ...
