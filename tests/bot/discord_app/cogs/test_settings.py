"""/settings in a simulated Discord, and what they change about poems."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest
from simcord.actors import MemberActor
from simcord.backend.models.channel import Overwrite
from simcord.enums import OverwriteType

from bot.core import request_log
from bot.core.application import App
from bot.core.guild_settings import GuildSettings
from bot.core.guilds import Guilds
from bot.discord_app.client import SonneteerBot
from bot.discord_app.panels import shown_text
from tests.bot.discord_app.cogs.conftest import last
from tests.bot.discord_app.conftest import FAST, Simulation
from tests.conftest import LogLines

# Refusals are meant: the simulation would have every error of a command acknowledged.
pytestmark = pytest.mark.simcord(check_errors=False)


@pytest.fixture
def simcord_bot(app_bot: SonneteerBot) -> SonneteerBot:
    return app_bot


async def test_what_is_settled_is_shown(simulation: Simulation, admin: MemberActor) -> None:
    result = await admin.slash(simulation.channel, "settings show")
    assert result.ephemeral
    assert result.response is not None
    for words in ("everywhere", "everyone", "sonnet (the default)", "words to avoid: none"):
        assert words in shown_text(result.response.message)


async def test_poems_are_kept_to_a_channel(simulation: Simulation, admin: MemberActor) -> None:
    other = simulation.guild.create_text_channel("quiet")
    await admin.slash(simulation.channel, "settings channels", change="add", channel=other)
    await simulation.ann.send(simulation.channel, "!sonnet --form free rain")
    assert last(simulation).content == f"On this server I write poems only in <#{other.id}>."
    await simulation.ann.send(other, "!sonnet --form free rain")
    assert "random seed" in str(other.last_message and other.last_message.content)


async def test_poems_are_for_a_role(simulation: Simulation, admin: MemberActor) -> None:
    poets = simulation.guild.create_role("poets")
    engine = simulation.guild.add_member(simulation.env.create_user("paul"), roles=[poets])
    await admin.slash(simulation.channel, "settings roles", change="add", role=poets)
    await simulation.ann.send(simulation.channel, "!sonnet --form free rain")
    assert "only members with certain roles" in last(simulation).content
    await engine.send(simulation.channel, "!sonnet --form free rain")
    assert "random seed" in last(simulation).content


async def test_a_role_is_granted_what_admins_may(
    simulation: Simulation, admin: MemberActor
) -> None:
    editors = simulation.guild.create_role("scribes")
    editor = simulation.guild.add_member(simulation.env.create_user("eve"), roles=[editors])
    await editor.send(simulation.channel, "!settings cooldown 1")
    assert last(simulation).content.startswith("Only members who may manage")
    await admin.slash(simulation.channel, "settings managers", change="add", role=editors)
    await editor.send(simulation.channel, "!settings cooldown 1")
    assert "cooldown: 1 s" in last(simulation).content


async def test_words_to_avoid_are_refused_in_seeds_and_taken_back(
    simulation: Simulation, admin: MemberActor
) -> None:
    await admin.send(simulation.channel, "!settings avoid add Moon, june")
    assert "words to avoid: moon, june" in last(simulation).content
    await simulation.ann.send(simulation.channel, "!sonnet --form free the moon")
    assert "has the word 'moon'" in last(simulation).content
    await admin.send(simulation.channel, "!settings avoid remove moon")
    await simulation.ann.send(simulation.channel, "!sonnet --form free the moon")
    assert "random seed" in last(simulation).content
    await admin.send(simulation.channel, "!settings avoid clear")
    assert "words to avoid: none" in last(simulation).content


async def test_a_cooldown_holds_on_this_server(simulation: Simulation, admin: MemberActor) -> None:
    await admin.send(simulation.channel, "!settings cooldown 30")
    await simulation.ann.send(simulation.channel, "!sonnet --form free rain")
    await simulation.ann.send(simulation.channel, "!sonnet --form free rain")
    assert last(simulation).content.startswith("Please wait 30 s before you ask for another poem")


async def test_length_and_form_hold_where_nobody_says(
    simulation: Simulation, admin: MemberActor
) -> None:
    await admin.send(simulation.channel, "!settings form free")
    await admin.send(simulation.channel, "!settings length 2")
    assert "length of free text: 2 lines" in last(simulation).content
    await simulation.ann.send(simulation.channel, "!sonnet rain")
    verse = last(simulation).content.partition("\n-# ")[0]
    assert len([line for line in verse.split("\n") if line.strip()]) == 2
    await admin.send(simulation.channel, "!settings length")
    assert "length of free text: 14 lines (the default)" in last(simulation).content


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("cooldown 9999", "between 0 and 3,600"),
        ("temperature 9", "between 0.05 and 2.0"),
        ("length 0", "between 1 and 500"),
        ("form limerick", "one of sonnet"),
        ("avoid add co-op", "single words"),
        ("avoid add", "Name words to add."),
        ("cooldown soon", "did not understand that"),
        ("switch maybe", "did not understand that"),
        ("channels sometimes", "did not understand that"),
    ],
)
async def test_wrong_values_get_a_sentence(
    simulation: Simulation, admin: MemberActor, typed: str, sentence: str
) -> None:
    await admin.send(simulation.channel, f"!settings {typed}")
    assert sentence in last(simulation).content


class BrokenGuilds(Guilds):
    def guild_settings(self, _: str) -> GuildSettings:
        return GuildSettings()

    async def change(self, *_: object) -> GuildSettings:
        request_log.log.warning("about to fail")
        raise RuntimeError("the queue broke")


class TestWithBrokenGuilds:
    @pytest.fixture
    def simcord_bot(self, app: App) -> SonneteerBot:
        guilds = BrokenGuilds.__new__(BrokenGuilds)
        return SonneteerBot(replace(app, guilds=guilds), timing=FAST)

    async def test_a_command_has_one_number_from_the_log_to_the_apology(
        self, simulation: Simulation, admin: MemberActor, log_lines: LogLines
    ) -> None:
        result = await admin.slash(simulation.channel, "settings cooldown", seconds=5.0)
        lines = [line for line in log_lines() if "request" in line]
        assert lines[0]["message"] == "about to fail"
        (number,) = {line["request"] for line in lines}
        assert number in str(result.response and result.response.content)


@pytest.mark.parametrize("typed", ["!settings avoid add gull", "!Settings Avoid Add Gull"])
async def test_settings_are_known_however_a_phone_writes_them(
    simulation: Simulation, admin: MemberActor, typed: str
) -> None:
    await admin.send(simulation.channel, typed)
    assert "words to avoid: gull" in last(simulation).content


async def test_a_form_is_known_in_capitals(simulation: Simulation, admin: MemberActor) -> None:
    await admin.send(simulation.channel, "!Settings Form Haiku")
    assert "form: haiku" in last(simulation).content


async def test_after_a_mention_a_command_with_a_subcommand_is_known_in_capitals(
    simulation: Simulation, admin: MemberActor
) -> None:
    me = simulation.env.bot.user
    assert me is not None
    await admin.send(simulation.channel, f"{me.mention} Settings Show")
    assert "Settings of this server" in last(simulation).content
    await admin.send(simulation.channel, f"{me.mention} Book List")
    assert "Books in this server" in last(simulation).content


async def test_a_category_lets_poems_be_written_in_every_channel_in_it(
    simulation: Simulation, admin: MemberActor
) -> None:
    club = simulation.guild.create_category("club")
    room = simulation.guild.create_text_channel("room", category=club)
    await admin.slash(simulation.channel, "settings channels", change="add", channel=club)
    await simulation.ann.send(room, "!sonnet --form free rain")
    assert "random seed" in str(room.last_message and room.last_message.content)
    await simulation.ann.send(simulation.channel, "!sonnet --form free rain")
    assert last(simulation).content == f"On this server I write poems only in <#{club.id}>."


@pytest.mark.parametrize("kind", ["voice", "stage", "news"])
async def test_poems_are_written_in_every_kind_of_channel_that_takes_messages(
    simulation: Simulation, admin: MemberActor, kind: str
) -> None:
    channel = getattr(simulation.guild, f"create_{kind}_channel")("place")
    await admin.slash(simulation.channel, "settings channels", change="add", channel=channel)
    await simulation.ann.send(channel, "!sonnet --form free rain")
    assert "random seed" in str(channel.last_message and channel.last_message.content)


async def test_a_channel_that_was_deleted_is_told_and_dropped_with_the_next_change(
    simulation: Simulation, admin: MemberActor
) -> None:
    gone, stays = (simulation.guild.create_text_channel(name) for name in ("gone", "stays"))
    await admin.slash(simulation.channel, "settings channels", change="add", channel=gone)
    simulation.env.backend.delete_channel(gone.id)
    await simulation.env.settle()
    await admin.send(simulation.channel, "!settings show")
    assert "1 of these channels no longer exists" in last(simulation).content
    await admin.send(simulation.channel, "!sonnet --form free rain")
    assert "You can change that: /settings channels." in last(simulation).content
    await admin.slash(simulation.channel, "settings channels", change="add", channel=stays)
    await admin.send(simulation.channel, "!settings show")
    assert f"channels for poems: <#{stays.id}>\n" in last(simulation).content
    assert "any more" not in last(simulation).content


async def test_a_role_that_was_deleted_is_told(simulation: Simulation, admin: MemberActor) -> None:
    gone = simulation.guild.create_role("gone")
    await admin.slash(simulation.channel, "settings roles", change="add", role=gone)
    simulation.env.backend.delete_role(simulation.guild.id, gone.id)
    await simulation.env.settle()
    await admin.send(simulation.channel, "!settings show")
    assert "1 of these roles no longer exists" in last(simulation).content


@pytest.mark.parametrize("setting", ["roles", "managers"])
async def test_the_role_that_everybody_has_is_refused(
    simulation: Simulation, admin: MemberActor, setting: str
) -> None:
    everyone = simulation.guild.default_role
    result = await admin.slash(
        simulation.channel, f"settings {setting}", change="add", role=everyone
    )
    assert "only some members have" in str(result.response and result.response.content)
    await admin.send(simulation.channel, "!settings show")
    assert "who may ask: everyone" in last(simulation).content


async def test_a_channel_in_which_the_bot_may_not_write_is_named(
    simulation: Simulation, admin: MemberActor
) -> None:
    closed = simulation.guild.create_text_channel("closed")
    me = simulation.env.bot.user
    assert me is not None
    mute = discord.Permissions(send_messages=True).value
    simulation.env.backend.set_overwrite(
        closed.id, Overwrite(me.id, OverwriteType.MEMBER, deny=mute)
    )
    await simulation.env.settle()
    await admin.slash(simulation.channel, "settings channels", change="add", channel=closed)
    await admin.send(simulation.channel, "!settings show")
    assert f"I cannot read or send messages in <#{closed.id}>" in last(simulation).content


async def test_no_channel_makes_a_manager_or_unmakes_one(
    simulation: Simulation, admin: MemberActor
) -> None:
    manages = discord.Permissions(manage_guild=True).value
    for overwrite in (
        Overwrite(simulation.ann.id, OverwriteType.MEMBER, allow=manages),
        Overwrite(admin.id, OverwriteType.MEMBER, deny=manages),
    ):
        simulation.env.backend.set_overwrite(simulation.channel.id, overwrite)
    await simulation.env.settle()
    for member, told in ((simulation.ann, "Only members who may manage"), (admin, "cooldown: 7 s")):
        result = await member.slash(simulation.channel, "settings cooldown", seconds=7.0)
        assert told in str(result.response and result.response.content)
        await member.send(simulation.channel, "!settings cooldown 7")
        assert told in last(simulation).content
