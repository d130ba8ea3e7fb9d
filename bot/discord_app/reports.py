"""Trainings and models as panels: a text, the chart of the losses, and buttons.

After a training the buttons use its model, or go back to the one before. What they do is checked
when they are pressed.
"""

from __future__ import annotations

from typing import Any

import discord

from bot.core.jobs import Job, JobState, JobView
from bot.core.languages import say
from bot.core.records import ModelRecord
from bot.core.store.books import AddedModel
from bot.discord_app.confirm_buttons import ANYBODY, ConfirmAction, confirm_buttons
from bot.discord_app.formatting import format_job, format_model
from bot.discord_app.panels import CHART_NAME, panel

COLOURS = {
    JobState.DONE: discord.Colour.green(),
    JobState.FAILED: discord.Colour.red(),
    JobState.CANCELLED: discord.Colour.light_grey(),
}


def training_report(view: JobView, *, has_chart: bool) -> discord.ui.LayoutView:
    """Return what tells of a training, while it runs and at its end."""
    state = view.job.state
    return panel(
        format_job(view),
        picture=CHART_NAME if has_chart else "",
        alt_text=say("The losses by epoch"),
        buttons=_buttons(view.job),
        colour=COLOURS.get(state, discord.Colour.blurple()),
    )


def _buttons(job: Job) -> list[discord.ui.Item[Any]]:
    if job.state is JobState.DONE:
        return model_buttons(job.name, can_undo=bool(job.guild))
    if job.state.is_final:
        return []
    return confirm_buttons(ANYBODY, str(job.id), (say("Cancel"), ConfirmAction.CANCEL))


def model_buttons(name: str, *, can_undo: bool) -> list[discord.ui.Item[Any]]:
    """Return buttons that use a model and stop using it; the core checks who may."""
    use, undo = (say("Use this model"), ConfirmAction.USE), (say("Undo"), ConfirmAction.UNDO)
    return confirm_buttons(ANYBODY, name, use, *([undo] if can_undo else []))


def model_report(
    model: ModelRecord, kept: AddedModel | None, *, has_chart: bool
) -> discord.ui.LayoutView:
    """Return what is known of a model."""
    return panel(
        format_model(model, kept),
        picture=CHART_NAME if has_chart else "",
        alt_text=say("The losses of its training by epoch"),
        buttons=model_buttons(model.name, can_undo=True),
    )
