"""/settings in a simulated Discord, and what they change about poems."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest
from simcord.actors import MemberActor
from simcord.backend.models.channel import Overwrite
from simcord.enums import OverwriteType

from bot.composition import Parts
from bot.core import tracing
from bot.core.customs import Customs
from bot.core.household import Household
from bot.discord_app.client import SonneteerBot
from tests.bot.discord_app.cogs.conftest import last
from tests.bot.discord_app.conftest import FAST, Stage
from tests.conftest import LogLines

# Refusals are meant: the simulation would have every error of a command acknowledged.
pytestmark = pytest.mark.simcord(check_errors=False)


@pytest.fixture
def simcord_bot(office_bot: SonneteerBot) -> SonneteerBot:
    return office_bot


async def test_what_is_settled_is_shown(stage: Stage, admin: MemberActor) -> None:
    result = await admin.slash(stage.channel, "settings show")
    assert result.ephemeral
    assert result.response is not None
    for words in ("everywhere", "everybody", "sonnet (the default)", "words to avoid: none"):
        assert words in result.response.content


async def test_poems_are_kept_to_a_channel(stage: Stage, admin: MemberActor) -> None:
    other = stage.guild.create_text_channel("quiet")
    await admin.slash(stage.channel, "settings channels", change="add", channel=other)
    await stage.ann.send(stage.channel, "!sonnet --form free rain")
    assert last(stage).content == f"Poems are written in other channels here: <#{other.id}>."
    await stage.ann.send(other, "!sonnet --form free rain")
    assert "random seed" in str(other.last_message and other.last_message.content)


async def test_poems_are_for_a_role(stage: Stage, admin: MemberActor) -> None:
    poets = stage.guild.create_role("poets")
    poet = stage.guild.add_member(stage.env.create_user("paul"), roles=[poets])
    await admin.slash(stage.channel, "settings roles", change="add", role=poets)
    await stage.ann.send(stage.channel, "!sonnet --form free rain")
    assert "only members with certain roles" in last(stage).content
    await poet.send(stage.channel, "!sonnet --form free rain")
    assert "random seed" in last(stage).content


async def test_a_role_is_granted_what_admins_may(stage: Stage, admin: MemberActor) -> None:
    editors = stage.guild.create_role("scribes")
    editor = stage.guild.add_member(stage.env.create_user("eve"), roles=[editors])
    await editor.send(stage.channel, "!settings cooldown 1")
    assert last(stage).content.startswith("Only members who may manage")
    await admin.slash(stage.channel, "settings managers", change="add", role=editors)
    await editor.send(stage.channel, "!settings cooldown 1")
    assert "cooldown: 1 s" in last(stage).content


async def test_words_to_avoid_are_refused_in_seeds_and_taken_back(
    stage: Stage, admin: MemberActor
) -> None:
    await admin.send(stage.channel, "!settings avoid add Moon, june")
    assert "words to avoid: moon, june" in last(stage).content
    await stage.ann.send(stage.channel, "!sonnet --form free the moon")
    assert "has the word 'moon'" in last(stage).content
    await admin.send(stage.channel, "!settings avoid remove moon")
    await stage.ann.send(stage.channel, "!sonnet --form free the moon")
    assert "random seed" in last(stage).content
    await admin.send(stage.channel, "!settings avoid clear")
    assert "words to avoid: none" in last(stage).content


async def test_a_cooldown_holds_on_this_server(stage: Stage, admin: MemberActor) -> None:
    await admin.send(stage.channel, "!settings cooldown 30")
    await stage.ann.send(stage.channel, "!sonnet --form free rain")
    await stage.ann.send(stage.channel, "!sonnet --form free rain")
    assert last(stage).content.startswith("One poem at a time: please wait 30 s")


async def test_length_and_form_hold_where_nobody_says(stage: Stage, admin: MemberActor) -> None:
    await admin.send(stage.channel, "!settings form free")
    await admin.send(stage.channel, "!settings length 2")
    assert "length of free text: 2 lines" in last(stage).content
    await stage.ann.send(stage.channel, "!sonnet rain")
    verse = last(stage).content.partition("\n-# ")[0]
    assert len([line for line in verse.split("\n") if line.strip()]) == 2
    await admin.send(stage.channel, "!settings length")
    assert "length of free text: 14 lines (the default)" in last(stage).content


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("cooldown 9999", "between 0 and 3,600"),
        ("temperature 9", "between 0.05 and 2.0"),
        ("length 0", "between 1 and 500"),
        ("form limerick", "one of sonnet"),
        ("avoid add co-op", "single words"),
        ("avoid add", "named, to add it"),
        ("cooldown soon", "could not read that"),
        ("switch maybe", "could not read that"),
        ("channels sometimes", "could not read that"),
    ],
)
async def test_wrong_values_get_a_sentence(
    stage: Stage, admin: MemberActor, typed: str, sentence: str
) -> None:
    await admin.send(stage.channel, f"!settings {typed}")
    assert sentence in last(stage).content


class BrokenHousehold(Household):
    async def change(self, *_: object) -> Customs:
        tracing.log.warning("about to fail")
        raise RuntimeError("the desk broke")


class TestWithABrokenDesk:
    @pytest.fixture
    def simcord_bot(self, parts: Parts) -> SonneteerBot:
        household = BrokenHousehold.__new__(BrokenHousehold)
        return SonneteerBot(parts.service, replace(parts.office, household=household), tempo=FAST)

    async def test_a_command_has_one_number_from_the_log_to_the_apology(
        self, stage: Stage, admin: MemberActor, log_lines: LogLines
    ) -> None:
        result = await admin.slash(stage.channel, "settings cooldown", seconds=5.0)
        lines = [line for line in log_lines() if "request" in line]
        assert lines[0]["message"] == "about to fail"
        (number,) = {line["request"] for line in lines}
        assert number in str(result.response and result.response.content)


@pytest.mark.parametrize("typed", ["!settings avoid add gull", "!Settings Avoid Add Gull"])
async def test_settings_are_known_however_a_phone_writes_them(
    stage: Stage, admin: MemberActor, typed: str
) -> None:
    await admin.send(stage.channel, typed)
    assert "words to avoid: gull" in last(stage).content


async def test_a_form_is_known_in_capitals(stage: Stage, admin: MemberActor) -> None:
    await admin.send(stage.channel, "!Settings Form Haiku")
    assert "form: haiku" in last(stage).content


async def test_after_a_mention_a_command_with_a_subcommand_is_known_in_capitals(
    stage: Stage, admin: MemberActor
) -> None:
    me = stage.env.bot.user
    assert me is not None
    await admin.send(stage.channel, f"{me.mention} Settings Show")
    assert "Settings of this server" in last(stage).content
    await admin.send(stage.channel, f"{me.mention} Book List")
    assert "Books here" in last(stage).content


async def test_a_category_lets_poems_be_written_in_every_channel_in_it(
    stage: Stage, admin: MemberActor
) -> None:
    club = stage.guild.create_category("club")
    room = stage.guild.create_text_channel("room", category=club)
    await admin.slash(stage.channel, "settings channels", change="add", channel=club)
    await stage.ann.send(room, "!sonnet --form free rain")
    assert "random seed" in str(room.last_message and room.last_message.content)
    await stage.ann.send(stage.channel, "!sonnet --form free rain")
    assert last(stage).content == f"Poems are written in other channels here: <#{club.id}>."


@pytest.mark.parametrize("kind", ["voice", "stage", "news"])
async def test_poems_are_written_in_every_kind_of_channel_that_takes_messages(
    stage: Stage, admin: MemberActor, kind: str
) -> None:
    channel = getattr(stage.guild, f"create_{kind}_channel")("place")
    await admin.slash(stage.channel, "settings channels", change="add", channel=channel)
    await stage.ann.send(channel, "!sonnet --form free rain")
    assert "random seed" in str(channel.last_message and channel.last_message.content)


async def test_a_channel_that_was_deleted_is_told_and_dropped_with_the_next_change(
    stage: Stage, admin: MemberActor
) -> None:
    gone, stays = (stage.guild.create_text_channel(name) for name in ("gone", "stays"))
    await admin.slash(stage.channel, "settings channels", change="add", channel=gone)
    stage.env.backend.delete_channel(gone.id)
    await stage.env.settle()
    await admin.send(stage.channel, "!settings show")
    assert "1 of these channels are not channels of this server any more" in last(stage).content
    await admin.send(stage.channel, "!sonnet --form free rain")
    assert "You can change that: /settings channels." in last(stage).content
    await admin.slash(stage.channel, "settings channels", change="add", channel=stays)
    await admin.send(stage.channel, "!settings show")
    assert f"channels for poems: <#{stays.id}>\n" in last(stage).content
    assert "any more" not in last(stage).content


async def test_a_role_that_was_deleted_is_told(stage: Stage, admin: MemberActor) -> None:
    gone = stage.guild.create_role("gone")
    await admin.slash(stage.channel, "settings roles", change="add", role=gone)
    stage.env.backend.delete_role(stage.guild.id, gone.id)
    await stage.env.settle()
    await admin.send(stage.channel, "!settings show")
    assert "1 of these roles are not roles of this server any more" in last(stage).content


@pytest.mark.parametrize("setting", ["roles", "managers"])
async def test_the_role_that_everybody_has_is_refused(
    stage: Stage, admin: MemberActor, setting: str
) -> None:
    everyone = stage.guild.default_role
    result = await admin.slash(stage.channel, f"settings {setting}", change="add", role=everyone)
    assert "not everybody has" in str(result.response and result.response.content)
    await admin.send(stage.channel, "!settings show")
    assert "who may ask: everybody" in last(stage).content


async def test_a_channel_in_which_the_bot_may_not_write_is_named(
    stage: Stage, admin: MemberActor
) -> None:
    closed = stage.guild.create_text_channel("closed")
    me = stage.env.bot.user
    assert me is not None
    mute = discord.Permissions(send_messages=True).value
    stage.env.backend.set_overwrite(closed.id, Overwrite(me.id, OverwriteType.MEMBER, deny=mute))
    await stage.env.settle()
    await admin.slash(stage.channel, "settings channels", change="add", channel=closed)
    await admin.send(stage.channel, "!settings show")
    assert f"In <#{closed.id}> I may not see and send messages" in last(stage).content


async def test_no_channel_makes_a_manager_or_unmakes_one(stage: Stage, admin: MemberActor) -> None:
    manages = discord.Permissions(manage_guild=True).value
    for overwrite in (
        Overwrite(stage.ann.id, OverwriteType.MEMBER, allow=manages),
        Overwrite(admin.id, OverwriteType.MEMBER, deny=manages),
    ):
        stage.env.backend.set_overwrite(stage.channel.id, overwrite)
    await stage.env.settle()
    for member, told in ((stage.ann, "Only members who may manage"), (admin, "cooldown: 7 s")):
        result = await member.slash(stage.channel, "settings cooldown", seconds=7.0)
        assert told in str(result.response and result.response.content)
        await member.send(stage.channel, "!settings cooldown 7")
        assert told in last(stage).content
