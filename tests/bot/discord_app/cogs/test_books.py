"""/book and /train in a simulated Discord: slash, prefix and mention; members and admins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest
from simcord.actors import MemberActor

from bot.composition import Parts
from bot.discord_app.client import SonneteerBot
from bot.discord_app.replies import unescape
from tests.bot.discord_app.cogs.conftest import last, seen
from tests.bot.discord_app.conftest import Stage
from tests.offices import FakeTrainer
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
def simcord_bot(office_bot: SonneteerBot) -> SonneteerBot:
    return office_bot


async def add(stage: Stage, admin: MemberActor, name: str = "") -> None:
    """Let an admin add a book and say yes to it."""
    await admin.send(stage.channel, f"!book add {name}", attachments=FILE)
    await admin.click(last(stage), label="Train")


@pytest.mark.parametrize("command", COMMANDS)
async def test_members_are_refused_to_their_faces_alone(stage: Stage, command: str) -> None:
    result = await stage.ann.slash(stage.channel, command, **COMMANDS[command][1])
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content.startswith(REFUSAL)
    assert stage.answers == []


@pytest.mark.parametrize("way", ["prefix", "mention"])
@pytest.mark.parametrize("command", COMMANDS)
async def test_members_are_refused_by_message_too(stage: Stage, command: str, way: str) -> None:
    me = stage.env.bot.user
    assert me is not None
    lead = "!" if way == "prefix" else f"{me.mention} "
    await stage.ann.send(stage.channel, f"{lead}{command} {COMMANDS[command][0]}".rstrip())
    assert [answer[: len(REFUSAL)] for answer in stage.answers] == [REFUSAL]


async def test_a_proposal_shows_what_was_found(stage: Stage, admin: MemberActor) -> None:
    await admin.send(stage.channel, "!book add", attachments=FILE)
    shown = last(stage).content
    for words in ("**walks** (an attachment)", f"{len(LONG):,} characters", "> A miller went by"):
        assert words in shown
    assert "Shall I train on it?" in shown


async def test_nobody_else_can_say_yes(stage: Stage, admin: MemberActor) -> None:
    await admin.send(stage.channel, "!book add", attachments=FILE)
    result = await stage.ann.click(last(stage), label="Train")
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content == "Only whoever asked can press that."


async def test_no_throws_the_book_away(
    stage: Stage, admin: MemberActor, tmp_path: Path, trainer: FakeTrainer
) -> None:
    await admin.send(stage.channel, "!book add", attachments=FILE)
    await admin.click(last(stage), label="No")
    assert "thrown away" in last(stage).content
    assert not list((tmp_path / "data" / "jobs").iterdir())
    assert trainer.orders == []


async def test_a_short_book_is_asked_about_twice(
    stage: Stage, admin: MemberActor, trainer: FakeTrainer
) -> None:
    short = [("walks.txt", VERSES.encode())]
    await admin.send(stage.channel, "!book add", attachments=short)
    asked = last(stage)
    await admin.click(asked, label="Train")
    assert "word for word" in seen(stage, asked.id).content
    assert trainer.orders == []
    await admin.click(seen(stage, asked.id), label="Yes, train on it")
    assert "From now on" in seen(stage, asked.id).content


async def test_a_refused_book_is_told_to_the_asker_alone(stage: Stage, admin: MemberActor) -> None:
    result = await admin.slash(stage.channel, "book add", file=("walks.txt", b"%PDF-1.7" * 999))
    told = [message for message in result.followups if message.ephemeral]
    assert ["it is a PDF" in message.content for message in told] == [True]
    assert stage.answers == []


async def test_a_file_and_an_address_at_once_are_refused(stage: Stage, admin: MemberActor) -> None:
    both = {"file": ("walks.txt", LONG), "source": "1041", "name": "x"}
    result = await admin.slash(stage.channel, "book add", **both)
    assert result.response is not None
    assert "one file, one address or one number" in result.response.content


async def test_the_list_marks_what_writes_here(stage: Stage, admin: MemberActor) -> None:
    await add(stage, admin)
    await stage.ann.send(stage.channel, "!book list")
    shown = last(stage).content
    assert "▸ `walks` · The Book of Walks · loss" in shown
    assert "this server's" in shown
    assert "  `sonnets`" in shown


async def test_a_file_that_is_gone_is_told_in_the_list_and_under_poems(
    stage: Stage, admin: MemberActor, tmp_path: Path
) -> None:
    await add(stage, admin)
    for path in (tmp_path / "data" / "guilds").rglob("walks.*"):
        path.unlink()
    await admin.send(stage.channel, "!book list")
    assert "⚠ The file of `walks` is gone" in last(stage).content
    await stage.ann.send(stage.channel, "!sonnet --form free the rain")
    assert "walks" in unescape(last(stage).content.rpartition("-# ")[2])
    assert "sonnets" in last(stage).content
    result = await admin.slash(stage.channel, "book remove", name="walks")
    assert result.response is not None
    await admin.click(result.response, label="Delete it")
    await admin.send(stage.channel, "!book list")
    assert "⚠" not in last(stage).content


async def test_info_shows_the_chart(stage: Stage, admin: MemberActor) -> None:
    await add(stage, admin)
    result = await stage.ann.slash(stage.channel, "book info", name="walks")
    assert result.response is not None
    assert "from an attachment" in result.response.content
    assert [file.filename for file in result.response.attachments] == ["loss.png"]


async def test_share_hands_out_the_model_file(stage: Stage, admin: MemberActor) -> None:
    await add(stage, admin)
    result = await admin.slash(stage.channel, "book share", name="walks")
    assert result.response is not None
    assert [file.filename for file in result.response.attachments] == ["walks.safetensors"]


async def test_use_and_undo_change_what_writes(stage: Stage, admin: MemberActor) -> None:
    await add(stage, admin)
    await admin.send(stage.channel, "!book use sonnets")
    assert "From now on poems come from sonnets" in last(stage).content
    await admin.send(stage.channel, "!book undo")
    assert "Poems come from walks again" in last(stage).content


async def test_removing_asks_first_and_can_be_declined(
    stage: Stage, admin: MemberActor, parts: Parts
) -> None:
    await add(stage, admin)
    result = await admin.slash(stage.channel, "book remove", name="WALKS")
    assert result.response is not None
    await admin.click(result.response, label="Keep it")
    assert {model.name for model in parts.service.models(str(stage.guild.id))} == {
        "sonnets",
        "walks",
    }


async def test_names_are_suggested_with_the_servers_own(stage: Stage, admin: MemberActor) -> None:
    await add(stage, admin)
    for command in ("book info", "book use", "book remove", "book share"):
        choices = await admin.autocomplete(stage.channel, command, "name", "wal")
        assert [choice["value"] for choice in choices] == ["walks"]
    choices = await stage.ann.autocomplete(stage.channel, "sonnet", "model", "wal")
    assert [choice["value"] for choice in choices] == ["walks"]


async def test_another_server_sees_nothing_of_it(stage: Stage, admin: MemberActor) -> None:
    await add(stage, admin)
    guild = stage.env.create_guild()
    channel = guild.create_text_channel("elsewhere")
    everybody = guild.create_role("all", permissions=discord.Permissions.all())
    boss = guild.add_member(stage.env.create_user("bo"), roles=[everybody])
    assert await boss.autocomplete(channel, "book use", "name", "wal") == []
    for command in ("book info", "book use", "book remove", "book share"):
        result = await boss.slash(channel, command, name="walks")
        told = result.response or result.followups[0]
        assert told.ephemeral
        assert "There is no model called 'walks'. Choose one of: sonnets." in told.content
    await boss.send(channel, "!sonnet --model walks the rain")
    assert "no model called" in str(channel.last_message and channel.last_message.content)


async def test_status_shows_limits_when_nothing_is_trained(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "!train status")
    assert last(stage).content == "No training is under way. /book add begins one."


async def test_a_group_alone_tells_its_commands(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "!book")
    assert "`!book add NAME` with a file attached" in last(stage).content


@pytest.mark.parametrize("words", ["book of hours", "settings of stone", "about love", "train me"])
async def test_a_mention_that_is_no_command_is_a_seed(stage: Stage, words: str) -> None:
    me = stage.env.bot.user
    assert me is not None
    await stage.ann.send(stage.channel, f"{me.mention} {words}")
    assert last(stage).content.startswith(words.split()[0])
    assert "random seed" in last(stage).content


async def test_in_a_direct_message_books_are_refused(stage: Stage) -> None:
    await stage.ann.user.send_dm("!book list")
    message = stage.ann.user.dm_channel.last_message
    assert message is not None
    assert message.content == "This command works on servers only."
