"""What the doors talk to: one `App` with everything that can be asked, each part by its name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.core.guilds import Guilds
from bot.core.model_library import GuildModels
from bot.core.poems import PoemService
from bot.core.policies import NOBODY_NAMED, Operator
from bot.core.store.books import BookStore
from bot.core.store.days import DayStore
from bot.core.store.kept import KeptStore
from bot.core.store.poems import PoemStore
from bot.core.training_requests import TrainingRequests

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class About:
    """Which version runs, for how long, and how much it wrote."""

    version: str
    uptime_seconds: float
    poems: int  # written since the start
    operator: Operator = NOBODY_NAMED


@dataclass(frozen=True, slots=True)
class App:
    """Poems, trainings, models, settings, and what is stored of them.

    Everything that takes an asker checks what they may do. The stores check nothing. The web page
    gets only `service`, as its visitors may do nothing else.
    """

    service: PoemService
    training_requests: TrainingRequests
    guild_models: GuildModels
    guilds: Guilds
    books: BookStore
    half_poems: PoemStore
    days: DayStore
    kept: KeptStore
    operator: Operator = NOBODY_NAMED
    clock: Callable[[], float] = time.monotonic
    started: float = field(default_factory=time.monotonic)  # by the same clock

    def about(self) -> About:
        uptime_seconds = self.clock() - self.started
        return About(VERSION, uptime_seconds, self.service.metrics.poems_written, self.operator)
