"""/book and /train in a simulated Discord: slash, prefix and mention; members and admins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest
from simcord.actors import MemberActor

from bot.core.application import App
from bot.discord_app.client import SonneteerBot
from bot.discord_app.panels import shown_text
from bot.discord_app.poem_formatting import unescape
from tests.apps import FakeTrainer
from tests.bot.discord_app.cogs.conftest import last, seen
from tests.bot.discord_app.conftest import Simulation
from tests.texts import VERSES, quatrains

LONG = quatrains(200).encode()
REFUSAL = "Only members who may manage this server"
FILE = [("walks.txt", LONG)]

COMMANDS: dict[str, tuple[str, dict[str, Any]]] = {
    "book add": ("https://example.org/book.txt", {"source": "https://example.org/book.txt"}),
    "book use": ("walks", {"name": "walks"}),
    "book undo": ("", {}),
    "book remove": ("walks", {"name": "walks"}),
    "book share": ("walks", {"name": "walks"}),
    "train cancel": ("", {}),
    "settings show": ("", {}),
    "settings cooldown": ("9", {"seconds": 9.0}),
    "settings switch": ("off", {"on": False}),
    "settings avoid": ("add moon", {"change": "add", "words": "moon"}),
    "settings channels": ("clear", {"change": "clear"}),
    "settings roles": ("clear", {"change": "clear"}),
    "settings managers": ("clear", {"change": "clear"}),
    "settings form": ("haiku", {"form": "haiku"}),
    "settings length": ("9", {"lines": 9}),
    "settings temperature": ("0.9", {"temperature": 0.9}),
}

# Refusals are meant: the simulation would have every error of a command acknowledged.
pytestmark = pytest.mark.simcord(check_errors=False)


@pytest.fixture
def simcord_bot(app_bot: SonneteerBot) -> SonneteerBot:
    return app_bot


async def add(simulation: Simulation, admin: MemberActor, name: str = "") -> None:
    """Let an admin add a book and say yes to it."""
    await admin.send(simulation.channel, f"!book add {name}", attachments=FILE)
    await admin.click(last(simulation), label="Train")


@pytest.mark.parametrize("command", COMMANDS)
async def test_members_are_refused_to_their_faces_alone(
    simulation: Simulation, command: str
) -> None:
    result = await simulation.ann.slash(simulation.channel, command, **COMMANDS[command][1])
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content.startswith(REFUSAL)
    assert simulation.answers == []


@pytest.mark.parametrize("way", ["prefix", "mention"])
@pytest.mark.parametrize("command", COMMANDS)
async def test_members_are_refused_by_message_too(
    simulation: Simulation, command: str, way: str
) -> None:
    me = simulation.env.bot.user
    assert me is not None
    lead = "!" if way == "prefix" else f"{me.mention} "
    await simulation.ann.send(
        simulation.channel, f"{lead}{command} {COMMANDS[command][0]}".rstrip()
    )
    assert [answer[: len(REFUSAL)] for answer in simulation.answers] == [REFUSAL]


async def test_a_proposal_shows_what_was_found(simulation: Simulation, admin: MemberActor) -> None:
    await admin.send(simulation.channel, "!book add", attachments=FILE)
    shown = last(simulation).content
    for words in ("**walks** (an attachment)", f"{len(LONG):,} characters", "> A miller went by"):
        assert words in shown
    assert "Train on this book?" in shown


async def test_nobody_else_can_say_yes(simulation: Simulation, admin: MemberActor) -> None:
    await admin.send(simulation.channel, "!book add", attachments=FILE)
    result = await simulation.ann.click(last(simulation), label="Train")
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content == "Only the person who asked can use this button."


async def test_no_throws_the_book_away(
    simulation: Simulation, admin: MemberActor, tmp_path: Path, trainer: FakeTrainer
) -> None:
    await admin.send(simulation.channel, "!book add", attachments=FILE)
    await admin.click(last(simulation), label="No")
    assert "discarded" in last(simulation).content
    assert not list((tmp_path / "data" / "jobs").iterdir())
    assert trainer.specs == []


async def test_a_short_book_is_asked_about_twice(
    simulation: Simulation, admin: MemberActor, trainer: FakeTrainer
) -> None:
    short = [("walks.txt", VERSES.encode())]
    await admin.send(simulation.channel, "!book add", attachments=short)
    asked = last(simulation)
    await admin.click(asked, label="Train")
    assert "word for word" in seen(simulation, asked.id).content
    assert trainer.specs == []
    await admin.click(seen(simulation, asked.id), label="Yes, train on it")
    assert "Poems in this server now come from" in shown_text(seen(simulation, asked.id))


async def test_a_refused_book_is_told_to_the_asker_alone(
    simulation: Simulation, admin: MemberActor
) -> None:
    result = await admin.slash(
        simulation.channel, "book add", file=("walks.txt", b"%PDF-1.7" * 999)
    )
    told = [message for message in result.followups if message.ephemeral]
    assert ["it is a PDF" in message.content for message in told] == [True]
    assert simulation.answers == []


async def test_a_file_and_an_address_at_once_are_refused(
    simulation: Simulation, admin: MemberActor
) -> None:
    both = {"file": ("walks.txt", LONG), "source": "1041", "name": "x"}
    result = await admin.slash(simulation.channel, "book add", **both)
    assert result.response is not None
    assert (
        "an attached file, a web address or a Project Gutenberg number" in result.response.content
    )


async def test_the_list_marks_what_writes_here(simulation: Simulation, admin: MemberActor) -> None:
    await add(simulation, admin)
    await simulation.ann.send(simulation.channel, "!book list")
    shown = last(simulation).content
    assert "▸ `walks` · The Book of Walks · loss" in shown
    assert "this server" in shown
    assert "  `sonnets`" in shown


async def test_a_file_that_is_gone_is_told_in_the_list_and_under_poems(
    simulation: Simulation, admin: MemberActor, tmp_path: Path
) -> None:
    await add(simulation, admin)
    for path in (tmp_path / "data" / "guilds").rglob("walks.*"):
        path.unlink()
    await admin.send(simulation.channel, "!book list")
    assert "⚠ The file of `walks` is missing" in last(simulation).content
    await simulation.ann.send(simulation.channel, "!sonnet --form free the rain")
    assert "walks" in unescape(last(simulation).content.rpartition("-# ")[2])
    assert "sonnets" in last(simulation).content
    result = await admin.slash(simulation.channel, "book remove", name="walks")
    assert result.response is not None
    await admin.click(result.response, label="Delete it")
    await admin.send(simulation.channel, "!book list")
    assert "⚠" not in last(simulation).content


async def test_info_shows_the_chart(simulation: Simulation, admin: MemberActor) -> None:
    await add(simulation, admin)
    result = await simulation.ann.slash(simulation.channel, "book info", name="walks")
    assert result.response is not None
    assert "from an attachment" in shown_text(result.response.message)
    assert [file.filename for file in result.response.attachments] == ["loss.png"]


async def test_info_after_the_prefix_is_a_panel_too(
    simulation: Simulation, admin: MemberActor
) -> None:
    await add(simulation, admin)
    await simulation.ann.send(simulation.channel, "!book info walks")
    message = last(simulation)
    assert message.flags.components_v2
    assert "from an attachment" in shown_text(message)
    assert [file.filename for file in message.attachments] == ["loss.png"]


async def test_the_buttons_of_a_finished_training_use_its_model_and_go_back(
    simulation: Simulation, admin: MemberActor
) -> None:
    await add(simulation, admin)
    report = last(simulation)
    await admin.click(report, label="Undo")
    assert last(simulation).content == "Poems come from sonnets again instead of walks."
    await admin.click(report, label="Use this model")
    assert "Poems in this server now come from walks" in last(simulation).content


async def test_undo_below_a_training_takes_back_no_other_choice(
    simulation: Simulation, admin: MemberActor
) -> None:
    await add(simulation, admin)
    report = last(simulation)
    await admin.send(simulation.channel, "!book use sonnets")
    result = await admin.click(report, label="Undo")
    [told] = result.followups
    assert told.ephemeral
    assert told.content == "Poems in this server do not come from 'walks' now."


async def test_members_cannot_use_the_buttons_of_a_model(
    simulation: Simulation, admin: MemberActor
) -> None:
    await add(simulation, admin)
    await simulation.ann.slash(simulation.channel, "book info", name="walks")
    for message in (report(simulation), last(simulation)):
        for label in ("Use this model", "Undo"):
            result = await simulation.ann.click(message, label=label)
            assert [told.content[: len(REFUSAL)] for told in result.followups] == [REFUSAL]
            assert result.followups[0].ephemeral


def report(simulation: Simulation) -> discord.Message:
    """Return the message that told of a training."""
    return next(each for each in simulation.channel.history() if "Trained" in shown_text(each))


async def test_share_hands_out_the_model_file(simulation: Simulation, admin: MemberActor) -> None:
    await add(simulation, admin)
    result = await admin.slash(simulation.channel, "book share", name="walks")
    assert result.response is not None
    assert [file.filename for file in result.response.attachments] == ["walks.safetensors"]


async def test_use_and_undo_change_what_writes(simulation: Simulation, admin: MemberActor) -> None:
    await add(simulation, admin)
    await admin.send(simulation.channel, "!book use sonnets")
    assert "Poems in this server now come from sonnets" in last(simulation).content
    await admin.send(simulation.channel, "!book undo")
    assert "Poems come from walks again" in last(simulation).content


async def test_removing_asks_first_and_can_be_declined(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    await add(simulation, admin)
    result = await admin.slash(simulation.channel, "book remove", name="WALKS")
    assert result.response is not None
    await admin.click(result.response, label="Keep it")
    assert {model.name for model in app.service.models(str(simulation.guild.id))} == {
        "sonnets",
        "walks",
    }


async def test_names_are_suggested_with_the_servers_own(
    simulation: Simulation, admin: MemberActor
) -> None:
    await add(simulation, admin)
    for command in ("book info", "book use", "book remove", "book share"):
        choices = await admin.autocomplete(simulation.channel, command, "name", "wal")
        assert [choice["value"] for choice in choices] == ["walks"]
    choices = await simulation.ann.autocomplete(simulation.channel, "sonnet", "model", "wal")
    assert [choice["value"] for choice in choices] == ["walks"]


async def test_another_server_sees_nothing_of_it(
    simulation: Simulation, admin: MemberActor
) -> None:
    await add(simulation, admin)
    guild = simulation.env.create_guild()
    channel = guild.create_text_channel("elsewhere")
    everybody = guild.create_role("all", permissions=discord.Permissions.all())
    boss = guild.add_member(simulation.env.create_user("bo"), roles=[everybody])
    assert await boss.autocomplete(channel, "book use", "name", "wal") == []
    for command in ("book info", "book use", "book remove", "book share"):
        result = await boss.slash(channel, command, name="walks")
        told = result.response or result.followups[0]
        assert told.ephemeral
        assert "There is no model called 'walks'. Choose one of: sonnets." in told.content
    await boss.send(channel, "!sonnet --model walks the rain")
    assert "no model called" in str(channel.last_message and channel.last_message.content)


async def test_status_shows_limits_when_nothing_is_trained(simulation: Simulation) -> None:
    await simulation.ann.send(simulation.channel, "!train status")
    assert last(simulation).content == "No training is running. Start one with /book add."


async def test_a_group_alone_tells_its_commands(simulation: Simulation) -> None:
    await simulation.ann.send(simulation.channel, "!book")
    assert "`!book add NAME` with an attached file" in last(simulation).content


@pytest.mark.parametrize("words", ["book of hours", "settings of stone", "about love", "train me"])
async def test_a_mention_that_is_no_command_is_a_seed(simulation: Simulation, words: str) -> None:
    me = simulation.env.bot.user
    assert me is not None
    await simulation.ann.send(simulation.channel, f"{me.mention} {words}")
    assert last(simulation).content.startswith(words.split()[0])
    assert "random seed" in last(simulation).content


async def test_in_a_direct_message_books_are_refused(simulation: Simulation) -> None:
    await simulation.ann.user.send_dm("!book list")
    message = simulation.ann.user.dm_channel.last_message
    assert message is not None
    assert message.content == "This command works only in a server."


async def test_a_channel_and_a_category_may_have_a_model_of_their_own(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    await add(simulation, admin, "walks")
    shelf = simulation.guild.create_category("shelf")
    other = simulation.guild.create_text_channel("other", category=shelf)
    place = simulation.channel
    await admin.slash(place, "book use", name="walks", channel=place)
    assert "come from walks" in last(simulation).content
    await admin.slash(place, "book use", name="sonnets", channel=shelf)
    settings = app.guilds.guild_settings(str(simulation.guild.id))
    assert settings.model_in(str(place.id)) != settings.model_in(str(shelf.id))
    assert settings.model_in("1") is None
    for where, model in ((place, "walks"), (other, "sonnets")):
        result = await admin.slash(where, "about")
        assert result.response is not None
        assert f"(`{model}`)" in result.response.content
    await admin.slash(place, "book undo", channel=place)
    assert "uses the server's model again" in last(simulation).content
    settings = app.guilds.guild_settings(str(simulation.guild.id))
    assert settings.model_in(str(place.id)) is None


async def test_a_model_that_is_removed_is_no_channels_model_any_more(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    await add(simulation, admin, "walks")
    place = simulation.channel
    await admin.slash(place, "book use", name="walks", channel=place)
    result = await admin.slash(place, "book remove", name="walks")
    assert result.response is not None
    await admin.click(result.response, label="Delete it")
    assert app.guilds.guild_settings(str(simulation.guild.id)).channel_models == ()
