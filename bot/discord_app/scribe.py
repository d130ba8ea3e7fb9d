"""Answers one request with one reply, whatever happens on the way.

A request is answered once, however often Discord delivers it; a reply or command that is deleted
frees the poem's row; nothing that Discord does to an answer gets out of here as an exception.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import discord

from bot.core import tracing
from bot.core.records import Poem, PoemRequest, PoemSettings
from bot.core.service import Service
from bot.core.store.poem_rows import HalfPoem
from bot.core.writing import Writing
from bot.discord_app.apologies import LoggedOnce, complaints, sentence_for
from bot.discord_app.budget import Budget
from bot.discord_app.buttons import finished_view, growing_view
from bot.discord_app.halves import Halves
from bot.discord_app.heard import Heard
from bot.discord_app.live import Gone, LiveReply, Pace, Tempo
from bot.discord_app.replies import Part, finished, growing
from bot.discord_app.screens import Screen, guild_id_of
from bot.discord_app.trying import FAILURES

log = logging.getLogger(__name__)


MAX_CONFIDED = 10_000
MAY_NOT_WRITE = (
    "I may not write in <#{channel}>, so there is no poem. Whoever manages the server can let me: "
    "there I need to see the channel and to send messages."
)


@dataclass(eq=False)
class Answer:
    """An answer on its way."""

    command_id: int
    reply: LiveReply
    writing: Writing | None = None
    withdrawn: bool = field(default=False)  # somebody deleted the command or the reply

    def withdraw(self) -> None:
        self.withdrawn = True
        self.reply.give_up()
        if self.writing is not None:
            self.writing.cancel()

    def owns(self, message_id: int) -> bool:
        sent = (message.id for message in self.reply.messages)
        return message_id == self.command_id or message_id in sent


class Counted:
    """A screen whose messages and edits are counted and noted down with the request."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.is_rationed = screen.is_rationed
        self.command_id = screen.command_id
        self.channel_id = screen.channel_id
        self.asker_id = screen.asker_id
        self.asker = screen.asker
        self._messages = self._edits = 0
        self._note()

    async def begin(self) -> None:
        await self._screen.begin()

    async def send(self, part: Part, view: discord.ui.View | None, number: int) -> discord.Message:
        message = await self._screen.send(part, view, number)
        self._messages += 1
        self._note()
        log.debug("message %d was sent", self._messages)
        return message

    async def edit(
        self, message: discord.Message, part: Part, view: discord.ui.View | None
    ) -> None:
        await self._screen.edit(message, part, view)
        self._edits += 1
        self._note()
        log.debug("edit %d was sent", self._edits)

    async def delete(self, message: discord.Message) -> None:
        await self._screen.delete(message)

    async def confide(self, sentence: str) -> None:
        await self._screen.confide(sentence)

    async def refuse(self, sentence: str) -> None:
        await self._screen.refuse(sentence)

    def _note(self) -> None:
        tracing.note(messages=self._messages, edits=self._edits)


class Scribe:
    """Writes poems into replies."""

    def __init__(
        self,
        service: Service,
        halves: Halves,
        tempo: Tempo | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._service = service
        self._halves = halves
        self._tempo = tempo or Tempo()
        self._pace = Pace(self._tempo.edit_seconds, budget)
        self._answers: set[Answer] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._heard = Heard()
        self._silenced = LoggedOnce()
        self._confided: set[tuple[int, int]] = set()  # channels and whom they were told of

    async def answer(self, screen: Screen, request: PoemRequest) -> None:
        """Write the poem that `request` asks for onto `screen`."""
        if not self._heard.is_new(screen.command_id):
            return
        with tracing.request(), self._at_work():
            screen = Counted(screen)
            try:
                settings = await self._service.check(request)  # before anything is shown to all
                beginning = asyncio.ensure_future(screen.begin())
                try:
                    await self._write(screen, request, settings, beginning)
                finally:
                    await self._settle(screen, beginning)
            except Exception as error:
                await self.refuse(screen, error)

    async def refuse(self, screen: Screen, error: Exception) -> None:
        """Tell the asker why there is no poem, if they can be told."""
        cause = error.cause if isinstance(error, Gone) else error
        if isinstance(cause, discord.Forbidden | discord.NotFound):
            await self._give_up(screen, cause)
            return
        try:
            await screen.refuse(sentence_for(error))
        except discord.HTTPException as failure:
            self._silenced.warn(screen.channel_id, failure)
        except (*FAILURES, RuntimeError) as failure:  # of a session that is closed
            complaints.warn("a member could not be told", failure)

    async def _give_up(self, screen: Screen, cause: discord.HTTPException) -> None:
        """Say, once for a channel, that no answer gets there: in the log and to the asker."""
        self._silenced.warn(screen.channel_id, cause)
        if not isinstance(cause, discord.Forbidden):
            return
        place = (screen.channel_id, screen.asker_id)
        if place in self._confided or len(self._confided) >= MAX_CONFIDED:
            return
        self._confided.add(place)
        with suppress(*FAILURES):  # who takes no messages from strangers is not told
            await screen.confide(MAY_NOT_WRITE.format(channel=screen.channel_id))

    def forget(self, message_id: int) -> None:
        """Stop what is being written for a message that was deleted, or into it."""
        for answer in [answer for answer in self._answers if answer.owns(message_id)]:
            answer.withdraw()

    async def close(self, seconds: float) -> None:
        """Let the last edits arrive, for so long; the next start ends what has no end then."""
        others = self._tasks - {asyncio.current_task()}
        if not others:
            return
        _, late = await asyncio.wait(others, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def _settle(self, screen: Screen, beginning: asyncio.Future[None]) -> None:
        """Wait for the beginning, which must not fail the answer: it may have been typing only."""
        try:
            await beginning
        except (discord.Forbidden, discord.NotFound) as error:
            self._silenced.warn(screen.channel_id, error)
        except FAILURES as error:
            log.debug("a beginning was lost: %r", error)

    async def _write(
        self,
        screen: Screen,
        request: PoemRequest,
        settings: PoemSettings,
        beginning: asyncio.Future[None],
    ) -> None:
        with self._noting() as note:
            reply = LiveReply(screen, self._pace, self._tempo, note)
            await self._write_into(reply, screen, request, settings, beginning)

    @contextmanager
    def _noting(self) -> Iterator[Callable[[discord.Message], None]]:
        """Note where half a poem stands as long as the block lasts.

        If it is cancelled, because the bot stops, that stays noted: the next start ends it.
        """
        halves: list[HalfPoem] = []

        def note(message: discord.Message) -> None:
            halves.append(HalfPoem(message.id, message.channel.id, guild_id_of(message)))
            self._halves.begin(halves[-1])

        try:
            yield note
        except asyncio.CancelledError:
            halves.clear()
            raise
        finally:
            for half in halves:
                self._halves.end(half)

    async def _write_into(
        self,
        reply: LiveReply,
        screen: Screen,
        request: PoemRequest,
        settings: PoemSettings,
        beginning: asyncio.Future[None],
    ) -> None:
        answer = Answer(screen.command_id, reply)
        self._answers.add(answer)
        try:
            async with self._service.write(request, settings) as writing:
                answer.writing = writing
                poem = await self._watch(screen, answer, writing, beginning)
            if not answer.withdrawn:
                await self._finish(screen, answer.reply, poem)
        except Exception as error:
            cause = error.cause if isinstance(error, Gone) else error
            tracing.note(trouble=type(cause).__name__)
            if answer.withdrawn:
                return  # nobody waits for an apology
            answer.withdrawn = True  # half a poem must not stay beside the apology
            raise
        finally:
            self._answers.discard(answer)
            if answer.withdrawn:
                await reply.take_back()

    async def _watch(
        self, screen: Screen, answer: Answer, writing: Writing, beginning: asyncio.Future[None]
    ) -> Poem:
        """Show the poem while it is written."""

        async def follow() -> None:
            await self._settle(screen, beginning)
            try:
                await answer.reply.follow(
                    lambda: growing(writing.text, writing.standing), growing_view(screen.asker_id)
                )
            except Gone as error:
                answer.withdraw()
                await self._give_up(screen, error.cause)

        following = asyncio.create_task(follow())
        try:
            if answer.withdrawn:
                writing.cancel()
            return await writing.finish()
        except asyncio.CancelledError:
            following.cancel()  # it may be waiting for Discord, for a long time
            raise
        finally:
            answer.reply.stop()
            await following

    async def _finish(self, screen: Screen, reply: LiveReply, poem: Poem) -> None:
        def view_after(earlier: list[int]) -> discord.ui.View:
            return finished_view(poem, screen.asker_id, earlier)

        try:
            await reply.finish(finished(poem), view_after)
            log.debug("the last edit was sent")
        except Gone as error:
            parts = finished(poem, may_attach=False)
            if parts == finished(poem) or not isinstance(error.cause, discord.Forbidden):
                raise
            await reply.finish(parts, view_after)  # no file is allowed here, so many messages
