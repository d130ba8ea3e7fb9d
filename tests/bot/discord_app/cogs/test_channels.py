"""Every kind of channel, in a simulated Discord: where poems are written, and with which model."""

from __future__ import annotations

import pytest
from simcord.actors import MemberActor
from simcord.backend.models.channel import Channel
from simcord.builders import ChannelHandle

from bot.core.application import App
from bot.core.records import Asker
from bot.discord_app.client import SonneteerBot
from tests.bot.discord_app.conftest import Simulation
from tests.texts import quatrains

# Refusals are meant: the simulation would have every error of a command acknowledged.
pytestmark = pytest.mark.simcord(check_errors=False)
KINDS = ("text", "voice", "stage", "news")
PRIVATE_THREAD = 12


@pytest.fixture
def simcord_bot(app_bot: SonneteerBot) -> SonneteerBot:
    return app_bot


def make(simulation: Simulation, kind: str, name: str, **options: object) -> ChannelHandle:
    made: ChannelHandle = getattr(simulation.guild, f"create_{kind}_channel")(name, **options)
    return made


def thread_in(
    simulation: Simulation, parent: ChannelHandle, *, known: bool, kind: int = 11
) -> ChannelHandle:
    """Open a thread, of which the bot is told or not."""
    thread: Channel = simulation.env.backend.create_thread(
        parent.id, "a thread", simulation.ann.id, type=kind, broadcast=known
    )
    return ChannelHandle(simulation.env, simulation.guild, thread)


async def allow(app: App, simulation: Simulation, *places: ChannelHandle) -> None:
    """Let poems be written in these alone."""
    asker = Asker("discord:1", str(simulation.guild.id), manages=True)
    await app.guilds.change(asker, "channels", [str(place.id) for place in places])


def said(place: ChannelHandle) -> str:
    return str(place.last_message and place.last_message.content)


async def is_answered(simulation: Simulation, place: ChannelHandle) -> bool:
    """Whether a poem comes by prefix, by mention and by slash, or by none of them."""
    me = simulation.env.bot.user
    assert me is not None
    found = []
    for typed in ("!sonnet --form free rain", f"{me.mention} --form free rain"):
        await simulation.ann.send(place, typed)
        found.append("random seed" in said(place))
    result = await simulation.ann.slash(place, "sonnet", seed="rain", form="free")
    told = [each.content for each in (result.response, *result.followups) if each is not None]
    found.append(any("random seed" in each for each in told))
    assert len(set(found)) == 1, found
    return found[0]


@pytest.mark.parametrize("kind", KINDS)
async def test_poems_are_written_in_a_channel_of_every_kind_and_in_no_other(
    app: App, simulation: Simulation, kind: str
) -> None:
    place = make(simulation, kind, "place")
    other = make(simulation, kind, "other")
    await allow(app, simulation, place)
    assert await is_answered(simulation, place)
    assert not await is_answered(simulation, other)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_category_means_its_channels_of_every_kind(
    app: App, simulation: Simulation, kind: str
) -> None:
    club = simulation.guild.create_category("club")
    place = make(simulation, kind, "place", category=club)
    await allow(app, simulation, club)
    assert await is_answered(simulation, place)
    assert not await is_answered(simulation, simulation.channel)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("kind", [11, PRIVATE_THREAD], ids=["public", "private"])
async def test_a_thread_belongs_to_its_channel_and_to_its_category(
    app: App, simulation: Simulation, known: bool, kind: int
) -> None:
    club = simulation.guild.create_category("club")
    place = make(simulation, "text", "place", category=club)
    thread = thread_in(simulation, place, known=known, kind=kind)
    for allowed in (place, club):
        await allow(app, simulation, allowed)
        assert await is_answered(simulation, thread)
    await allow(app, simulation, simulation.channel)
    assert not await is_answered(simulation, thread)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_a_post_belongs_to_its_forum(app: App, simulation: Simulation, known: bool) -> None:
    forum = simulation.guild.create_forum_channel("forum")
    post = thread_in(simulation, forum, known=known)
    await allow(app, simulation, forum)
    assert await is_answered(simulation, post)
    await allow(app, simulation, simulation.channel)
    assert not await is_answered(simulation, post)


async def test_a_thread_of_announcements_belongs_to_their_channel(
    app: App, simulation: Simulation
) -> None:
    news = make(simulation, "news", "news")
    thread = thread_in(simulation, news, known=False)  # simcord has none of type 10
    await allow(app, simulation, news)
    assert await is_answered(simulation, thread)


async def test_everywhere_is_also_in_a_thread_that_is_not_known(simulation: Simulation) -> None:
    assert await is_answered(simulation, thread_in(simulation, simulation.channel, known=False))


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_a_model_of_a_channel_or_a_category_is_used_in_its_threads(
    simulation: Simulation, admin: MemberActor, known: bool
) -> None:
    club = simulation.guild.create_category("club")
    place = make(simulation, "text", "place", category=club)
    await add_walks(admin, place)
    await admin.slash(place, "book use", name="sonnets")
    thread = thread_in(simulation, place, known=known)
    for where in (place, club):
        await admin.slash(place, "book use", name="walks", channel=where)
        await simulation.ann.send(thread, "!sonnet --form free rain")
        assert "walks" in said(thread)
        await simulation.ann.send(thread, "!about")
        assert "(`walks`)" in said(thread)
        await admin.slash(place, "book undo", channel=where)
    await simulation.ann.send(thread, "!sonnet --form free rain")
    assert "walks" not in said(thread)


async def add_walks(admin: MemberActor, place: ChannelHandle) -> None:
    await admin.send(place, "!book add", attachments=[("walks.txt", quatrains(200).encode())])
    asked = place.last_message
    assert asked is not None
    await admin.click(asked, label="Train")


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_a_training_is_reported_in_the_thread_where_it_began(
    simulation: Simulation, admin: MemberActor, known: bool
) -> None:
    thread = thread_in(simulation, simulation.channel, known=known)
    await add_walks(admin, thread)
    assert thread.last_message is not None
    assert thread.last_message.flags.components_v2


async def test_a_thread_that_cannot_be_looked_up_is_refused_with_a_sentence(
    app: App, simulation: Simulation
) -> None:
    thread = thread_in(simulation, simulation.channel, known=False)
    await allow(app, simulation, simulation.channel)
    simulation.env.inject_error("GET", f"/channels/{thread.id}", status=403, code=50001)
    await simulation.ann.send(thread, "!sonnet --form free rain")
    assert said(thread).startswith("On this server I write poems only in")
