"""What Discord offers while somebody types a model's name."""

from __future__ import annotations

from collections.abc import Iterable

from discord import app_commands

from bot.core.records import ModelRecord
from bot.discord_app.error_messages import throttled_log

MAX_CHOICES = 25  # Discord's limits for autocomplete
MAX_CHOICE = 100


def model_choices(models: Iterable[ModelRecord], typed: str) -> list[app_commands.Choice[str]]:
    """Return the models whose name or book has what was typed."""
    return [
        app_commands.Choice(name=f"{model.name} ({model.book})"[:MAX_CHOICE], value=model.name)
        for model in models
        if typed.casefold() in f"{model.name} {model.book}".casefold()
        and len(model.name) <= MAX_CHOICE
    ][:MAX_CHOICES]


def no_choices(error: Exception) -> list[app_commands.Choice[str]]:
    """Return no choices where the models cannot be had: Discord has no place for a sentence."""
    late = isinstance(error, TimeoutError)
    cause = TimeoutError("the database or the disk is too slow") if late else error
    throttled_log.warn("no model suggestions", cause)
    return []
