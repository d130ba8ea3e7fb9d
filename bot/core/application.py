"""What the doors talk to besides the service of poems."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.administration import Administration
from bot.core.model_library import GuildModels
from bot.core.store.poems import PoemStore
from bot.core.training_requests import TrainingRequests


@dataclass(frozen=True, slots=True)
class App:
    """Books that come, models that are there, settings of servers."""

    training_requests: TrainingRequests
    guild_models: GuildModels
    administration: Administration
    poems: PoemStore
