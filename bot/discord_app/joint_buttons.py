"""The buttons of a joint poem, and the form in which a member writes a line.

The client remembers none of them. They name their poem and its step: a button of an earlier step
changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import discord

from bot.core.languages import say
from bot.discord_app.button_state import base36
from bot.discord_app.forms import make_form, match_form, read_form
from bot.discord_app.joint_formatting import wish_for_next
from bot.discord_app.joint_poem import MAX_LINE, PREFIX, JointPoem, Phase
from bot.discord_app.poem_buttons import growing_view
from bot.discord_app.poem_formatting import plain_words
from bot.discord_app.responses import press

COG_NAME = "Together"
PER_ROW = 5
MAX_LABEL, MAX_DESCRIPTION = 45, 100  # characters, Discord's limits
LINE = "line"
_STATE = re.compile(r"(?P<key>[0-9a-z]{1,13}):(?P<step>[0-9a-z]{1,6})(?::(?P<option>[0-9]{1,2}))?")


class JointAction(StrEnum):
    """What a button does; `WRITE` and `EDIT` open the form."""

    TAKE = "take"  # one of the lines, or vote for it
    WRITE = "write"
    EDIT = "edit"
    UNDO = "undo"
    COUNT = "count"
    GO = "go"
    FINISH = "finish"
    STOP = "stop"


FORMS = (JointAction.WRITE, JointAction.EDIT)
_FORM = re.compile(rf"{PREFIX}:(?P<action>{'|'.join(FORMS)}):(?P<packed>.*)")


@dataclass(frozen=True, slots=True)
class JointState:
    """Which poem a button or a form is for, at which step; `option` counts from 1."""

    key: str
    step: int
    option: int = 0


def read_joint_state(packed: str) -> JointState | None:
    """Return what a custom_id says, None where no button of this version has written it."""
    match = _STATE.fullmatch(packed)
    if match is None:
        return None
    return JointState(match["key"], int(match["step"], 36), int(match["option"] or 0))


class JointButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=rf"{PREFIX}:(?P<action>{'|'.join(JointAction)}):(?P<packed>.*)",
):
    """One button of a joint poem."""

    def __init__(
        self,
        label: str,
        action: JointAction,
        packed: str,
        *,
        style: discord.ButtonStyle = discord.ButtonStyle.secondary,
        row: int = 0,
    ) -> None:
        button: discord.ui.Button[discord.ui.View] = discord.ui.Button(
            label=label, style=style, custom_id=f"{PREFIX}:{action}:{packed}"
        )
        super().__init__(button, row=row)
        self.action, self.packed = action, packed

    @classmethod
    async def from_custom_id(
        cls, _: discord.Interaction[Any], __: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls("", JointAction(match["action"]), match["packed"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await press(interaction, COG_NAME, self.action, self.packed)


def joint_view(poem: JointPoem) -> discord.ui.View:
    """Return the buttons that a joint poem has now; of one that has ended, only Delete."""
    if poem.phase is Phase.ENDED:
        return growing_view(poem.owner)
    view = discord.ui.View(timeout=None)
    packed = f"{poem.key}:{base36(poem.step)}"
    primary = discord.ButtonStyle.primary
    options = len(poem.candidates) if poem.vote is None else len(poem.vote.options)
    for number in range(1, options + 1):
        row, option = (number - 1) // PER_ROW, f"{packed}:{number}"
        label = say("Take {number}", number=number)
        if poem.vote is not None:
            label = say("Vote {number}", number=number)
        button = JointButton(label, JointAction.TAKE, option, style=primary, row=row)
        view.add_item(button)
    below = -(-options // PER_ROW)
    if poem.phase is Phase.PAUSED and not poem.is_whole:
        view.add_item(JointButton(say("Go on"), JointAction.GO, packed, style=primary, row=below))
        below += 1
    for label, action in _actions(poem):
        is_next = poem.is_whole and action is JointAction.FINISH
        style = primary if is_next else discord.ButtonStyle.secondary
        view.add_item(JointButton(label, action, packed, style=style, row=below))
    view.stop()  # the client need not remember it: the custom_ids say everything
    return view


def _actions(poem: JointPoem) -> Iterator[tuple[str, JointAction]]:
    if not poem.is_busy:
        if poem.takes(is_edit=False):
            yield say("Propose a line") if poem.by_vote else say("Write a line"), JointAction.WRITE
        if poem.takes(is_edit=True):
            yield say("Edit last line"), JointAction.EDIT
        if poem.vote is not None:
            yield say("Count now"), JointAction.COUNT
        if poem.can_undo:
            yield say("Undo"), JointAction.UNDO
        yield say("Finish") if poem.is_whole else say("Finish it for me"), JointAction.FINISH
    yield say("Stop"), JointAction.STOP


# The form


def line_form(poem: JointPoem, action: JointAction) -> discord.ui.Modal:
    """Return the form for the next line, or with EDIT for the last one once more."""
    is_edit = action is JointAction.EDIT
    number = len(poem.lines) + (0 if is_edit else 1)
    wanted = "" if is_edit else wish_for_next(poem, ", ")
    typed: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=LINE,
        max_length=MAX_LINE,
        default=poem.lines[-1].text[:MAX_LINE] if is_edit else None,
    )
    label: discord.ui.Label[Any] = discord.ui.Label(
        text=say("Line {number} of {count}", number=number, count=poem.length)[:MAX_LABEL],
        description=(wanted[:1].upper() + wanted[1:])[:MAX_DESCRIPTION] or None,
        component=typed,
    )
    title = say("Edit the last line") if is_edit else say("Write a line")
    return make_form(title, f"{PREFIX}:{action}:{poem.key}:{base36(poem.step)}", label)


def is_line_form(interaction: discord.Interaction[Any]) -> bool:
    """Whether an interaction is a form that was filled in here, perhaps before a restart."""
    return match_form(interaction, _FORM) is not None


def read_line_form(
    interaction: discord.Interaction[Any],
) -> tuple[JointState | None, JointAction, str]:
    """Return what a form is for, and the line in it. All of it comes from a stranger."""
    match = match_form(interaction, _FORM)
    if match is None:
        return None, JointAction.WRITE, ""
    typed = "".join(read_form(interaction).get(LINE, ()))
    line = plain_words(typed, {})[:MAX_LINE]
    return read_joint_state(match["packed"]), JointAction(match["action"]), line
