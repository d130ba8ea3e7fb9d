"""The poem of the day and kept poems in a simulated Discord."""

from __future__ import annotations

from datetime import UTC, datetime

import discord
import pytest
from simcord.actors import MemberActor
from simcord.backend.models.channel import Overwrite
from simcord.builders import ChannelHandle
from simcord.enums import OverwriteType

from bot.core.application import App
from bot.core.guild_settings import GuildSettings
from bot.core.store.days import LOST, SentDay
from bot.discord_app.client import SonneteerBot
from bot.discord_app.cogs.poems import Poems
from bot.discord_app.daily_poems import DailyPoems
from bot.discord_app.panels import shown_text
from tests.bot.discord_app.cogs.conftest import last
from tests.bot.discord_app.conftest import Simulation

NOTE = "Poem of the day, 29 November 2026"
pytestmark = pytest.mark.simcord(check_errors=False)


@pytest.fixture
def simcord_bot(app_bot: SonneteerBot) -> SonneteerBot:
    return app_bot


class Day:
    """The clock that a test sets, and the bot that looks at it."""

    def __init__(self, simulation: Simulation, app: App) -> None:
        self.bot, self.app = simulation.env.bot, app
        self.now = datetime(2026, 11, 29, 7, 59, tzinfo=UTC)
        self.restart()

    def restart(self) -> None:
        self._poems = DailyPoems(self.bot, self.app, now=lambda: self.now)  # type: ignore[arg-type]

    async def look(self, day: int, hour: int, minute: int) -> None:
        self.now = datetime(2026, 11, day, hour, minute, tzinfo=UTC)
        await self._poems.send_due()


@pytest.fixture
async def day(simulation: Simulation, app: App) -> Day:
    assert isinstance(simulation.env.bot, SonneteerBot)
    own = simulation.env.bot.get_cog("Poems")
    assert isinstance(own, Poems)
    await own.daily.close()  # it looks at the real clock
    return Day(simulation, app)


@pytest.fixture
async def daily(simulation: Simulation, admin: MemberActor) -> None:
    result = await admin.slash(
        simulation.channel, "settings daily", channel=simulation.channel, form="free"
    )
    assert result.response is not None
    assert "at 08:00 UTC (free, a word from the date)" in result.response.content


def _mute(simulation: Simulation, channel: ChannelHandle) -> None:
    """Let the bot not write in a channel."""
    me = simulation.env.bot.user
    assert me is not None
    deny = discord.Permissions(send_messages=True).value
    simulation.env.backend.set_overwrite(
        channel.id, Overwrite(me.id, OverwriteType.MEMBER, deny=deny)
    )


def sent(simulation: Simulation) -> list[discord.Message]:
    return [each for each in simulation.channel.history() if "Poem of the day" in each.content]


async def test_it_comes_once_a_day_whatever_restarts(
    simulation: Simulation, day: Day, daily: None
) -> None:
    await day.look(29, 7, 59)
    assert not sent(simulation)
    for _ in range(2):
        await day.look(29, 8, 0)
        day.restart()
    (message,) = sent(simulation)
    assert message.content.startswith("Sunday")
    assert NOTE in message.content
    await day.look(30, 20, 0)  # the bot was away at eight
    assert len(sent(simulation)) == 2


@pytest.mark.usefixtures("daily")
async def test_of_a_day_that_was_only_noted_the_channel_knows(
    simulation: Simulation, day: Day, app: App
) -> None:
    guild = str(simulation.guild.id)
    await app.days.keep(guild, SentDay("2026-11-29", ""))  # killed before it was sent
    await day.look(29, 8, 0)
    (message,) = sent(simulation)
    await app.days.keep(guild, SentDay("2026-11-29", ""))  # killed after it was sent
    day.restart()
    await day.look(29, 8, 1)
    assert len(sent(simulation)) == 1
    assert (await app.days.sent())[guild] == SentDay("2026-11-29", str(message.id))


@pytest.mark.usefixtures("daily")
async def test_where_the_bot_may_not_write_it_is_tried_once(
    simulation: Simulation, day: Day, app: App
) -> None:
    _mute(simulation, simulation.channel)
    for _ in range(2):
        await day.look(29, 8, 0)
    assert (await app.days.sent())[str(simulation.guild.id)].message == LOST


@pytest.mark.usefixtures("daily")
async def test_it_needs_no_channel_for_poems_and_no_role_and_avoids_words(
    simulation: Simulation, admin: MemberActor, day: Day
) -> None:
    other = simulation.guild.create_text_channel("other")
    await admin.slash(simulation.channel, "settings channels", change="add", channel=other)
    await admin.slash(simulation.channel, "settings avoid", change="add", words="sunday")
    await day.look(29, 8, 0)
    (message,) = sent(simulation)
    assert not message.content.startswith("Sunday")


async def test_it_is_paused_goes_on_and_ends(
    simulation: Simulation, admin: MemberActor, day: Day, app: App, daily: None
) -> None:
    place = simulation.channel
    result = await admin.slash(place, "settings daily", state="paused", seeds="a rose; a lily")
    assert result.response is not None
    assert "2 openings in turn, paused)" in result.response.content
    await day.look(29, 8, 0)
    assert not sent(simulation)
    await admin.slash(place, "settings daily", state="on", time="9.30", timezone="europe/berlin")
    kept = app.guilds.guild_settings(str(simulation.guild.id)).daily
    assert kept is not None
    assert (kept.time, kept.timezone, kept.seeds) == (
        "09:30",
        "Europe/Berlin",
        ("a rose", "a lily"),
    )
    await day.look(29, 8, 30)
    assert len(sent(simulation)) == 1
    await admin.slash(place, "settings daily", state="off")
    await day.look(30, 12, 0)
    assert len(sent(simulation)) == 1


async def test_without_a_channel_it_cannot_begin(
    simulation: Simulation, admin: MemberActor
) -> None:
    result = await admin.slash(simulation.channel, "settings daily", time="9:00")
    assert result.response is not None
    assert result.response.content == "Name the channel for the poem of the day."


async def test_a_book_that_there_is_not_and_a_category_are_refused_at_once(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    place, shelf = simulation.channel, simulation.guild.create_category("shelf")
    result = await admin.slash(place, "settings daily", channel=place, book="nosuch")
    assert result.response is not None
    assert "no model called 'nosuch'" in result.response.content
    for command in ("daily", "keep"):
        result = await admin.slash(place, f"settings {command}", channel=shelf)
        assert result.response is not None
        assert "it must be a channel that takes messages" in result.response.content
    assert app.guilds.guild_settings(str(simulation.guild.id)) == GuildSettings()


async def test_a_channel_in_which_the_bot_may_not_write_is_told(
    simulation: Simulation, admin: MemberActor, hall: ChannelHandle
) -> None:
    _mute(simulation, hall)
    await simulation.env.settle()
    result = await admin.slash(simulation.channel, "settings show")
    assert result.response is not None
    shown = shown_text(result.response.message)
    assert f"cannot write in <#{hall.id}>, the channel for kept poems" in shown


async def test_time_zones_are_suggested(simulation: Simulation, admin: MemberActor) -> None:
    place = simulation.channel
    found = await admin.autocomplete(place, "settings daily", "timezone", "new york")
    assert [each["name"] for each in found] == ["America/New_York"]


# Kept poems


@pytest.fixture
async def hall(simulation: Simulation, admin: MemberActor) -> ChannelHandle:
    hall = simulation.guild.create_text_channel("hall")
    await admin.slash(simulation.channel, "settings keep", channel=hall)
    return hall


async def _poem(simulation: Simulation) -> discord.Message:
    await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose", form="free", lines=2)
    return last(simulation)


async def test_a_poem_is_kept_by_as_many_as_press(
    simulation: Simulation, hall: ChannelHandle, app: App
) -> None:
    poem = await _poem(simulation)
    await simulation.ann.click(poem, label="Keep")
    await simulation.ben.click(poem, label="Keep")
    await simulation.ann.click(poem, label="Keep")
    (copy,) = hall.history()
    assert copy.content.startswith("a rose")
    assert "kept by 2 members" in copy.content
    assert poem.jump_url in copy.content
    assert (await app.kept.find(str(poem.id))).members == 2
    forgotten = await app.books.forget(f"discord:{simulation.ann.id}")
    assert forgotten.kept == 1
    assert (await app.kept.find(str(poem.id))).members == 1


async def test_without_a_channel_there_is_no_button(simulation: Simulation) -> None:
    poem = await _poem(simulation)
    labels = [each.label for row in poem.components for each in row.children]  # type: ignore[union-attr]
    assert labels == ["Again", "Continue", "Delete"]


async def test_a_copy_that_a_moderator_deleted_does_not_come_back(
    simulation: Simulation, hall: ChannelHandle
) -> None:
    poem = await _poem(simulation)
    await simulation.ann.click(poem, label="Keep")
    (copy,) = hall.history()
    simulation.env.backend.delete_message(hall.id, copy.id)
    await simulation.ben.click(poem, label="Keep")
    assert hall.history() == []


async def test_where_the_bot_may_not_write_nothing_is_kept(
    simulation: Simulation, hall: ChannelHandle, app: App
) -> None:
    poem = await _poem(simulation)
    _mute(simulation, hall)
    await simulation.ann.click(poem, label="Keep")
    assert (await app.kept.find(str(poem.id))).members == 0
