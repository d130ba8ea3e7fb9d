"""The message that shows a joint poem, and how it is changed.

It is changed through the latest interaction, which Discord allows everywhere for 15 minutes, and
after that as the bot's own message, where the bot is a member.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import discord

from bot.core.languages import speaking, translate
from bot.core.records import Poem
from bot.core.store.poems import HalfPoem
from bot.discord_app.asker import guild_id_of, is_external
from bot.discord_app.interactions import NO_MENTIONS, is_acknowledged, respond_privately
from bot.discord_app.joint_buttons import joint_view
from bot.discord_app.joint_formatting import format_ended, format_joint, format_lost
from bot.discord_app.joint_poem import JointPoem, Phase
from bot.discord_app.live_message import GIVE_UP_SECONDS
from bot.discord_app.poem_buttons import finished_view
from bot.discord_app.poem_formatting import MessagePart, format_finished
from bot.discord_app.responders import (
    UNKNOWN_MESSAGE,
    InteractionResponder,
    is_expired,
    message_in,
)
from bot.discord_app.retries import FAILURES, await_response, retry


@dataclass(eq=False)
class JointSession:
    """A joint poem and its message."""

    poem: JointPoem
    interaction: discord.Interaction[Any]  # the latest whose original response is the message
    retry_seconds: float
    message: discord.Message | None = None  # None until it is there
    end: str = ""  # the sentence under a poem that has ended
    finished: Poem | None = None
    can_keep: bool = False  # whether the server has a channel for kept poems
    timer: asyncio.TimerHandle | None = None
    work: asyncio.Task[Any] | None = None  # looking for lines, or writing the rest
    is_stale: bool = False  # whether the message lacks a vote
    refreshing: asyncio.Task[None] | None = None
    vote_ends: float = 0.0  # by the loop's clock

    def __post_init__(self) -> None:
        self.is_external = is_external(self.interaction)
        self.channel_id = self.interaction.channel_id
        self._responder = InteractionResponder(self.interaction)
        self._owners = self.interaction  # the latest of the member who began it
        self._heard = _now()
        self._turn = asyncio.Lock()

    @property
    def half(self) -> HalfPoem | None:
        """What the next start must know to end the poem; None where it could not."""
        if self.message is None or self.is_external:
            return None
        return HalfPoem(self.message.id, self.message.channel.id, guild_id_of(self.message))

    def hear(self, interaction: discord.Interaction[Any]) -> None:
        """Use an interaction for what comes next, if Discord knows that something comes."""
        if is_acknowledged(interaction):
            self.interaction, self._heard = interaction, _now()
            if interaction.user.id == self.poem.owner:
                self._owners = interaction

    async def open(self) -> None:
        """Let Discord know that a message comes; what fails here is made up for by `send`."""
        with suppress(*FAILURES):
            await self._responder.begin()

    async def send(self) -> None:
        """Send the message."""
        sent: list[discord.Message] = []

        async def send_once() -> None:
            part, view = self._draw()
            sent.append(await self._responder.send(part, view, 0))

        await self._insist(send_once)
        self.message = sent[-1]

    async def show(self, *, insist: bool = True) -> None:
        """Show what the poem is now; raise what Discord refuses.

        With `insist` it is tried for as long as somebody may wait for it. What changes meanwhile is
        shown, too.
        """
        async with self._turn:
            if insist:
                await self._insist(self._edit)
            else:
                await self._edit()

    async def show_rest(self) -> None:
        """Send what of a finished poem has no room in one message."""
        if self.finished is None or self.message is None:
            return
        sent = [self.message.id]
        parts = format_finished(self.finished, may_attach=False)
        responder = InteractionResponder(self.interaction)
        for number, part in enumerate(parts[1:], 1):
            view = self._finished_view(sent) if part is parts[-1] else None
            sent.append((await responder.send(part, view, number)).id)

    async def tell_owner(self, sentence: str) -> None:
        """Tell the member who began the poem, and nobody else, that it ended, and its lines.

        Discord allows that for 15 minutes after what they did last.
        """
        with suppress(*FAILURES):
            await respond_privately(
                self._owners, format_lost(self.poem.verse, translate(sentence, self.poem.language))
            )

    async def _insist(self, call: Callable[[], Awaitable[None]]) -> None:
        began = _now()

        def failed(error: Exception) -> None:
            if _now() - began > GIVE_UP_SECONDS:
                raise error

        await retry(call, attempts=math.inf, pause_seconds=self.retry_seconds, failed=failed)

    async def _edit(self) -> None:
        self.is_stale = False
        part, view = self._draw()
        changes: dict[str, Any] = {
            "content": part.content,
            "view": view,
            "allowed_mentions": NO_MENTIONS,
        }
        try:
            await await_response(self.interaction.edit_original_response(**changes))
        except discord.HTTPException as error:
            own = self._own()
            is_elsewhere = error.code == UNKNOWN_MESSAGE  # Discord never took the acknowledgement
            if own is None or not (is_expired(error) or is_elsewhere):
                raise
            await await_response(own.edit(**changes))

    def _own(self) -> discord.PartialMessage | None:
        """Return the message as one of the bot's own, None where the bot is no member."""
        if self.message is None or self.is_external:
            return None
        return message_in(self.message.channel, self.message.id)

    def _draw(self) -> tuple[MessagePart, discord.ui.View | None]:
        with speaking(self.poem.language):
            return self._draw_spoken()

    def _draw_spoken(self) -> tuple[MessagePart, discord.ui.View | None]:
        poem = self.poem
        if self.finished is not None:
            parts = format_finished(self.finished, may_attach=False)
            return parts[0], self._finished_view([]) if len(parts) == 1 else None
        if poem.phase is Phase.ENDED:
            return MessagePart(format_ended(poem.verse, translate(self.end))), joint_view(poem)
        return MessagePart(format_joint(poem, self._vote_ends())), joint_view(poem)

    def _finished_view(self, earlier: list[int]) -> discord.ui.View:
        assert self.finished is not None  # noqa: S101 - it is drawn when there is a poem
        return finished_view(self.finished, self.poem.owner, earlier, can_keep=self.can_keep)

    def _vote_ends(self) -> float | None:
        """Return when the vote ends by Discord's clock, which may not be this machine's."""
        if self.poem.vote is None:
            return None
        return self.interaction.created_at.timestamp() + self.vote_ends - self._heard


def _now() -> float:
    return asyncio.get_running_loop().time()
