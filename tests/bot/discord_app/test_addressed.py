"""How people name the bot, and what of a message it says that it did not read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest
from simcord.backend.models.channel import Overwrite
from simcord.enums import OverwriteType

from bot.discord_app.addressed import own_mentions, unread_note
from bot.discord_app.recipes import base36, pack_ownership
from tests.bot.discord_app.conftest import Stage
from tests.bot.discord_app.test_buttons import LONG
from tests.fakes import FakePoet


def message(**parts: Any) -> discord.Message:
    """Return as much of a message as is asked for here."""
    nothing: dict[str, Any] = {"attachments": [], "message_snapshots": [], "stickers": []}
    return cast(discord.Message, SimpleNamespace(**{**nothing, "poll": None, **parts}))


def test_the_role_that_discord_gave_the_bot_names_it_too() -> None:
    me = cast(discord.ClientUser, SimpleNamespace(id=7))
    guild = SimpleNamespace(self_role=SimpleNamespace(id=8))
    assert own_mentions(me, message(guild=guild)) == ("<@7>", "<@!7>", "<@&8>")
    assert own_mentions(me, message(guild=None)) == ("<@7>", "<@!7>")
    assert own_mentions(None, message(guild=guild)) == ()


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("attachments", "the attached file"),
        ("message_snapshots", "the forwarded message"),
        ("stickers", "the sticker"),
        ("poll", "the poll"),
    ],
)
def test_what_was_not_read_is_named(part: str, named: str) -> None:
    (sentence,) = unread_note(message(**{part: [object()]}))
    assert f"not {named}. Paste the words" in sentence


def test_a_message_of_words_alone_has_no_note() -> None:
    assert unread_note(message()) == ()


async def test_a_poem_tells_that_the_file_beside_its_seed_was_not_read(stage: Stage) -> None:
    await stage.ann.send(
        stage.channel, "!sonnet a rose", attachments=[("message.txt", b"many words")]
    )
    assert "not the attached file" in stage.answers[-1]


async def test_delete_takes_nothing_away_that_somebody_else_wrote(
    stage: Stage, poet: FakePoet
) -> None:
    theirs = await stage.ben.send(stage.channel, "keep this")
    await stage.ann.send(stage.channel, "!sonnet a rose")
    answer = stage.channel.last_message
    assert answer is not None
    forged = f"sonnet:delete:{pack_ownership(stage.ann.id, (theirs.id,))}"
    stored = stage.env.backend.get_message(stage.channel.id, answer.id)
    stored.components[0]["components"][-1]["custom_id"] = forged
    await stage.ann.click(answer, custom_id=forged)
    assert stage.answers == []
    assert "keep this" in [each.content for each in stage.channel.history()]


async def _forge(stage: Stage, message: discord.Message, packed: str) -> str:
    """Let the Delete of a message carry what the bot has not packed; return its custom_id."""
    forged = f"sonnet:delete:{packed}"
    stored = stage.env.backend.get_message(stage.channel.id, message.id)
    stored.components[0]["components"][-1]["custom_id"] = forged
    return forged


def _latest(stage: Stage) -> discord.Message:
    message = stage.channel.last_message
    assert message is not None
    return message


@pytest.mark.parametrize("way", ["prefix", "slash"])
async def test_delete_takes_no_poem_away_that_somebody_else_asked_for(
    stage: Stage, poet: FakePoet, way: str
) -> None:
    if way == "prefix":
        await stage.ben.send(stage.channel, "!sonnet a tree")
    else:
        await stage.ben.slash(stage.channel, "sonnet", seed="a tree")
    theirs = _latest(stage)
    await stage.ann.send(stage.channel, "!sonnet a rose")
    answer = _latest(stage)
    forged = await _forge(stage, answer, pack_ownership(stage.ann.id, (theirs.id,)))
    await stage.ann.click(answer, custom_id=forged)
    assert [each.startswith("a tree") for each in stage.answers] == [True]


async def test_a_button_that_names_another_asker_is_not_believed_of_a_poem_in_parts(
    stage: Stage, poet: FakePoet
) -> None:
    poet.text = LONG
    await stage.ann.send(stage.channel, "!sonnet a rose")
    answer = _latest(stage)
    parts = tuple(m.id for m in stage.channel.history() if m.author.bot and m.id != answer.id)
    forged = await _forge(stage, answer, pack_ownership(stage.ben.id, parts))
    await stage.ben.click(answer, custom_id=forged)
    assert len(stage.answers) == 3


async def test_again_reads_no_beginning_that_somebody_else_wrote(
    stage: Stage, poet: FakePoet
) -> None:
    theirs = await stage.ben.send(stage.channel, "a secret of mine")
    await stage.ann.send(stage.channel, "!sonnet a rose")
    answer = _latest(stage)
    stored = stage.env.backend.get_message(stage.channel.id, answer.id)
    button = stored.components[0]["components"][0]
    button["custom_id"] = button["custom_id"].rpartition(":")[0] + f":{base36(theirs.id)}"
    await stage.ann.click(answer, custom_id=button["custom_id"])
    assert len(poet.orders) == 1


async def test_a_poem_in_parts_goes_whole_where_the_bot_may_not_read_what_was_said(
    stage: Stage, poet: FakePoet
) -> None:
    poet.text = LONG
    await stage.ann.send(stage.channel, "!sonnet a rose")
    assert len(stage.answers) == 3
    me = stage.env.bot.user
    assert me is not None
    unheard = discord.Permissions(read_message_history=True, manage_messages=True).value
    hidden = Overwrite(me.id, OverwriteType.MEMBER, deny=unheard)
    stage.env.backend.set_overwrite(stage.channel.id, hidden)
    await stage.ann.click(_latest(stage), label="Delete")
    assert stage.answers == []
