"""Acknowledging an interaction, and answering one in private or in place.

Discord waits three seconds for an acknowledgement. Whether it has one is kept in the interaction's
extras.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import discord

from bot.discord_app.retries import FAILURES, await_response, retry

NO_MENTIONS = discord.AllowedMentions.none()
ACKNOWLEDGED, THINKING = "heard", "thinking"  # in an interaction's extras: what Discord knows of it


async def acknowledge(interaction: discord.Interaction[Any], *, private: bool = False) -> None:
    """Let Discord, which waits for three seconds, know that an answer comes within 15 minutes.

    "thinking…" is shown in the place of the answer; with `private` only the asker sees both.
    """
    defer = interaction.response.defer
    await retry(lambda: await_response(defer(ephemeral=private, thinking=True)))
    interaction.extras.update({ACKNOWLEDGED: True, THINKING: "private" if private else "public"})


async def acknowledge_button(interaction: discord.Interaction[Any]) -> None:
    """Let Discord know that a button's message will change, or that a sentence comes.

    The button's action is done even if Discord does not take that in time.
    """
    with suppress(*FAILURES):
        await retry(lambda: await_response(interaction.response.defer()))
        interaction.extras[ACKNOWLEDGED] = True


def is_acknowledged(interaction: discord.Interaction[Any]) -> bool:
    """Whether Discord knows that an answer comes, also where its confirmation was lost."""
    return interaction.response.is_done() or ACKNOWLEDGED in interaction.extras


async def open_form(interaction: discord.Interaction[Any], form: discord.ui.Modal) -> None:
    """Answer with a form; that has to be the first response."""
    send = interaction.response.send_modal
    await retry(lambda: await_response(send(form)))


async def respond_privately(
    interaction: discord.Interaction[Any], sentence: str, view: discord.ui.View | None = None
) -> None:
    """Tell something only to the member who pressed a button or sent a command."""
    options: dict[str, Any] = {"ephemeral": True, "allowed_mentions": NO_MENTIONS}
    options.update({} if view is None else {"view": view})
    if is_acknowledged(interaction):
        await await_response(interaction.followup.send(sentence, suppress_embeds=True, **options))
        return
    respond = interaction.response.send_message
    await retry(lambda: await_response(respond(sentence, suppress_embeds=True, **options)))


async def announce(interaction: discord.Interaction[Any], sentence: str) -> None:
    """Tell everybody what a button has done; the button was acknowledged."""
    send = interaction.followup.send
    await await_response(send(sentence, suppress_embeds=True, allowed_mentions=NO_MENTIONS))


async def replace_message(
    interaction: discord.Interaction[Any], text: str, view: discord.ui.View | None = None
) -> None:
    """Replace the message whose button was pressed; safe to try again."""
    changes: dict[str, Any] = {"content": text, "view": view, "allowed_mentions": NO_MENTIONS}
    await edit_message(interaction, changes, suppress_embeds=True)


async def edit_message(
    interaction: discord.Interaction[Any], changes: dict[str, Any], **first: Any
) -> None:
    """Change the message whose button was pressed; `first` counts if this is the first response."""
    if is_acknowledged(interaction):
        await retry(lambda: await_response(interaction.edit_original_response(**changes)))
        return
    edit = interaction.response.edit_message
    await retry(lambda: await_response(edit(**first, **changes)))
