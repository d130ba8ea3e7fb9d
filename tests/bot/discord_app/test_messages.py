"""How people name the bot, and what of a message it says that it did not read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest
from simcord.backend.models.channel import Overwrite
from simcord.enums import OverwriteType

from bot.discord_app.button_state import base36, pack_ownership
from bot.discord_app.messages import own_mentions, unread_note
from tests.bot.discord_app.conftest import Simulation
from tests.bot.discord_app.test_poem_buttons import LONG
from tests.fakes import FakeEngine


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
        ("attachments", "the attached file. Paste the text"),
        ("message_snapshots", "the forwarded message. Paste the text"),
        ("stickers", "the sticker."),
        ("poll", "the poll."),
    ],
)
def test_what_was_not_read_is_named(part: str, named: str) -> None:
    (sentence,) = unread_note(message(**{part: [object()]}))
    assert f"not {named}" in sentence


def test_a_message_of_words_alone_has_no_note() -> None:
    assert unread_note(message()) == ()


async def test_a_poem_tells_that_the_file_beside_its_seed_was_not_read(
    simulation: Simulation,
) -> None:
    await simulation.ann.send(
        simulation.channel, "!sonnet a rose", attachments=[("message.txt", b"many words")]
    )
    assert "not the attached file" in simulation.answers[-1]


async def test_delete_takes_nothing_away_that_somebody_else_wrote(
    simulation: Simulation, engine: FakeEngine
) -> None:
    theirs = await simulation.ben.send(simulation.channel, "keep this")
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    answer = simulation.channel.last_message
    assert answer is not None
    forged = f"sonnet:delete:{pack_ownership(simulation.ann.id, (theirs.id,))}"
    stored = simulation.env.backend.get_message(simulation.channel.id, answer.id)
    stored.components[0]["components"][-1]["custom_id"] = forged
    await simulation.ann.click(answer, custom_id=forged)
    assert simulation.answers == []
    assert "keep this" in [each.content for each in simulation.channel.history()]


async def _forge(simulation: Simulation, message: discord.Message, packed: str) -> str:
    """Let the Delete of a message carry what the bot has not packed; return its custom_id."""
    forged = f"sonnet:delete:{packed}"
    stored = simulation.env.backend.get_message(simulation.channel.id, message.id)
    stored.components[0]["components"][-1]["custom_id"] = forged
    return forged


def _latest(simulation: Simulation) -> discord.Message:
    message = simulation.channel.last_message
    assert message is not None
    return message


@pytest.mark.parametrize("way", ["prefix", "slash"])
async def test_delete_takes_no_poem_away_that_somebody_else_asked_for(
    simulation: Simulation, engine: FakeEngine, way: str
) -> None:
    if way == "prefix":
        await simulation.ben.send(simulation.channel, "!sonnet a tree")
    else:
        await simulation.ben.slash(simulation.channel, "sonnet", seed="a tree")
    theirs = _latest(simulation)
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    answer = _latest(simulation)
    forged = await _forge(simulation, answer, pack_ownership(simulation.ann.id, (theirs.id,)))
    await simulation.ann.click(answer, custom_id=forged)
    assert [each.startswith("a tree") for each in simulation.answers] == [True]


async def test_a_button_that_names_another_asker_is_not_believed_of_a_poem_in_parts(
    simulation: Simulation, engine: FakeEngine
) -> None:
    engine.text = LONG
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    answer = _latest(simulation)
    parts = tuple(m.id for m in simulation.channel.history() if m.author.bot and m.id != answer.id)
    forged = await _forge(simulation, answer, pack_ownership(simulation.ben.id, parts))
    await simulation.ben.click(answer, custom_id=forged)
    assert len(simulation.answers) == 3


async def test_again_reads_no_beginning_that_somebody_else_wrote(
    simulation: Simulation, engine: FakeEngine
) -> None:
    theirs = await simulation.ben.send(simulation.channel, "a secret of mine")
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    answer = _latest(simulation)
    stored = simulation.env.backend.get_message(simulation.channel.id, answer.id)
    button = stored.components[0]["components"][0]
    button["custom_id"] = button["custom_id"].rpartition(":")[0] + f":{base36(theirs.id)}"
    await simulation.ann.click(answer, custom_id=button["custom_id"])
    assert len(engine.engine_requests) == 1


async def test_a_poem_in_parts_goes_whole_where_the_bot_may_not_read_what_was_said(
    simulation: Simulation, engine: FakeEngine
) -> None:
    engine.text = LONG
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    assert len(simulation.answers) == 3
    me = simulation.env.bot.user
    assert me is not None
    unheard = discord.Permissions(read_message_history=True, manage_messages=True).value
    hidden = Overwrite(me.id, OverwriteType.MEMBER, deny=unheard)
    simulation.env.backend.set_overwrite(simulation.channel.id, hidden)
    await simulation.ann.click(_latest(simulation), label="Delete")
    assert simulation.answers == []
