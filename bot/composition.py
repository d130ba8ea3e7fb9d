"""How the service is put together from its settings; the entry points add the doors."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from bot.config import Config
from bot.core.errors import BadConfig
from bot.core.library import Library
from bot.core.line import Limits
from bot.core.metrics import Metrics
from bot.core.poet import EnginePoet
from bot.core.records import Defaults
from bot.core.service import Service

SHIPPED = Path(__file__).resolve().parent.parent / "model" / "pretrained"


def compose_library(config: Config) -> Library:
    return Library(
        [config.home / config.models.folder], shipped=SHIPPED, default=config.models.default
    )


def require_default(config: Config, library: Library) -> None:
    """Raise BadConfig where the default model of config.toml is not installed."""
    installed = [model.name for model in library.models()]
    if config.models.default not in installed:
        choice = f"Choose one of: {', '.join(installed)}." if installed else "None is installed."
        raise BadConfig(
            f"models.default in config.toml is {config.models.default!r}, "
            f"and no usable model of that name is installed. {choice}"
        )


def compose_service(config: Config, library: Library | None = None) -> Service:
    """Join library, poet and limits; nothing is loaded yet."""
    writing = config.writing
    metrics = Metrics()
    limits = Limits(**{each.name: getattr(writing, each.name) for each in fields(Limits)})
    defaults = Defaults(**{each.name: getattr(writing, each.name) for each in fields(Defaults)})
    return Service(
        library or compose_library(config),
        EnginePoet(metrics, limits=limits, max_models=config.models.max_loaded),
        metrics,
        defaults=defaults,
        cooldown_seconds={"discord": config.discord.cooldown_seconds},
    )
