"""Where an answer appears: under a member's message, or as the response to an interaction.

Every send asks for no mentions and no embeds, because these commands may run in another
bot, with other defaults. (The original response of an interaction can only be
edited, for which discord.py has no such flag; its links are inert like all others.)
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import discord
from discord.ext import commands

from bot.core.records import Asker
from bot.discord_app.asker import (
    asker_of_interaction,
    asker_of_message,
    guild_id_of,
    is_external,
)
from bot.discord_app.interactions import NO_MENTIONS, THINKING, acknowledge, is_acknowledged
from bot.discord_app.poem_formatting import MessagePart
from bot.discord_app.rate_limits import ReplyLimits
from bot.discord_app.retries import FAILURES, await_response, retry

AnyBot = commands.Bot | commands.AutoShardedBot
REFUSAL = 999  # its number among an answer's messages, beyond all others
NO_HISTORY = 160002  # a reply needs the permission to read what it replies to
UNKNOWN_MESSAGE = 10008
UNKNOWN_WEBHOOK, INVALID_WEBHOOK_TOKEN = 10015, 50027  # what Discord answers after 15 minutes
NONCE_SECONDS = 60.0  # for which Discord takes the same message once; it says "a few minutes"
LOOKED_THROUGH = 50  # messages in which an earlier attempt is looked for


class CannotRespond(discord.DiscordException):
    """An interaction is over, and its channel takes no messages."""


class Responder(Protocol):
    """A place for one answer, which may take several messages."""

    is_rationed: bool  # whether Discord counts what is said here among the bot's requests
    is_external: bool  # whether it is on a server that the bot is not in
    command_id: int  # of the message or interaction that is answered
    channel_id: int
    asker_id: int
    asker: Asker

    async def begin(self) -> None:
        """Show at once that an answer is coming."""

    async def send(
        self, part: MessagePart, view: discord.ui.View | None, number: int
    ) -> discord.Message:
        """Send the answer's message `number`, counted from 0; safe to try again."""

    async def edit(
        self, message: discord.Message, part: MessagePart, view: discord.ui.View | None
    ) -> None: ...

    async def delete(self, message: discord.Message) -> None:
        """Delete a message of the answer."""

    async def refuse(self, sentence: str) -> None:
        """Say why there is no poem, to the asker alone where Discord can do that.

        In a flood it may be left unsaid.
        """

    async def tell_privately(self, sentence: str) -> None:
        """Tell the asker in a direct message, because the bot may not write here."""


def is_expired(error: discord.HTTPException) -> bool:
    """Whether an interaction's fifteen minutes are over; the bot may still send messages."""
    return error.code in (UNKNOWN_WEBHOOK, INVALID_WEBHOOK_TOKEN) or error.status == 401


def _files(part: MessagePart) -> list[discord.File]:
    if part.file is None:
        return []
    return [discord.File(io.BytesIO(part.file.text.encode("utf-8", "replace")), part.file.name)]


async def send_once(
    channel: discord.abc.Messageable,
    text: str | None,
    nonce: str,
    files: Sequence[discord.File] = (),
    **options: Any,
) -> discord.Message:
    """Send a message, of which Discord takes only one with the same `nonce` for some minutes.

    Of a panel the text is None; it shows no embeds.
    """
    if text is not None:
        options["suppress_embeds"] = True
    return await await_response(
        channel.send(
            text,
            files=files,
            nonce=nonce,
            allowed_mentions=NO_MENTIONS,
            **options,
        )
    )


class MessageResponder:
    """Answers a message in its channel."""

    is_rationed, is_external = True, False

    def __init__(
        self,
        message: discord.Message,
        reply_limits: ReplyLimits,
        asker: Asker | None = None,
    ) -> None:
        """`asker` is who asked, where that is not the message's author."""
        self.message = message
        self._reply_limits = reply_limits
        self._has_spoken = False
        self._typing: asyncio.Task[None] | None = None
        self._first_tries: dict[int, float] = {}  # of the answer's messages, by the loop's clock
        self._reference: discord.MessageReference | None = message.to_reference(
            fail_if_not_exists=False
        )
        self.command_id = message.id
        self.channel_id = message.channel.id
        self.asker_id = message.author.id
        self.asker = asker or asker_of_message(message)

    async def begin(self) -> None:
        # Not waited for: where many ask at once, Discord makes typing wait for its turn.
        if not self._reply_limits.rate_limit.is_congested:
            self._typing = asyncio.create_task(self._type())

    async def _type(self) -> None:
        with suppress(*FAILURES):
            await self.message.channel.typing()

    async def send(
        self, part: MessagePart, view: discord.ui.View | None, number: int
    ) -> discord.Message:
        self._has_spoken = True
        if self._typing is not None:
            self._typing.cancel()
        options: dict[str, Any] = {} if view is None else {"view": view}
        if number in (0, REFUSAL) and self._reference is not None:
            options["reference"] = self._reference
        if (there := await self._find_earlier_send(part, number)) is not None:
            return there
        try:
            nonce = f"{self.command_id}-{number}"
            return await send_once(
                self.message.channel, part.content, nonce, _files(part), **options
            )
        except discord.HTTPException as error:
            if error.code != NO_HISTORY or self._reference is None:
                raise
        self._reference = None
        return await self.send(part, view, number)

    async def _find_earlier_send(self, part: MessagePart, number: int) -> discord.Message | None:
        """Look for an earlier attempt that Discord no longer recognises by its nonce."""
        now = asyncio.get_running_loop().time()
        if now - self._first_tries.setdefault(number, now) < NONCE_SECONDS:
            return None
        return await find_sent(self.message.channel, self.message, part)

    async def edit(
        self, message: discord.Message, part: MessagePart, view: discord.ui.View | None
    ) -> None:
        await await_response(
            message.edit(
                content=part.content,
                attachments=_files(part),
                view=view,
                allowed_mentions=NO_MENTIONS,
                suppress=True,
            )
        )

    async def delete(self, message: discord.Message) -> None:
        await message.delete()

    async def refuse(self, sentence: str) -> None:
        if self._reply_limits.rate_limit.is_congested and not self._has_spoken:
            self._reply_limits.count_unanswered(self.channel_id)
        else:
            await retry(lambda: self.send(MessagePart(sentence), None, REFUSAL))

    async def tell_privately(self, sentence: str) -> None:
        if guild_id_of(self.message) is not None:
            await self.message.author.send(
                sentence, allowed_mentions=NO_MENTIONS, suppress_embeds=True
            )


class InteractionResponder:
    """Answers a slash command or a button, which Discord waits for three seconds only."""

    is_rationed = False

    def __init__(self, interaction: discord.Interaction[Any]) -> None:
        self._interaction = interaction
        thinking = discord.InteractionResponseType.deferred_channel_message
        known = interaction.extras.get(THINKING)
        self._thinking = known is not None or interaction.response.type is thinking
        self._is_private = known == "private"
        # Known for sure; otherwise there may be no answer to edit.
        self._is_acknowledged = is_acknowledged(interaction)
        self._tried: set[int] = set()  # numbers of the answer's messages
        self.command_id = interaction.id
        self.channel_id = interaction.channel_id or 0
        self.is_external = is_external(interaction)
        self.asker_id = interaction.user.id
        self.asker = asker_of_interaction(interaction)

    async def begin(self) -> None:
        await acknowledge(self._interaction)
        self._thinking = self._is_acknowledged = True

    async def send(
        self, part: MessagePart, view: discord.ui.View | None, number: int
    ) -> discord.Message:
        options: dict[str, Any] = {} if view is None else {"view": view}
        if number == 0:
            return await self._send_first(part, options)
        if number in self._tried:  # a follow-up has no nonce
            there = await find_sent(self._interaction.channel, self._interaction, part)
            if there is not None:
                return there
        self._tried.add(number)
        try:
            return await await_response(
                self._interaction.followup.send(
                    part.content,
                    files=_files(part),
                    allowed_mentions=NO_MENTIONS,
                    suppress_embeds=True,
                    wait=True,
                    **options,
                )
            )
        except discord.HTTPException as error:
            if not is_expired(error):
                raise
            return await self._send_to_channel(part, options, number)

    async def _send_first(self, part: MessagePart, options: dict[str, Any]) -> discord.Message:
        """Edit the answer: a follow-up whose response is lost would be sent twice."""
        self._thinking = False
        try:
            return await await_response(
                self._interaction.edit_original_response(
                    content=part.content,
                    attachments=_files(part),
                    allowed_mentions=NO_MENTIONS,
                    **options,
                )
            )
        except discord.HTTPException as error:
            never_there = error.code == UNKNOWN_MESSAGE and not self._is_acknowledged
            if not (never_there or is_expired(error)):
                raise
            return await self._send_to_channel(part, options, 0)

    async def _send_to_channel(
        self, part: MessagePart, options: dict[str, Any], number: int
    ) -> discord.Message:
        """Say it in the channel, where the bot may; the interaction is over."""
        channel = self._interaction.channel
        if self.is_external or not isinstance(channel, discord.abc.Messageable):
            raise CannotRespond
        nonce = f"{self.command_id}-{number}"
        return await send_once(channel, part.content, nonce, _files(part), **options)

    async def edit(
        self, message: discord.Message, part: MessagePart, view: discord.ui.View | None
    ) -> None:
        changes: dict[str, Any] = {
            "content": part.content,
            "view": view,
            "allowed_mentions": NO_MENTIONS,
        }
        try:
            await await_response(message.edit(attachments=_files(part), **changes))
        except discord.HTTPException as error:
            own = self._own(message, error)
            await await_response(own.edit(attachments=_files(part), **changes))

    async def delete(self, message: discord.Message) -> None:
        try:
            await message.delete()
        except discord.HTTPException as error:
            await self._own(message, error).delete()

    def _own(
        self, message: discord.Message, error: discord.HTTPException
    ) -> discord.PartialMessage:
        """Return a message as one of the bot's own, if the interaction is over; or raise."""
        own = message_in(self._interaction.channel, message.id)
        if not is_expired(error) or own is None:
            raise error
        return own

    async def refuse(self, sentence: str, view: discord.ui.View | None = None) -> None:
        options: dict[str, Any] = {"ephemeral": True, "allowed_mentions": NO_MENTIONS}
        options.update({} if view is None else {"view": view})
        if not is_acknowledged(self._interaction):
            respond = self._interaction.response.send_message
            await retry(lambda: await_response(respond(sentence, suppress_embeds=True, **options)))
            return
        if self._thinking:  # all can see it, and the follow-up would replace it
            edit, shown = (
                self._interaction.edit_original_response,
                view if self._is_private else None,
            )
            await retry(
                lambda: await_response(
                    edit(content=sentence, view=shown, allowed_mentions=NO_MENTIONS)
                )
            )
            if self._is_private:
                return
        await self._interaction.followup.send(sentence, suppress_embeds=True, **options)
        if self._thinking:
            await self._interaction.delete_original_response()

    async def tell_privately(self, sentence: str) -> None:
        await self._interaction.followup.send(
            sentence, ephemeral=True, allowed_mentions=NO_MENTIONS, suppress_embeds=True
        )


async def learn_thread(client: discord.Client, message: discord.Message) -> None:
    """Look up the thread that a message is in, where the client does not know it.

    Discord tells of the threads that are open when the bot connects and of those that it is added
    to. Of any other, only the number is known, and not the channel that it belongs to. Where the
    thread cannot be looked up, it stays so.
    """
    if message.guild is None or not isinstance(message.channel, discord.PartialMessageable):
        return
    with suppress(*FAILURES):
        found = await await_response(client.fetch_channel(message.channel.id))
        if isinstance(found, discord.Thread):
            message.channel = found


async def find_sent(
    channel: object, after: discord.abc.Snowflake, part: MessagePart
) -> discord.Message | None:
    """Look for a message that was sent although its answer was lost; None where it is not seen."""

    def is_it(message: discord.Message) -> bool:
        same = message.content.strip() == part.content.strip()
        return same and message.author.bot and len(message.attachments) == len(_files(part))

    return await find_message(channel, after, is_it)


async def find_message(
    channel: object,
    after: discord.abc.Snowflake | None,
    is_it: Callable[[discord.Message], bool],
    *,
    oldest_first: bool = True,
) -> discord.Message | None:
    """Return a message of a channel after another one, None where it is not seen.

    The first or the last LOOKED_THROUGH messages are read, where the bot may read them.
    """
    if not isinstance(channel, discord.abc.Messageable):
        return None
    with suppress(*FAILURES):
        async for message in channel.history(
            after=after, limit=LOOKED_THROUGH, oldest_first=oldest_first
        ):
            if is_it(message):
                return message
    return None


def message_in(channel: object, message_id: int) -> discord.PartialMessage | None:
    """Return a handle on a message by its id, None where the channel has no messages."""
    if not isinstance(channel, discord.abc.Messageable):
        return None
    return discord.PartialMessage(channel=channel, id=message_id)  # type: ignore[arg-type]


def read_attachment(path: Path | None, name: str) -> discord.File | None:
    """Return a file to attach, None where it is gone."""
    try:
        return discord.File(io.BytesIO(path.read_bytes()), name) if path is not None else None
    except OSError:
        return None
