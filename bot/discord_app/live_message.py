"""A reply that grows while its poem is written.

Edits keep a channel's pace: the next edit shows what was written since, and the last
one is never dropped.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import discord

from bot.core import request_log
from bot.discord_app.poem_formatting import MessagePart
from bot.discord_app.rate_limits import GlobalRateLimit
from bot.discord_app.responders import Responder
from bot.discord_app.retries import FAILURES, Outage, pause_after, retry

log = logging.getLogger(__name__)

NEW_NUMBERS = 100  # of messages that replace others, beyond those of any reply
# A poem of which nothing was sent by then is dropped: an interaction lasts as long. A poem that was
# partly sent is finished however long that takes.
GIVE_UP_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class ReplyTiming:
    """How fast replies move; tests run them without pauses."""

    edit_seconds: float = 1.0  # between two edits in a channel
    patience_seconds: float = 0.25  # a poem that is done by then is sent in one go
    place_seconds: float = 5.0  # between two edits that only show a place in the queue
    retry_seconds: float = 1.0  # before the second attempt; twice as long before each further one
    notice_seconds: float = 5.0  # between two edits of a training's message
    close_seconds: float = 3.0  # for the last edits, when the bot stops
    suggest_seconds: float = 2.0  # for autocompletion; Discord waits for 3
    vote_seconds: float = 60.0  # for one line of a joint poem
    # Without action, after which a joint poem ends: the last interaction's 15 minutes are not over.
    idle_seconds: float = 840.0


class ReplyAbandoned(Exception):
    """No one waits for the answer now."""


class ReplyGone(Exception):
    """The answer has lost its place: it was deleted, or the bot may not write there."""

    def __init__(self, cause: discord.HTTPException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class EditThrottle:
    """When the next edit of a channel is due, and whether there are requests for it."""

    def __init__(
        self, seconds: float, rate_limit: GlobalRateLimit | None = None, *, max_channels: int = 1000
    ) -> None:
        self._seconds = seconds
        self.rate_limit = rate_limit or GlobalRateLimit()
        self._max_channels = max_channels
        self._next: dict[int, float] = {}
        self.outage = Outage()

    def wait_seconds(self, channel_id: int) -> float:
        return max(0.0, self._next.get(channel_id, 0.0) - _now())

    def take_turn(self, channel_id: int) -> float:
        """Reserve the channel's next turn and return the seconds until it."""
        wait = self.wait_seconds(channel_id)
        if len(self._next) >= self._max_channels:
            now = _now()
            self._next = {channel: due for channel, due in self._next.items() if due > now}
        self._next[channel_id] = _now() + wait + self._seconds
        return wait


class LiveMessage:
    """One answer. `follow` shows the poem's beginning as it grows; `finish` shows all of it.

    `note` is told of a message that shows half a poem.
    """

    def __init__(
        self,
        responder: Responder,
        pace: EditThrottle,
        timing: ReplyTiming,
        note: Callable[[discord.Message], object] = lambda _: None,
    ) -> None:
        self.messages: list[discord.Message] = []
        self._responder = responder
        self._pace = pace
        self._timing = timing
        self._note = note
        self._sends = self._edits = 0
        self._failures = 0  # in a row, each made up for by the next turn
        self._given_up = False
        self._shown = ""
        self._place_due = 0.0  # when a new place may be shown, by the event loop's clock
        self._doubtful = False  # the answer to a send was lost: an earlier text may be shown
        self._stopped = False
        self._nap: asyncio.Task[None] | None = None

    async def follow(self, draw: Callable[[], MessagePart], view: discord.ui.View) -> None:
        """Show what `draw` returns, again and again, until `stop`; raise ReplyGone."""
        await self._rest(self._timing.patience_seconds)
        while not self._stopped:
            wait = self._pace.wait_seconds(self._responder.channel_id) if self.messages else 0.0
            part = draw()
            if self._responder.is_rationed and self._pace.rate_limit.is_congested:
                await self._rest(max(wait, self._timing.edit_seconds))
            elif wait:
                await self._rest(wait)
            elif part.content == self._shown or (part.waits and _now() < self._place_due):
                await self._rest(self._timing.edit_seconds)
            else:
                if part.waits:
                    self._place_due = _now() + self._timing.place_seconds
                self._pace.take_turn(self._responder.channel_id)
                await self._show(part, view)

    def stop(self) -> None:
        """End `follow`, at once when it only waits."""
        self._stopped = True
        if self._nap is not None:
            self._nap.cancel()

    def give_up(self) -> None:
        """Stop showing anything; `finish` raises ReplyAbandoned where it would try again."""
        self._given_up = True
        self.stop()

    async def take_back(self) -> None:
        """Delete what was shown; while Discord cannot be reached, keep trying."""
        for message in self.messages:
            with suppress(*FAILURES):
                await self._insist(lambda: self._responder.delete(message), lambda _: None)  # noqa: B023

    async def finish(
        self, parts: Sequence[MessagePart], view_after: Callable[[list[int]], discord.ui.View]
    ) -> None:
        """Show the whole answer; `view_after` makes the last part's buttons from the earlier ids.

        While Discord cannot be reached this waits. Raises ReplyGone, ReplyAbandoned, and one of
        FAILURES when Discord would not take it.
        """
        for number, part in enumerate(parts):
            ids = [message.id for message in self.messages[:number]]
            view = view_after(ids) if number == len(parts) - 1 else None
            if number < len(self.messages):
                await asyncio.sleep(self._pace.take_turn(self._responder.channel_id))
                await self._replace(number, part, view)
            else:
                self.messages.append(await self._send(part, view, number))

    async def _show(self, part: MessagePart, view: discord.ui.View) -> None:
        """Show a poem as far as it is; the next turn makes up for a failure."""
        try:
            if self.messages:
                await self._edit_once(self.messages[0], part, view)
            else:
                self.messages.append(await self._send_once(part, view, 0))
                self._note(self.messages[0])
        except (discord.Forbidden, discord.NotFound) as error:
            raise ReplyGone(error) from error
        except FAILURES as error:
            self._failures += 1
            self._pace.outage.failed(error)
            log.debug("%s was lost: %r", "an edit" if self.messages else "a message", error)
            self._doubtful = not self.messages
            await self._rest(pause_after(error, self._timing.edit_seconds, self._failures))
        else:
            self._failures = 0
            self._pace.outage.worked()
            self._shown = "" if self._doubtful else part.content
            self._doubtful = False

    async def _replace(self, number: int, part: MessagePart, view: discord.ui.View | None) -> None:
        """Edit a message to its last state, or send that as a new one."""
        message = self.messages[number]
        try:
            await self._persist(lambda: self._edit_once(message, part, view))
        except FAILURES as error:
            log.warning("an edit failed permanently; sending a new message: %r", error)
            self.messages[number] = await self._send(part, view, NEW_NUMBERS + number)
            with suppress(*FAILURES):
                await self._responder.delete(message)

    async def _send(
        self, part: MessagePart, view: discord.ui.View | None, number: int
    ) -> discord.Message:
        sent: list[discord.Message] = []

        async def send() -> None:
            sent.append(await self._send_once(part, view, number))

        doubtful, self._doubtful = self._doubtful, False
        await self._persist(send)
        if doubtful:
            await self._persist(lambda: self._edit_once(sent[-1], part, view))
        return sent[-1]

    async def _send_once(
        self, part: MessagePart, view: discord.ui.View | None, number: int
    ) -> discord.Message:
        message = await self._responder.send(part, view, number)
        self._sends += 1
        self._count()
        log.debug("message %d was sent", self._sends)
        return message

    async def _edit_once(
        self, message: discord.Message, part: MessagePart, view: discord.ui.View | None
    ) -> None:
        await self._responder.edit(message, part, view)
        self._edits += 1
        self._count()
        log.debug("edit %d was sent", self._edits)

    def _count(self) -> None:
        request_log.note(messages=self._sends, edits=self._edits)

    async def _persist(self, call: Callable[[], Awaitable[None]]) -> None:
        """Try until it works, or cannot work (ReplyGone), or no one waits (ReplyAbandoned)."""
        began = _now()

        def failed(error: Exception) -> None:
            if self._given_up:
                raise ReplyAbandoned from error
            if not self.messages and _now() - began > GIVE_UP_SECONDS:
                raise error

        try:
            await self._insist(call, failed)
        except (discord.Forbidden, discord.NotFound) as error:
            raise ReplyGone(error) from error

    async def _insist(
        self, call: Callable[[], Awaitable[None]], failed: Callable[[Exception], None]
    ) -> None:
        def note(error: Exception) -> None:
            self._pace.outage.failed(error)
            failed(error)

        await retry(
            call,
            attempts=math.inf,
            pause_seconds=self._timing.retry_seconds,
            sleep=self._sleep,
            failed=note,
        )
        self._pace.outage.worked()

    async def _rest(self, seconds: float) -> None:
        """Sleep, or less when `stop` is called."""
        if not self._stopped:
            await self._sleep(seconds)

    async def _sleep(self, seconds: float) -> None:
        self._nap = asyncio.create_task(asyncio.sleep(seconds))
        try:
            await asyncio.wait([self._nap])
        finally:
            self._nap.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
