"""Buttons that ask before something is done; only the person who was asked can press them.

Their custom_ids say who asked and what for, so they work after a restart. The core checks again
when they are pressed whether it is allowed: anyone can forge a custom_id.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Self

import discord

from bot.core.errors import NotAllowed
from bot.core.languages import sentence
from bot.discord_app.button_state import MAX_CUSTOM_ID, base36
from bot.discord_app.interactions import acknowledge_button
from bot.discord_app.responses import press, refuse

PREFIX = "ask"
ANYBODY = 0  # in place of the asker: the core checks who may
NOT_YOURS = sentence("Only the person who asked can use this button.")


class ConfirmAction(StrEnum):
    """What is asked about; each belongs to the cog of that name."""

    TRAIN = "train"
    SURE = "sure"  # the second yes to a short book
    DECLINE = "decline"
    CANCEL = "cancel"  # asks once more
    STOP = "stop"
    REMOVE = "remove"
    FORGET = "forget"
    KEEP = "keep"  # no, after all
    FORM = "form"  # opens a form again
    USE = "use"  # a model, in this server
    UNDO = "undo"  # that


BOOKS_COG, PRIVACY_COG = "Books", "People"
COGS = {
    **dict.fromkeys(ConfirmAction, BOOKS_COG),
    ConfirmAction.FORGET: PRIVACY_COG,
}
# Answered without the database, which may be locked; a form can only be the first response.
AT_ONCE = (ConfirmAction.CANCEL, ConfirmAction.KEEP, ConfirmAction.FORM)
STYLES = {
    ConfirmAction.REMOVE: discord.ButtonStyle.danger,
    ConfirmAction.STOP: discord.ButtonStyle.danger,
    ConfirmAction.FORGET: discord.ButtonStyle.danger,
    ConfirmAction.TRAIN: discord.ButtonStyle.success,
    ConfirmAction.SURE: discord.ButtonStyle.success,
}


class ConfirmButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=rf"{PREFIX}:(?P<matter>[a-z]+):(?P<asker>[0-9a-z]{{1,13}}):(?P<about>.*)",
):
    """One button of a question."""

    def __init__(self, label: str, action: str, asker: str, subject: str) -> None:
        style = STYLES.get(ConfirmAction(action), discord.ButtonStyle.secondary)
        custom_id = f"{PREFIX}:{action}:{asker}:{subject}"
        button: discord.ui.Button[Any] = discord.ui.Button(
            label=label, style=style, custom_id=custom_id[:MAX_CUSTOM_ID]
        )
        super().__init__(button)
        self.action, self.asker, self.subject = ConfirmAction(action), asker, subject

    @classmethod
    async def from_custom_id(
        cls, _: discord.Interaction[Any], __: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        action = match["matter"] if match["matter"] in set(ConfirmAction) else ConfirmAction.KEEP
        return cls("", action, match["asker"], match["about"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        if self.asker not in (base36(ANYBODY), base36(interaction.user.id)):
            return await refuse(interaction, NotAllowed(NOT_YOURS))
        if self.action not in AT_ONCE:
            await acknowledge_button(interaction)
        return await press(interaction, COGS[self.action], self.action, self.subject)


def confirm_view(asker: int, subject: str, *answers: tuple[str, ConfirmAction]) -> discord.ui.View:
    """Return the buttons of a question: labels, and what each of them means."""
    view = discord.ui.View(timeout=None)
    for button in confirm_buttons(asker, subject, *answers):
        view.add_item(button)
    view.stop()  # the client need not remember it: the custom_ids say everything
    return view


def confirm_buttons(
    asker: int, subject: str, *answers: tuple[str, ConfirmAction]
) -> list[discord.ui.Item[Any]]:
    """Return buttons for a view or a panel."""
    return [ConfirmButton(label, action, base36(asker), subject) for label, action in answers]
