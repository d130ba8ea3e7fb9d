"""The buttons under a poem; they work after a restart, because they carry what they need.

discord.py calls them by their custom_id, without any memory of the message they stand on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol, Self, runtime_checkable

import discord

from bot.core.records import FREE, Poem
from bot.discord_app.button_state import PREFIX, pack_ownership, pack_poem_state, poem_state_of
from bot.discord_app.poem_formatting import shown_seed_length

COG_NAME = "Poems"


class ButtonAction(StrEnum):
    """What a button does."""

    AGAIN = "again"
    CONTINUE = "continue"
    CARD = "card"
    DELETE = "delete"


@runtime_checkable
class Pressable(Protocol):
    """Whoever answers when a button is pressed."""

    async def press(
        self, interaction: discord.Interaction, action: ButtonAction, packed: str
    ) -> None: ...


class PoemButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=rf"{PREFIX}:(?P<deed>again|continue|card|delete):(?P<packed>.*)",
):
    """Again, Continue, Card or Delete."""

    def __init__(self, action: ButtonAction, packed: str) -> None:
        style = discord.ButtonStyle.secondary
        button: discord.ui.Button[discord.ui.View] = discord.ui.Button(
            label=action.value.title(), style=style, custom_id=f"{PREFIX}:{action}:{packed}"
        )
        super().__init__(button)
        self.action = action
        self.packed = packed

    @classmethod
    async def from_custom_id(
        cls, _: discord.Interaction[Any], __: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(ButtonAction(match["deed"]), match["packed"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        cog = interaction.client.get_cog(COG_NAME)
        if isinstance(cog, Pressable):
            await cog.press(interaction, self.action, self.packed)


def _view(*buttons: PoemButton) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for button in buttons:
        view.add_item(button)
    view.stop()  # the client need not remember it: the custom_ids say everything
    return view


def growing_view(asker: int) -> discord.ui.View:
    """Return the button of a poem that is not finished."""
    return _view(PoemButton(ButtonAction.DELETE, pack_ownership(asker)))


def finished_view(poem: Poem, asker: int, earlier_parts: Sequence[int] = ()) -> discord.ui.View:
    """Return the buttons of a whole poem, which stand on its last message."""
    first = earlier_parts[0] if earlier_parts else 0
    state = pack_poem_state(poem_state_of(poem, seed_length=shown_seed_length(poem), first=first))
    buttons = [PoemButton(ButtonAction.AGAIN, state), PoemButton(ButtonAction.CONTINUE, state)]
    if poem.settings.form != FREE and not earlier_parts:
        buttons.append(PoemButton(ButtonAction.CARD, state))
    return _view(*buttons, PoemButton(ButtonAction.DELETE, pack_ownership(asker, earlier_parts)))
