"""How the service is put together from its settings; the entry points add the doors."""

from __future__ import annotations

from pathlib import Path

from bot.config import Config
from bot.core.library import Library
from bot.core.metrics import Metrics
from bot.core.poet import EnginePoet
from bot.core.service import Defaults, Service

SHIPPED = Path(__file__).resolve().parent.parent / "model" / "pretrained"


def compose_library(config: Config) -> Library:
    return Library(
        [config.home / config.models.folder], shipped=SHIPPED, default=config.models.default
    )


def compose_service(config: Config, library: Library | None = None) -> Service:
    """Join library, poet and limits; nothing is loaded yet."""
    writing = config.writing
    metrics = Metrics()
    poet = EnginePoet(
        metrics,
        max_rows=writing.max_rows,
        max_waiting=writing.max_waiting,
        max_models=config.models.max_loaded,
    )
    return Service(
        library or compose_library(config),
        poet,
        metrics,
        defaults=Defaults(
            lines=writing.lines,
            temperature=writing.temperature,
            top_k=writing.top_k,
            top_p=writing.top_p,
            min_p=writing.min_p,
        ),
        cooldown_seconds={"discord": config.discord.cooldown_seconds},
    )
