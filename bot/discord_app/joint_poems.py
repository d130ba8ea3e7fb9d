"""Joint poems: who writes which, what their buttons do, the time of a vote, and every end.

They are kept in memory only, as many as there is room for. Nothing that fails takes a line away:
the poem pauses with a sentence, or ends with its lines in the message.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import discord

from bot.core.errors import NotAllowed, NothingThere, ShuttingDown, TooMuch, TooSoon
from bot.core.languages import current_language, say, sentence, speaking, translate
from bot.core.poems import PoemService
from bot.core.records import Asker, Ending, NextLine, Poem, PoemRequest
from bot.core.tasks import cancel_tasks, counted_in
from bot.discord_app.asker import asker_of_interaction, is_external
from bot.discord_app.button_state import base36
from bot.discord_app.error_messages import error_message, throttled_log
from bot.discord_app.interactions import (
    acknowledge_button,
    open_form,
    replace_message,
    respond_privately,
)
from bot.discord_app.joint_buttons import (
    FORMS,
    JointAction,
    JointState,
    line_form,
    read_joint_state,
    read_line_form,
)
from bot.discord_app.joint_formatting import RESTARTED, format_ended, format_look
from bot.discord_app.joint_poem import JointLine, JointPoem, Phase
from bot.discord_app.joint_session import JointSession
from bot.discord_app.languages import server_language, speak_to
from bot.discord_app.live_message import EditThrottle, ReplyTiming
from bot.discord_app.poem_formatting import escape, read_verse
from bot.discord_app.retries import FAILURES, is_final
from bot.discord_app.unfinished_poems import UnfinishedPoems

log = logging.getLogger(__name__)

MAX_OF_MEMBER, MAX_OF_GUILD, MAX_OF_ALL = 2, 10, 500
MAX_REMEMBERED = 1000  # poems that have ended
TOO_MANY_OF_MEMBER = sentence(
    "You are writing {most} poems line by line already. Finish or stop one of them first.",
    most=MAX_OF_MEMBER,
)
TOO_MANY_OF_GUILD = sentence(
    "This server is writing {most} poems line by line already. Try again later.", most=MAX_OF_GUILD
)
TOO_MANY = sentence(
    "{most} poems are being written line by line already. Try again later.", most=MAX_OF_ALL
)
NO_VOTE_HERE = sentence(
    "A channel can vote only on a server that I am a member of, where I can see the channel. "
    "Run /together without a vote."
)
TOO_LATE = sentence(
    "The poem went on before your line came. You can write it again for the next line."
)
HAS_ENDED = sentence("This poem has ended. Run /together to write another.")
STOPPED = sentence("Stopped. Run /together to write another poem.")
IDLE = sentence("Nobody went on, so this poem ends here. Run /together to write another.")
GONE = sentence("The message with your poem was deleted, so the poem ends here.")
OUT_OF_REACH = sentence("I can no longer change the message with your poem, so the poem ends here.")
OPEN_TO_ALL = (JointAction.TAKE, JointAction.WRITE, JointAction.GO)  # in a vote

Result = TypeVar("Result")


class JointPoems:
    """Writes poems line by line with members."""

    def __init__(
        self,
        service: PoemService,
        unfinished: UnfinishedPoems,
        pace: EditThrottle,
        timing: ReplyTiming,
        can_keep: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`can_keep` says whether a guild has a channel for kept poems."""
        self._service = service
        self._unfinished = unfinished
        self._pace = pace
        self._timing = timing
        self._can_keep = can_keep
        self._sessions: dict[str, JointSession] = {}
        self._ended: OrderedDict[str, bool] = OrderedDict()  # whether the message shows it
        self._tasks: set[asyncio.Task[Any]] = set()

    # Beginning

    async def begin(
        self, interaction: discord.Interaction[Any], request: PoemRequest, *, by_vote: bool
    ) -> None:
        """Begin the poem that a command asks for; raise a BotError if that cannot be."""
        if by_vote and not _may_vote_in(interaction):
            raise NothingThere(NO_VOTE_HERE)
        admitted = await self._service.admit(replace(request, line_by_line=True))
        self._require_place(request.asker)
        language = current_language()
        if by_vote:
            language = server_language(interaction.client, interaction.guild_id)
        key, owner = base36(interaction.id), interaction.user.id
        poem = JointPoem(key, owner, by_vote, request, language)
        session = JointSession(poem, interaction, self._timing.retry_seconds)
        session.can_keep = self._can_keep(request.asker.guild)
        self._sessions[poem.key] = session
        try:
            with counted_in(self._tasks):
                await session.open()
                poem.offer(await self._service.suggest(admitted))
                self._arm(session)
                await session.send()
        except BaseException:
            self._drop(session)
            raise
        if session.half is not None and poem.phase is not Phase.ENDED:
            self._unfinished.begin(session.half)

    def _require_place(self, asker: Asker) -> None:
        """Raise TooMuch where a member, a guild or all have as many poems as they may have."""
        askers = [session.poem.request.asker for session in self._sessions.values()]
        if sum(each.member == asker.member for each in askers) >= MAX_OF_MEMBER:
            raise TooMuch(TOO_MANY_OF_MEMBER)
        if asker.guild and sum(each.guild == asker.guild for each in askers) >= MAX_OF_GUILD:
            raise TooMuch(TOO_MANY_OF_GUILD)
        if len(askers) >= MAX_OF_ALL:
            raise TooMuch(TOO_MANY)

    # What members do

    async def press(
        self, interaction: discord.Interaction[Any], action: JointAction, packed: str
    ) -> None:
        """Do what a button says; raise what the member should be told."""
        with counted_in(self._tasks):
            state = read_joint_state(packed)
            session = self._find(interaction, state)
            if session is None or state is None:
                await self._show_end(interaction, state)
            else:
                await self._press(interaction, session, action, state)

    async def _press(
        self,
        interaction: discord.Interaction[Any],
        session: JointSession,
        action: JointAction,
        state: JointState,
    ) -> None:
        poem = session.poem
        self._require_part(interaction, poem, action)
        is_form = action in FORMS and poem.takes(is_edit=action is JointAction.EDIT)
        if is_form and state.step == poem.step:
            self._arm(session, again=False)
            await open_form(interaction, line_form(poem, action))
            return
        await acknowledge_button(interaction)
        session.hear(interaction)
        if action is JointAction.STOP:
            await self._end(session, STOPPED)
        elif state.step != poem.step:  # of an earlier step, perhaps since an edit was lost
            await self._show(session)
        else:
            await self._act(session, action, interaction.user.id, state.option)

    async def _act(
        self, session: JointSession, action: JointAction, member: int, option: int
    ) -> None:
        poem = session.poem
        match action:
            case JointAction.TAKE if poem.vote is not None:
                poem.vote.cast(member, option)
                self._refresh_soon(session)
            case JointAction.TAKE if 1 <= option <= len(poem.candidates):
                poem.take(JointLine(poem.candidates[option - 1]), member)
                await self._advance(session)
            case JointAction.UNDO:
                poem.undo()
                await self._advance(session)
            case JointAction.GO:
                await self._advance(session)
            case JointAction.COUNT:
                await self._count(session, poem.step)
            case JointAction.FINISH:
                await self._finish(session)

    async def submit(self, interaction: discord.Interaction[Any]) -> None:
        """Take the line that a member wrote in the form, or say why not, and what the line was."""
        speak_to(interaction.client, interaction)
        state, action, typed = read_line_form(interaction)
        try:
            with counted_in(self._tasks):
                await self._take_typed(interaction, state, action, typed)
        except Exception as error:
            line = f"\n> {escape(typed)}" if typed.strip() else ""
            try:
                await respond_privately(interaction, f"{error_message(error)}{line}")
            except FAILURES as failure:
                throttled_log.warn(f"cannot answer in channel {interaction.channel_id}", failure)

    async def _take_typed(
        self,
        interaction: discord.Interaction[Any],
        state: JointState | None,
        action: JointAction,
        typed: str,
    ) -> None:
        session = self._find(interaction, state)
        if session is None or state is None:
            raise NothingThere(HAS_ENDED)
        poem, member = session.poem, interaction.user.id
        self._require_part(interaction, poem, action)
        is_edit = action is JointAction.EDIT
        if state.step != poem.step or not poem.takes(is_edit=is_edit):
            raise NothingThere(TOO_LATE)
        poem.require_room(typed, instead=is_edit)
        if poem.vote is not None:
            poem.vote.require_room(member)
        await acknowledge_button(interaction)
        session.hear(interaction)
        request = poem.request_with(typed, instead=is_edit)
        line = await self._service.scan(replace(request, asker=asker_of_interaction(interaction)))
        if state.step != poem.step:
            raise NothingThere(TOO_LATE)
        if poem.vote is not None:
            option = poem.vote.propose(member, line)
            self._refresh_soon(session)
            told = say(
                "Your line is number {option}: {look}", option=option, look=format_look(line)
            )
            await respond_privately(interaction, told)
            return
        if is_edit:
            poem.undo()
        poem.take(JointLine(line, member), member)
        await self._advance(session)

    def _find(
        self, interaction: discord.Interaction[Any], state: JointState | None
    ) -> JointSession | None:
        """Return the session of a button or form; anyone can forge a custom_id elsewhere."""
        session = self._sessions.get(state.key) if state is not None else None
        is_there = session is not None and session.channel_id == interaction.channel_id
        return session if is_there else None

    def _require_part(
        self, interaction: discord.Interaction[Any], poem: JointPoem, action: JointAction
    ) -> None:
        """Raise NotAllowed unless a member may do that with this poem."""
        if interaction.user.id == poem.owner:
            return
        if not poem.by_vote:
            raise NotAllowed(not_yours(poem.owner))
        if action in OPEN_TO_ALL:
            self._service.require_permission(asker_of_interaction(interaction))
        elif not interaction.permissions.manage_messages:
            raise NotAllowed(not_yours_to_lead(poem.owner))

    # Going on

    async def _advance(self, session: JointSession) -> None:
        """Show what the next line may be; a poem with all its lines is finished."""
        if session.poem.is_whole:
            await self._finish(session)
            return
        answer = await self._work(session, Phase.LOOKING, self._look)
        if answer is not None:
            session.poem.offer(answer)
            await self._await_members(session)

    async def _finish(self, session: JointSession) -> None:
        """Write what is left of the poem, and show it with the buttons of any other."""
        written = await self._work(session, Phase.FINISHING, self._write)
        if written is not None:
            session.finished = session.poem.sign(written)
            await self._end(session)

    async def _await_members(self, session: JointSession) -> None:
        self._arm(session)
        await self._show(session)

    async def _work(
        self,
        session: JointSession,
        phase: Phase,
        begin: Callable[[PoemRequest], Coroutine[Any, Any, Result]],
    ) -> Result | None:
        """Do what takes time, with Stop as the only button. None: it has failed, or was stopped.

        What is in the way is shown, and the poem waits for a member.
        """
        poem = session.poem
        poem.enter(phase)
        self._arm(session)
        session.work = work = self._spawn(begin(poem.request_with()))
        try:
            await asyncio.wait([work], timeout=self._timing.patience_seconds)
            if not work.done():
                with suppress(*FAILURES):
                    await session.show(insist=False)
                await asyncio.wait([work])
        finally:
            work.cancel()
        error = None if work.cancelled() else work.exception()
        if work.cancelled() or poem.phase is Phase.ENDED:
            return None
        if error is not None:
            with speaking(poem.language):
                poem.enter(Phase.PAUSED, error_message(error))
            await self._await_members(session)
            return None
        return work.result()

    async def _look(self, request: PoemRequest) -> NextLine:
        async def suggest() -> NextLine:
            return await self._service.suggest(await self._service.admit(request))

        return await self._after_pause(suggest)

    async def _write(self, request: PoemRequest) -> Poem:
        async def write() -> Poem:
            admitted = await self._service.admit(request)
            async with self._service.write(admitted) as poem_stream:
                poem = await poem_stream.finish()
            if poem.ending is Ending.CANCELLED:
                raise ShuttingDown
            return poem

        return await self._after_pause(write)

    async def _after_pause(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Wait for the pause between two poems of a member, who has chosen already."""
        try:
            return await call()
        except TooSoon as error:
            await asyncio.sleep(error.wait_seconds)
        return await call()

    # Votes and time

    def _arm(self, session: JointSession, *, again: bool = True) -> None:
        """Begin the time that members have; with `again` a vote begins anew, too."""
        poem, loop = session.poem, asyncio.get_running_loop()
        if poem.vote is not None and not again:
            return
        if session.timer is not None:
            session.timer.cancel()
        if poem.is_busy or poem.phase is Phase.ENDED:
            return
        seconds, due = self._timing.idle_seconds, self._expire
        if poem.vote is not None:
            seconds, due = self._timing.vote_seconds, self._count
            session.vote_ends = loop.time() + seconds
        step = poem.step
        session.timer = loop.call_later(
            seconds, lambda: self._spawn(self._guard(due(session, step)))
        )

    async def _count(self, session: JointSession, step: int) -> None:
        """End a vote, unless the poem has gone on since."""
        poem = session.poem
        if poem.vote is None or step != poem.step:
            return
        if poem.count_votes():
            await self._advance(session)
        else:
            await self._await_members(session)

    async def _expire(self, session: JointSession, step: int) -> None:
        if step == session.poem.step:
            await self._end(session, IDLE)

    def _refresh_soon(self, session: JointSession) -> None:
        session.is_stale = True
        if session.refreshing is None or session.refreshing.done():
            session.refreshing = self._spawn(self._guard(self._refresh(session)))

    async def _refresh(self, session: JointSession) -> None:
        """Show votes, as often as the channel's pace allows."""
        while session.is_stale and session.poem.vote is not None:
            await asyncio.sleep(self._pace.take_turn(session.channel_id or 0))
            if session.poem.vote is None:
                return
            try:
                await session.show(insist=False)
            except FAILURES as error:
                if is_final(error):
                    await self._lose(session, error)
                session.is_stale = True

    # Showing and ending

    async def _show(self, session: JointSession) -> None:
        try:
            await session.show()
        except FAILURES as error:
            await self._lose(session, error)

    async def _end(self, session: JointSession, ending: str = "") -> None:
        """End a poem in its message, with a sentence unless it is finished."""
        session.end = ending
        self._drop(session)
        try:
            await session.show()
            await session.show_rest()
        except FAILURES as error:
            throttled_log.warn("a joint poem could not be ended in its message", error)
        else:
            self._ended[session.poem.key] = True
        if session.half is not None:
            self._unfinished.end(session.half)

    async def _lose(self, session: JointSession, error: Exception | None = None) -> None:
        """End a poem whose message is gone, and tell the member who began it its lines."""
        if session.poem.phase is Phase.ENDED:
            return
        self._drop(session)
        if error is not None:
            throttled_log.warn("the message of a joint poem cannot be changed", error)
        if session.half is not None:
            self._unfinished.end(session.half)
        is_gone = error is None or isinstance(error, discord.NotFound)
        await session.tell_owner(GONE if is_gone else OUT_OF_REACH)

    def _drop(self, session: JointSession) -> None:
        """Let a poem go on no more."""
        session.poem.enter(Phase.ENDED)
        self._arm(session)
        if session.work is not None:
            session.work.cancel()
        if self._sessions.pop(session.poem.key, None) is not None:
            self._ended[session.poem.key] = False
        while len(self._ended) > MAX_REMEMBERED:
            self._ended.popitem(last=False)

    async def _show_end(
        self, interaction: discord.Interaction[Any], state: JointState | None
    ) -> None:
        """Answer a button of a poem that is known no more: its message says that it has ended.

        If the message says so already, the button was pressed just before.
        """
        await acknowledge_button(interaction)
        ended = None if state is None else self._ended.get(state.key)
        if not ended and interaction.message is not None:
            verse = read_verse(interaction.message.content)
            told = translate(RESTARTED if ended is None else HAS_ENDED)
            await replace_message(interaction, format_ended(verse, told))

    def forget(self, message_id: int) -> None:
        """End the poem whose message was deleted."""
        for session in list(self._sessions.values()):
            if session.message is not None and session.message.id == message_id:
                self._spawn(self._guard(self._lose(session)))

    async def close(self, seconds: float) -> None:
        """End all poems because the bot stops; the next start ends what has no end by then."""
        sessions = list(self._sessions.values())
        ending = [self._spawn(self._guard(self._end(one, RESTARTED))) for one in sessions]
        if ending:
            await asyncio.wait(ending, timeout=seconds)
        await cancel_tasks(self._tasks - {asyncio.current_task()})

    async def _guard(self, step: Coroutine[Any, Any, None]) -> None:
        """Do what no member waits for; what is unforeseen goes into the log."""
        try:
            await step
        except Exception:
            log.exception("a joint poem could not go on")

    def _spawn(self, coroutine: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _may_vote_in(interaction: discord.Interaction[Any]) -> bool:
    """Whether the bot can keep a vote going: it must be able to change its message by itself."""
    is_member = interaction.guild_id is not None and not is_external(interaction)
    return is_member and interaction.app_permissions.view_channel


def not_yours(owner: int) -> str:
    member = f"<@{owner}>"
    return sentence(
        "Only {member} writes this poem. Run /together to write one of your own.", member=member
    )


def not_yours_to_lead(owner: int) -> str:
    member = f"<@{owner}>"
    return sentence(
        "Only {member}, who began this poem, or a member with Manage Messages can do that.",
        member=member,
    )
