"""Poems that members keep: copies in a channel of the server's choice, with how many kept them."""

from __future__ import annotations

from typing import Any

import discord

from bot.core.application import App
from bot.core.errors import NothingThere
from bot.core.languages import say, say_counted, sentence, speaking
from bot.discord_app.asker import asker_of_interaction
from bot.discord_app.interactions import NO_MENTIONS, acknowledge, respond_privately
from bot.discord_app.languages import server_language
from bot.discord_app.poem_formatting import FOOTER_MARK
from bot.discord_app.responders import AnyBot, send_once
from bot.discord_app.retries import await_response, retry

NO_CHANNEL = sentence(
    "This server has no channel for kept poems. An admin can choose one: /settings keep."
)


class KeptPoems:
    """Copies poems, and counts who kept them."""

    def __init__(self, bot: AnyBot, app: App) -> None:
        self._bot = bot
        self._app = app

    def channel(self, guild: str) -> str | None:
        """Return the channel for kept poems of a server, None where it has none."""
        return self._app.guilds.guild_settings(guild).keep_channel if guild else None

    def has_channel(self, guild: str) -> bool:
        return self.channel(guild) is not None

    async def keep(self, interaction: discord.Interaction[Any]) -> None:
        """Keep the poem whose button was pressed, for the member who pressed it.

        Raises NothingThere with what is in the way, DataNotKept, and what Discord refuses.
        """
        asker, message = asker_of_interaction(interaction), interaction.message
        channel = self.channel(asker.guild)
        if channel is None or message is None:
            raise NothingThere(NO_CHANNEL)
        await acknowledge(interaction, private=True)
        number = str(message.id)
        is_new = await self._app.kept.keep(asker.guild, number, asker.member)
        kept = await self._app.kept.find(number)
        where = kept.channel or channel
        with speaking(server_language(self._bot, interaction.guild_id)):
            content = _copy_of(message, kept.members)
        if kept.copy and is_new:
            await self._edit(where, kept.copy, content, number, asker.guild)
        elif not kept.copy:
            await self._post(where, content, number, asker.guild)
        await respond_privately(interaction, _told(f"<#{where}>", kept.members, is_new=is_new))

    async def _post(self, channel: str, content: str, number: str, guild: str) -> None:
        place = self._bot.get_partial_messageable(int(channel), guild_id=int(guild))
        try:
            sent = await retry(lambda: send_once(place, content, f"{number}-keep"))
        except (discord.Forbidden, discord.NotFound) as error:
            await self._app.kept.drop(number)
            named = f"<#{channel}>"
            told = sentence(
                "I cannot write in {channel}. Ask a server admin to let me, or to choose another.",
                channel=named,
            )
            raise NothingThere(told) from error
        if sent is not None:
            await self._app.kept.set_copy(number, channel, str(sent.id))

    async def _edit(self, channel: str, copy: str, content: str, number: str, guild: str) -> None:
        place = self._bot.get_partial_messageable(int(channel), guild_id=int(guild))
        message = place.get_partial_message(int(copy))
        edit = message.edit
        try:
            await retry(lambda: await_response(edit(content=content, allowed_mentions=NO_MENTIONS)))
        except discord.NotFound as error:
            named = f"<#{channel}>"
            told = sentence(
                "This poem was removed from {channel}, so it is not kept again.",
                channel=named,
            )
            raise NothingThere(told) from error


def _told(channel: str, members: int, *, is_new: bool) -> str:
    if not is_new:
        return say("You have kept this poem already. It is in {channel}.", channel=channel)
    return say_counted(
        "Kept in {channel}, by {count} member.",
        "Kept in {channel}, by {count} members.",
        members,
        channel=channel,
    )


def _copy_of(message: discord.Message, members: int) -> str:
    """Return what the copy of a poem's message says: the poem, and where it comes from."""
    verse = message.content.rpartition(f"\n{FOOTER_MARK}")[0]
    kept = say_counted("kept by {count} member", "kept by {count} members", members)
    return f"{verse}\n{FOOTER_MARK}{kept} · [{say('the poem')}](<{message.jump_url}>)"
