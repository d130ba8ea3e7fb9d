"""A reply that grows on the screen while its poem is written.

Edits keep a channel's pace: what was written meanwhile is shown by the next edit, and the last
one is never dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import discord

from bot.discord_app.budget import Budget
from bot.discord_app.replies import Part
from bot.discord_app.screens import FAILURES, Screen, is_final

log = logging.getLogger(__name__)

NEW_NUMBERS = 100  # of messages that stand for others, beyond those of any reply
ATTEMPTS = 4  # at what must arrive; discord.py itself tries five times on 500, 502 and 504


@dataclass(frozen=True, slots=True)
class Tempo:
    """How fast replies move; tests run them without pauses."""

    edit_seconds: float = 1.0  # between two edits in a channel
    patience_seconds: float = 0.25  # a poem that is done by then is sent in one go
    place_seconds: float = 5.0  # between two edits that only tell a place in line
    retry_seconds: float = 1.0  # before the second attempt; twice as long before each further one
    notice_seconds: float = 5.0  # between two edits of the message that tells of a training


class Gone(Exception):
    """The answer has no place any more: deleted, or the bot may not write there."""

    def __init__(self, cause: discord.HTTPException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Pace:
    """When the next edit of a channel is due, and whether there are requests for it."""

    def __init__(
        self, seconds: float, budget: Budget | None = None, *, max_channels: int = 1000
    ) -> None:
        self._seconds = seconds
        self._budget = budget or Budget()
        self._max_channels = max_channels
        self._next: dict[int, float] = {}

    @property
    def is_short(self) -> bool:
        """Whether a reply had better not grow."""
        return self._budget.is_short

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


class LiveReply:
    """One answer. `follow` shows the poem's beginning as it grows; `finish` shows all of it."""

    def __init__(self, screen: Screen, pace: Pace, tempo: Tempo) -> None:
        self.messages: list[discord.Message] = []
        self._screen = screen
        self._pace = pace
        self._tempo = tempo
        self._shown = ""
        self._place_due = 0.0  # when a new place in line may be told, by the event loop's clock
        self._doubtful = False  # the answer to a send was lost: an earlier text may stand there
        self._stopped = False
        self._nap: asyncio.Task[None] | None = None

    async def follow(self, draw: Callable[[], Part], view: discord.ui.View) -> None:
        """Show what `draw` returns, again and again, until `stop`; raise Gone."""
        await self._rest(self._tempo.patience_seconds)
        while not self._stopped:
            wait = self._pace.wait_seconds(self._screen.channel_id) if self.messages else 0.0
            part = draw()
            if self._screen.is_rationed and self._pace.is_short:
                await self._rest(max(wait, self._tempo.edit_seconds))
            elif wait:
                await self._rest(wait)
            elif part.content == self._shown or (part.waits and _now() < self._place_due):
                await self._rest(self._tempo.edit_seconds)
            else:
                if part.waits:
                    self._place_due = _now() + self._tempo.place_seconds
                self._pace.take_turn(self._screen.channel_id)
                await self._show(part, view)

    def stop(self) -> None:
        """End `follow`, at once when it only waits."""
        self._stopped = True
        if self._nap is not None:
            self._nap.cancel()

    async def finish(
        self, parts: Sequence[Part], view_after: Callable[[list[int]], discord.ui.View]
    ) -> None:
        """Show the whole answer; `view_after` makes the last part's buttons from the earlier ids.

        Raises Gone, and discord.DiscordException when Discord would not take it.
        """
        for number, part in enumerate(parts):
            ids = [message.id for message in self.messages[:number]]
            view = view_after(ids) if number == len(parts) - 1 else None
            if number < len(self.messages):
                await asyncio.sleep(self._pace.take_turn(self._screen.channel_id))
                await self._replace(number, part, view)
            else:
                self.messages.append(await self._send(part, view, number))

    async def _show(self, part: Part, view: discord.ui.View) -> None:
        """Show a poem as far as it is; the next turn makes up for a failure."""
        try:
            if self.messages:
                await self._screen.edit(self.messages[0], part, view)
            else:
                self.messages.append(await self._screen.send(part, view, 0))
        except (discord.Forbidden, discord.NotFound) as error:
            raise Gone(error) from error
        except FAILURES as error:
            log.debug("an edit was lost: %r", error)
            self._doubtful = not self.messages
            await self._rest(self._tempo.edit_seconds)
        else:
            self._shown = "" if self._doubtful else part.content
            self._doubtful = False

    async def _replace(self, number: int, part: Part, view: discord.ui.View | None) -> None:
        """Bring a message to its last state, or say it in a new one."""
        message = self.messages[number]
        try:
            await self._insist(lambda: self._screen.edit(message, part, view))
        except FAILURES as error:
            log.warning("an edit failed for good, a new message says it: %r", error)
            self.messages[number] = await self._send(part, view, NEW_NUMBERS + number)
            with suppress(*FAILURES):
                await message.delete()

    async def _send(self, part: Part, view: discord.ui.View | None, number: int) -> discord.Message:
        sent: list[discord.Message] = []

        async def send() -> None:
            sent.append(await self._screen.send(part, view, number))

        doubtful, self._doubtful = self._doubtful, False
        await self._insist(send)
        if doubtful:
            await self._insist(lambda: self._screen.edit(sent[-1], part, view))
        return sent[-1]

    async def _insist(self, call: Callable[[], Awaitable[None]]) -> None:
        """Try until it works, or cannot (Gone), or has failed often enough."""
        for attempt in range(ATTEMPTS):
            try:
                return await call()
            except (discord.Forbidden, discord.NotFound) as error:
                raise Gone(error) from error
            except FAILURES as error:
                if attempt == ATTEMPTS - 1 or is_final(error):
                    raise
                await asyncio.sleep(self._tempo.retry_seconds * 2**attempt)
        return None

    async def _rest(self, seconds: float) -> None:
        """Sleep, or less when `stop` is called."""
        if self._stopped:
            return
        self._nap = asyncio.create_task(asyncio.sleep(seconds))
        try:
            await asyncio.wait([self._nap])
        finally:
            self._nap.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
