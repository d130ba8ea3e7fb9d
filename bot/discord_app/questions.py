"""Buttons that ask before something is done; only whoever was asked can press them.

Their custom_ids carry who asked and what for, so they work after a restart. Whether it may be done
is asked of the core again when they are pressed: a custom_id comes back from strangers.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Protocol, Self, runtime_checkable

import discord

from bot.discord_app.recipes import MAX_CUSTOM_ID, base36
from bot.discord_app.screens import acknowledge_press, whisper

PREFIX = "ask"
ANYBODY = 0  # in the place of who asked: whether they may is asked of the core
NOT_YOURS = "Only whoever asked can press that."
GONE = "This button is not one of mine any more."


class Matter(StrEnum):
    """What is asked about; each belongs to the cog of that name."""

    TRAIN = "train"
    SURE = "sure"  # the second yes to a short book
    DECLINE = "decline"
    CANCEL = "cancel"  # asks once more
    STOP = "stop"
    REMOVE = "remove"
    FORGET = "forget"
    KEEP = "keep"  # no, after all


BOOKS_COG, PEOPLE_COG = "Books", "People"
COGS = {
    **dict.fromkeys(Matter, BOOKS_COG),
    Matter.FORGET: PEOPLE_COG,
}
AT_ONCE = (Matter.CANCEL, Matter.KEEP)  # answered without the database, which may be locked
STYLES = {
    Matter.REMOVE: discord.ButtonStyle.danger,
    Matter.STOP: discord.ButtonStyle.danger,
    Matter.FORGET: discord.ButtonStyle.danger,
    Matter.TRAIN: discord.ButtonStyle.success,
    Matter.SURE: discord.ButtonStyle.success,
}


@runtime_checkable
class Answering(Protocol):
    """A cog that does what was confirmed."""

    async def confirmed(
        self, interaction: discord.Interaction[Any], matter: Matter, about: str
    ) -> None: ...


class Question(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=rf"{PREFIX}:(?P<matter>[a-z]+):(?P<asker>[0-9a-z]{{1,13}}):(?P<about>.*)",
):
    """One button of a question."""

    def __init__(self, label: str, matter: str, asker: str, about: str) -> None:
        style = STYLES.get(Matter(matter), discord.ButtonStyle.secondary)
        custom_id = f"{PREFIX}:{matter}:{asker}:{about}"
        button: discord.ui.Button[discord.ui.View] = discord.ui.Button(
            label=label, style=style, custom_id=custom_id[:MAX_CUSTOM_ID]
        )
        super().__init__(button)
        self.matter, self.asker, self.about = Matter(matter), asker, about

    @classmethod
    async def from_custom_id(
        cls, _: discord.Interaction[Any], __: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        matter = match["matter"] if match["matter"] in set(Matter) else Matter.KEEP
        return cls("", matter, match["asker"], match["about"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        if self.asker not in (base36(ANYBODY), base36(interaction.user.id)):
            return await whisper(interaction, NOT_YOURS)
        cog = interaction.client.get_cog(COGS[self.matter])
        if not isinstance(cog, Answering):
            return await whisper(interaction, GONE)
        if self.matter not in AT_ONCE:
            await acknowledge_press(interaction)
        return await cog.confirmed(interaction, self.matter, self.about)


def question(asker: int, about: str, *answers: tuple[str, Matter]) -> discord.ui.View:
    """Return the buttons of a question: labels, and what each of them means."""
    view = discord.ui.View(timeout=None)
    for label, matter in answers:
        view.add_item(Question(label, matter, base36(asker), about))
    view.stop()  # the client need not remember it: the custom_ids say everything
    return view
