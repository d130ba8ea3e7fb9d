"""The buttons under a poem, and who may press which.

They work after a restart, because they carry what they need: discord.py calls them by their
custom_id, without any memory of their message. Discord itself says whose poem it is; the ids in a
button are believed only where Discord says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Self

import discord

from bot.core.languages import form_name, sentence, translate
from bot.core.records import FREE, Poem
from bot.discord_app.button_state import (
    PREFIX,
    Ownership,
    PoemState,
    pack_ownership,
    pack_poem_state,
    poem_state_of,
    read_poem_state,
)
from bot.discord_app.poem_formatting import shown_seed_length
from bot.discord_app.responders import message_in
from bot.discord_app.responses import press
from bot.discord_app.retries import retry

COG_NAME = "Poems"
_STATE = re.compile(rf"{PREFIX}:continue:(?P<packed>.*)")


class ButtonAction(StrEnum):
    """What a button does."""

    AGAIN = "again"
    CONTINUE = "continue"
    CARD = "card"
    DELETE = "delete"
    TRY = "try"
    KEEP = "keep"


LABELS = {
    ButtonAction.AGAIN: sentence("Again"),
    ButtonAction.CONTINUE: sentence("Continue"),
    ButtonAction.CARD: sentence("Card"),
    ButtonAction.DELETE: sentence("Delete"),
    ButtonAction.TRY: sentence("Try"),
    ButtonAction.KEEP: sentence("Keep"),
}
# What the buttons below the help ask for: a form and the first words.
EXAMPLES = {
    "0": ("sonnet", "When winter nights are long"),
    "1": ("haiku", "An old silent pond"),
    "2": ("quatrain", "Nobody told me"),
}


class PoemButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=rf"{PREFIX}:(?P<deed>again|continue|card|delete|try|keep):(?P<packed>.*)",
):
    """Again, Continue, Card or Delete, Keep, or an example of the help."""

    def __init__(self, action: ButtonAction, packed: str) -> None:
        style = discord.ButtonStyle.secondary
        button: discord.ui.Button[discord.ui.View] = discord.ui.Button(
            label=_label(action, packed), style=style, custom_id=f"{PREFIX}:{action}:{packed}"
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
        await press(interaction, COG_NAME, self.action, self.packed)


def _label(action: ButtonAction, packed: str) -> str:
    if action is not ButtonAction.TRY or packed not in EXAMPLES:
        return translate(LABELS[action])
    form, seed = EXAMPLES[packed]
    name = translate(form_name(form))
    return f"{name[:1].upper()}{name[1:]}: {seed}…"


def examples_view() -> discord.ui.View:
    """Return buttons that write an example at one press."""
    return _view(*(PoemButton(ButtonAction.TRY, number) for number in EXAMPLES))


def _view(*buttons: PoemButton) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for button in buttons:
        view.add_item(button)
    view.stop()  # the client need not remember it: the custom_ids say everything
    return view


def growing_view(asker: int) -> discord.ui.View:
    """Return the button of a poem that is not finished."""
    return _view(PoemButton(ButtonAction.DELETE, pack_ownership(asker)))


def finished_view(
    poem: Poem, asker: int, earlier_parts: Sequence[int] = (), *, can_keep: bool = False
) -> discord.ui.View:
    """Return the buttons of a finished poem, for its last message.

    `can_keep` says that the server has a channel for kept poems.
    """
    first = earlier_parts[0] if earlier_parts else 0
    state = pack_poem_state(poem_state_of(poem, seed_length=shown_seed_length(poem), first=first))
    buttons = [PoemButton(ButtonAction.AGAIN, state), PoemButton(ButtonAction.CONTINUE, state)]
    if poem.settings.form != FREE and not earlier_parts:
        buttons.append(PoemButton(ButtonAction.CARD, state))
    if can_keep and not earlier_parts:
        buttons.append(PoemButton(ButtonAction.KEEP, ""))
    return _view(*buttons, PoemButton(ButtonAction.DELETE, pack_ownership(asker, earlier_parts)))


# Whose a poem is


async def find_asker_id(
    interaction: discord.Interaction[Any], message: discord.Message, ownership: Ownership
) -> int:
    """Return who asked for the poem whose last message is `message`.

    Of several messages that answer a message, only the first refers to it. To read that one may
    take longer than Discord waits for a button, so the button is acknowledged first.
    """
    told = _shown_asker_id(message)
    if told is None and ownership.parts:
        await retry(interaction.response.defer)
        try:
            first = await read_own_message(interaction, ownership.parts[0])
        except discord.Forbidden:
            first = None
        told = _shown_asker_id(first) if first is not None else None
    return ownership.asker if told is None else told


async def is_part_of_poem(
    interaction: discord.Interaction[Any], message_id: int, asker: int
) -> bool:
    """Whether a message is the bot's own and, as far as Discord tells, of a poem for `asker`.

    Where the bot may not read, it is taken for one unless the bot could delete a member's.
    """
    try:
        message = await read_own_message(interaction, message_id)
    except discord.Forbidden:
        return not interaction.app_permissions.manage_messages
    return message is not None and _shown_asker_id(message) in (None, asker)


def poem_state_in(message: discord.Message, me: discord.abc.User | None) -> PoemState | None:
    """Return how the poem was made that a message of the bot ends, None for any other message."""
    if me is None or message.author.id != me.id:
        return None
    rows = (row for row in message.components if isinstance(row, discord.ActionRow))
    for button in (each for row in rows for each in row.children):
        match = _STATE.fullmatch(getattr(button, "custom_id", None) or "")
        if match is not None:
            return read_poem_state(match["packed"])
    return None


def replied_poem(message: discord.Message, me: discord.abc.User | None) -> PoemState | None:
    """Return how the poem was made that a message replies to, None where it replies to none."""
    answered = message.reference.resolved if message.reference else None
    return poem_state_in(answered, me) if isinstance(answered, discord.Message) else None


async def read_own_message(
    interaction: discord.Interaction[Any], message_id: int
) -> discord.Message | None:
    """Read one of the bot's messages; None where it is gone or another user's.

    Raises discord.Forbidden where the bot may not read what was said.
    """
    partial = message_in(interaction.channel, message_id)
    if partial is None:
        return None
    try:
        message = await partial.fetch()
    except discord.NotFound:
        return None
    return message if message.author == interaction.client.user else None


def _shown_asker_id(message: discord.Message) -> int | None:
    """Return who was answered with a message; None where Discord does not tell."""
    if message.interaction_metadata is not None:
        return message.interaction_metadata.user.id
    asked = message.reference.resolved if message.reference else None
    return asked.author.id if isinstance(asked, discord.Message) else None
