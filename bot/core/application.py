"""What the doors talk to besides the service of poems; and what concerns a server or a person."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.core.guild_settings import GuildSettings
from bot.core.guilds import Guilds
from bot.core.metrics import Metrics
from bot.core.model_library import GuildModels
from bot.core.records import Asker
from bot.core.store.books import BookStore
from bot.core.store.poems import PoemStore
from bot.core.training_requests import TrainingRequests

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How often a member's number stood in what is kept, and does not any more."""

    trainings: int
    models: int
    choices: int

    @property
    def total(self) -> int:
        return self.trainings + self.models + self.choices


@dataclass(frozen=True, slots=True)
class About:
    """Who answers here."""

    version: str
    uptime_seconds: float
    poems: int  # written since the start


class Administration:
    """Settings of guilds and rights of people."""

    def __init__(
        self,
        guilds: Guilds,
        store: BookStore,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guilds = guilds
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._began = clock()

    def guild_settings(self, asker: Asker) -> GuildSettings:
        """Return what the asker's guild has settled; raise NotAllowed."""
        return self._guilds.guild_settings(self._guilds.managed_by(asker))

    async def change(self, asker: Asker, name: str, value: object) -> GuildSettings:
        """Settle something, None for what it was at first.

        Raises NotAllowed, BadSetting and DataNotKept.
        """
        return await self._guilds.change(self._guilds.managed_by(asker), name, value)

    async def forget(self, asker: Asker) -> Forgotten:
        """Take the asker's number off everything that is kept; raise DataNotKept.

        Models and trainings stay: they are the server's.
        """
        return Forgotten(*await self._store.forget(asker.member))

    def about(self) -> About:
        """Return who answers here."""
        return About(VERSION, self._clock() - self._began, self._metrics.poems_written)


@dataclass(frozen=True, slots=True)
class App:
    """Books that come, models that are there, settings of servers."""

    training_requests: TrainingRequests
    guild_models: GuildModels
    administration: Administration
    half_poems: PoemStore
