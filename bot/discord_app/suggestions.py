"""What Discord offers while somebody types a model's name."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from discord import app_commands

from bot.core.records import ModelRecord

log = logging.getLogger(__name__)

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


def nothing_to_offer(error: Exception) -> list[app_commands.Choice[str]]:
    """Return no choices where the models cannot be had: Discord has no place for a sentence."""
    log.warning("no models can be suggested: %r", error)
    return []
