"""Writing poems line by line in a simulated Discord, alone and by vote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import discord
import pytest
import simcord
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle
from simcord.results import InteractionResult

from bot.core.errors import QueueFull
from bot.core.guild_settings import GuildSettings
from bot.core.metrics import Metrics
from bot.core.poems import PoemService
from bot.core.ports import DEFAULT_CHOICE, ModelChoice
from bot.core.records import FREE, Defaults
from bot.discord_app.client import SonneteerBot
from bot.discord_app.joint_formatting import RESTARTED
from bot.discord_app.joint_poem import NOBODY_VOTED
from bot.discord_app.joint_poems import (
    GONE,
    HAS_ENDED,
    IDLE,
    MAX_OF_GUILD,
    MAX_OF_MEMBER,
    NO_VOTE_HERE,
    STOPPED,
    TOO_LATE,
)
from bot.discord_app.poem_formatting import read_verse, unescape
from tests.bot.discord_app.conftest import FAST, Simulation
from tests.fakes import SEA_SONGS, SONNETS, VERSE, Clock, FakeEngine, FakeLibrary, app_with

pytestmark = pytest.mark.simcord(check_errors=False)  # refusals of commands count as errors there
LINES = ["the first line", "another one", "and a third"]


class Ways:
    """The settings of every guild."""

    def __init__(self) -> None:
        self.settings = GuildSettings()
        self.chosen = DEFAULT_CHOICE

    def guild_settings(self, guild: str) -> GuildSettings:
        return self.settings if guild else GuildSettings()

    def choice(self, guild: str, *places: str) -> ModelChoice:
        return self.chosen


@pytest.fixture
def ways() -> Ways:
    return Ways()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(engine: FakeEngine, ways: Ways, clock: Clock) -> PoemService:
    return PoemService(
        FakeLibrary(),
        engine,
        Metrics(),
        defaults=Defaults(form=FREE),
        preferences=ways,
        clock=clock,
        draw_random_seed=lambda: 7,
    )


@pytest.fixture
def simcord_env(simcord_env: simcord.Env) -> simcord.Env:
    """Let the minute of a vote pass only when a test says so."""
    simcord_env.settle_timeout = 30.0
    return simcord_env


class Page:
    """The message of a joint poem, and what members do with it."""

    def __init__(self, simulation: Simulation, started: InteractionResult) -> None:
        assert started.response is not None
        self.simulation = simulation
        self.started = started
        self.id = started.response.id

    @property
    def shown(self) -> Any:
        shown = self.started.response
        assert shown is not None
        return shown

    @property
    def content(self) -> str:
        return unescape(self.shown.content)

    @property
    def verse(self) -> str:
        return read_verse(self.shown.content)

    @property
    def labels(self) -> list[str]:
        return [each["label"] for row in self.shown.components for each in row["components"]]

    async def press(self, label: str, member: MemberActor | None = None) -> InteractionResult:
        return await (member or self.simulation.ann).click(self.shown, label=label)

    async def write(
        self, text: str, member: MemberActor | None = None, label: str = "Write a line"
    ) -> InteractionResult:
        member = member or self.simulation.ann
        form = await member.click(self.shown, label=label)
        return await member.submit_modal(form, {"line": text})


async def begin(simulation: Simulation, channel: ChannelHandle | None = None, **given: Any) -> Page:
    options = {"form": "quatrain", **given}
    where = channel or simulation.channel
    return Page(simulation, await simulation.ann.slash(where, "together", **options))


async def begin_vote(
    simulation: Simulation, channel: ChannelHandle | None = None, **given: Any
) -> Page:
    return await begin(simulation, channel, **{"with": "channel", **given})


def told(result: InteractionResult) -> str:
    """Return what only the member who did something reads."""
    responses = [*result.followups, *([result.response] if result.response else [])]
    private = [each for each in responses if each.ephemeral]
    assert private, responses
    return unescape(private[0].content)


def written(engine: FakeEngine) -> list[tuple[str, ...]]:
    """Return the lines that the engine was given, request by request."""
    return [request.opening.lines for request in engine.engine_requests]


# For one member


async def test_three_lines_are_offered_and_the_one_taken_is_the_poems_next(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation)
    assert page.content.split("\n")[1:] == [f"**{n}** {line}" for n, line in enumerate(LINES, 1)]
    assert page.labels == ["Take 1", "Take 2", "Take 3", "Write a line", "Finish it for me", "Stop"]
    await page.press("Take 2")
    assert page.verse == "another one"
    assert "Line 2 of 4" in page.content
    assert written(engine) == [(), ("another one",)]
    assert [request.candidates for request in engine.engine_requests] == [3, 3]


async def test_without_a_form_a_poem_has_the_servers_or_else_is_a_sonnet(
    simulation: Simulation, ways: Ways
) -> None:
    assert "Line 1 of 14" in (await begin(simulation, form="sonnet")).content
    ways.settings = GuildSettings(form="haiku")
    result = await simulation.ann.slash(simulation.channel, "together")
    assert "Line 1 of 3" in Page(simulation, result).content


async def test_model_form_and_random_seed_stay_when_the_server_changes_them(
    simulation: Simulation, engine: FakeEngine, ways: Ways
) -> None:
    page = await begin(simulation, model="sea-songs")
    ways.settings = GuildSettings(form="haiku")
    ways.chosen = ModelChoice(SONNETS.name, SONNETS.sha256)
    await page.press("Take 1")
    assert {request.model.name for request in engine.engine_requests} == {SEA_SONGS.name}
    assert {request.settings.form for request in engine.engine_requests} == {"quatrain"}


async def test_a_channels_model_offers_the_lines(
    simulation: Simulation, engine: FakeEngine, ways: Ways
) -> None:
    ways.chosen = ModelChoice(SEA_SONGS.name, SEA_SONGS.sha256)
    await begin(simulation)
    assert engine.engine_requests[0].model == SEA_SONGS


async def test_what_a_member_writes_is_taken_as_it_is_and_what_does_not_fit_is_said(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation)
    await page.press("Take 1")
    engine.line_notes = ("This line has 3 syllables; the form wants 10.",)
    await page.write("And *so*   say I, <@1>")
    assert page.verse.split("\n")[1] == "And *so*   say I, @somebody"
    assert written(engine)[-1] == ("the first line", "And *so*   say I, @somebody")
    last = page.content.split("\n")[-1]
    assert last.startswith("Line 2: rhyme A: **And *so*   say I, @somebody**")
    assert last.endswith("This line has 3 syllables; the form wants 10.")


async def test_the_form_says_what_is_wanted_of_the_line(simulation: Simulation) -> None:
    page = await begin(simulation)
    await page.press("Take 1")
    form = await page.press("Write a line")
    assert form._interaction.modal is not None
    [label] = form._interaction.modal["components"]
    assert label["label"] == "Line 2 of 4"
    assert label["description"] == "Rhyme A with “line”, 1 syllable, 1 beat"


async def test_the_last_line_can_be_changed_and_taken_back(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation)
    await page.press("Take 1")
    form = await page.press("Edit last line")
    assert form._interaction.modal is not None
    [label] = form._interaction.modal["components"]
    assert label["component"]["value"] == "the first line"
    await simulation.ann.submit_modal(form, {"line": "the very first line"})
    assert page.verse == "the very first line"
    await page.press("Undo")
    assert page.verse == ""
    assert "Undo" not in page.labels
    assert written(engine) == [(), ("the first line",), ("the very first line",), ()]


async def test_only_the_member_who_began_may_act(simulation: Simulation) -> None:
    page = await begin(simulation)
    before = page.content
    for label in page.labels:
        sentence = told(await page.press(label, simulation.ben))
        assert sentence.startswith(f"Only {simulation.ann.mention} writes this poem.")
    assert page.content == before


async def test_a_button_of_an_earlier_step_shows_the_poem_as_it_is_now(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation)
    old = page.shown.components[0]["components"][0]["custom_id"]
    await page.press("Take 2")
    simulation.env.backend.edit_message(
        simulation.channel.id, page.id, {"components": [button_row(old)]}
    )
    await page.press("Old")
    assert page.verse == "another one"
    assert "Take 1" in page.labels
    assert len(engine.engine_requests) == 2


def button_row(custom_id: str) -> dict[str, Any]:
    button = {"type": 2, "style": 2, "label": "Old", "custom_id": custom_id}
    return {"type": 1, "components": [button]}


async def test_a_poem_with_all_its_lines_ends_as_any_other_with_its_buttons(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation, form="couplet", seed="the first")
    engine.text = " rose"
    await page.press("Take 2")
    await page.write("and so say I")
    assert page.verse.split("\n")[1] == "and so say I"
    signature = page.content.partition("\n-# ")[2]
    note = "Written line by line with a member; lines of theirs: 1 of 2."
    assert signature == f"sonnets · random seed 7 · {note}"
    assert page.labels == ["Again", "Continue", "Card", "Delete"]


async def test_the_buttons_of_a_finished_poem_read_it_back(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation, form="couplet")
    await page.write("Two roads")
    await page.write("and so say I")
    await page.press("Again")
    again = engine.engine_requests[-1]
    assert again.opening.text == "Two roads"
    assert (again.settings.form, again.model.sha256) == ("couplet", SONNETS.sha256)
    await page.press("Continue")
    assert engine.engine_requests[-1].opening.text == "and so say I"
    await page.press("Delete")
    assert page.started.response is None


async def test_the_bot_finishes_a_poem_and_keeps_its_lines(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation)
    await page.press("Take 2")
    await page.press("Finish it for me")
    assert written(engine)[-1] == ("another one",)
    assert engine.engine_requests[-1].candidates == 0
    assert page.verse == f"another one\n{VERSE}"
    assert page.labels == ["Again", "Continue", "Card", "Delete"]


async def test_stop_ends_a_poem_with_its_lines(simulation: Simulation) -> None:
    page = await begin(simulation)
    await page.press("Take 2")
    await page.press("Stop")
    assert page.shown.content == f"another one\n-# {STOPPED}"
    assert page.labels == ["Delete"]


async def test_a_line_with_a_word_to_avoid_is_refused_and_told_back(
    simulation: Simulation, ways: Ways
) -> None:
    page = await begin(simulation)
    ways.settings = GuildSettings(avoid=("rose",))
    sentence = told(await page.write("A Rose is a rose"))
    assert "Line 1 has the word 'rose', which is not allowed here." in sentence
    assert sentence.endswith("\n> A Rose is a rose")
    assert page.verse == ""
    refused = await simulation.ann.slash(simulation.channel, "together", seed="a rose")
    assert "Your opening has the word 'rose'" in told(refused)


async def test_a_line_of_blanks_is_refused(simulation: Simulation) -> None:
    page = await begin(simulation)
    assert "it must be text of 1 to 200 characters" in told(await page.write("   "))


async def test_where_poems_are_not_allowed_none_is_begun(
    simulation: Simulation, ways: Ways
) -> None:
    ways.settings = GuildSettings(channels=("5",))
    result = await simulation.ann.slash(simulation.channel, "together")
    assert told(result) == "On this server I write poems only in <#5>."
    assert simulation.answers == []


async def test_a_full_queue_pauses_a_poem_and_go_on_goes_on(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation)
    engine.full = True
    await page.press("Take 2")
    assert page.verse == "another one"
    assert page.content.endswith(
        "paused\nThe queue is full (64 poems waiting). Try again in a minute."
    )
    buttons = ["Go on", "Write a line", "Edit last line", "Undo", "Finish it for me", "Stop"]
    assert page.labels == buttons
    await page.press("Finish it for me")
    assert "The queue is full" in page.content
    engine.full = False
    await page.press("Go on")
    assert "Take 1" in page.labels


async def test_a_poem_that_the_engine_lets_go_pauses_with_its_lines(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation)
    await page.press("Take 2")
    for failure in (QueueFull(3), RuntimeError("boom")):
        engine.failure = failure
        await page.press("Finish it for me")
        assert page.verse == "another one"
        assert "Line 2 of 4 · paused" in page.content
    engine.failure = None
    engine.ending = engine.ending.CANCELLED
    await page.press("Finish it for me")
    assert "Sonneteer is about to restart." in page.content


async def test_no_next_line_is_said_and_the_member_can_write_one(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin(simulation)
    engine.candidates = ()
    await page.press("Take 1")
    assert "I found no next line." in page.content
    engine.candidates = tuple(LINES)
    await page.write("one of mine")
    assert page.verse == "the first line\none of mine"


async def test_the_pause_between_lines_is_waited_for_and_stop_needs_no_wait(
    simulation: Simulation, ways: Ways, clock: Clock
) -> None:
    ways.settings = GuildSettings(cooldown_seconds=1400.0)
    page = await begin(simulation, form="sonnet")
    refused = await simulation.ann.slash(simulation.channel, "together")
    assert "Please wait 100 s" in told(refused)
    await page.press("Take 2")
    assert "I am looking for the next line…" in page.content
    assert page.labels == ["Stop"]
    clock.now += 100
    await simulation.env.advance_time(100)
    assert "Take 1" in page.labels
    await page.press("Take 1")
    await page.press("Stop")
    assert page.shown.content == f"another one\nthe first line\n-# {STOPPED}"


async def test_a_poem_that_nobody_goes_on_with_ends_with_its_lines(simulation: Simulation) -> None:
    page = await begin(simulation)
    await page.press("Take 2")
    await simulation.env.advance_time(FAST.idle_seconds - 1)
    await page.press("Take 1")
    await simulation.env.advance_time(FAST.idle_seconds - 1)
    assert "Take 1" in page.labels
    await simulation.env.advance_time(1)
    assert page.shown.content == f"another one\nthe first line\n-# {IDLE}"


async def test_a_member_and_a_server_have_only_so_many(simulation: Simulation) -> None:
    members = [simulation.ann, simulation.ben]
    members += [
        simulation.guild.add_member(simulation.env.create_user(f"member {number}"))
        for number in range(MAX_OF_GUILD // MAX_OF_MEMBER - 1)
    ]
    pages = []
    for member in members[:-1]:
        for _ in range(MAX_OF_MEMBER):
            result = await member.slash(simulation.channel, "together")
            pages.append(Page(simulation, result))
        result = await member.slash(simulation.channel, "together")
        assert "Finish or stop one of them first." in told(result)
    result = await members[-1].slash(simulation.channel, "together")
    assert f"This server is writing {MAX_OF_GUILD} poems" in told(result)
    await pages[0].press("Stop")
    await members[-1].slash(simulation.channel, "together")
    assert simulation.channel.last_message is not None
    assert "Line 1 of 14" in simulation.channel.last_message.content


async def test_who_deletes_the_message_is_told_the_lines_alone(simulation: Simulation) -> None:
    page = await begin(simulation)
    last = await page.press("Take 2")
    moderator = simulation.guild.create_role(
        "mods", permissions=discord.Permissions(manage_messages=True)
    )
    cat = simulation.guild.add_member(simulation.env.create_user("cat"), roles=[moderator])
    await cat.delete(page.shown)
    [sentence] = last.followups
    assert sentence.ephemeral
    assert sentence.content == f"{GONE}\nanother one"


async def test_after_a_restart_a_button_says_that_the_poem_ended_and_keeps_the_lines(
    simulation: Simulation, service: PoemService
) -> None:
    page = await begin(simulation)
    await page.press("Take 2")
    form = await page.press("Write a line")
    await simulation.env.restart_bot(SonneteerBot(app_with(service), timing=FAST))
    late = await simulation.ann.submit_modal(form, {"line": "too late"})
    assert told(late) == f"{HAS_ENDED}\n> too late"
    await page.press("Take 1", simulation.ben)
    assert page.shown.content == f"another one\n-# {RESTARTED}"
    assert page.labels == []


async def test_a_line_for_a_poem_that_went_on_or_ended_is_told_back(simulation: Simulation) -> None:
    page = await begin(simulation)
    first, second = [await page.press("Write a line") for _ in range(2)]
    await simulation.ann.submit_modal(first, {"line": "one of mine"})
    late = await simulation.ann.submit_modal(second, {"line": "too late"})
    assert told(late) == f"{TOO_LATE}\n> too late"
    third = await page.press("Write a line")
    await page.press("Stop")
    late = await simulation.ann.submit_modal(third, {"line": "too late"})
    assert told(late) == f"{HAS_ENDED}\n> too late"
    assert page.verse == "one of mine"


async def test_it_works_in_direct_messages_alone_and_not_by_vote(simulation: Simulation) -> None:
    ann = simulation.ann.user
    result = await ann.slash("together", form="quatrain")
    page = Page(simulation, result)
    await ann.click(page.shown, label="Take 1")
    assert page.verse == "the first line"
    assert told(await ann.slash("together", **{"with": "channel"})) == NO_VOTE_HERE


# By vote


async def test_a_vote_lasts_a_minute_and_the_line_with_the_most_votes_is_next(
    simulation: Simulation,
) -> None:
    page = await begin_vote(simulation)
    assert page.labels[:3] == ["Vote 1", "Vote 2", "Vote 3"]
    await page.press("Vote 3", simulation.ben)
    await page.press("Vote 2")
    await page.press("Vote 3")
    assert "**3** and a third · 2 votes" in page.content
    await simulation.env.advance_time(59)
    assert page.verse == ""
    await simulation.env.advance_time(1)
    assert page.verse == "and a third"
    assert "Line 2 of 4" in page.content
    assert "vote" not in page.content.partition("ends <t:")[2]


async def test_of_lines_with_as_many_votes_the_first_voted_for_is_taken(
    simulation: Simulation,
) -> None:
    page = await begin_vote(simulation)
    await page.press("Vote 2", simulation.ben)
    await page.press("Vote 1")
    await simulation.env.advance_time(60)
    assert page.verse == "another one"


async def test_the_time_of_a_vote_is_told_by_discords_clock(simulation: Simulation) -> None:
    page = await begin_vote(simulation)
    ends = int(page.content.partition("<t:")[2].partition(":")[0])
    assert abs(ends - simulation.env.now().timestamp() - 60) <= 1


async def test_members_propose_lines_and_others_vote_for_them(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin_vote(simulation)
    engine.line_notes = ("It has 3 syllables.",)
    result = await page.write("a line of Ben's", simulation.ben, "Propose a line")
    expected = "Your line is number 4: rhyme A: **a line of Ben's** It has 3 syllables."
    assert told(result) == expected
    assert f"**4** a line of Ben's ({simulation.ben.mention}) · 1 vote" in page.content
    await page.press("Vote 4")
    again = await page.write("another of Ben's", simulation.ben, "Propose a line")
    assert "in this vote already" in told(again)
    await simulation.env.advance_time(60)
    assert page.verse == "a line of Ben's"


async def test_a_proposal_with_a_word_to_avoid_is_refused(
    simulation: Simulation, ways: Ways
) -> None:
    page = await begin_vote(simulation)
    ways.settings = GuildSettings(avoid=("rose",))
    result = await page.write("a rose", simulation.ben, "Propose a line")
    assert "the word 'rose', which is not allowed here" in told(result)
    assert "**4**" not in page.content


async def test_without_votes_the_best_line_is_taken_and_after_two_such_minutes_it_waits(
    simulation: Simulation, engine: FakeEngine
) -> None:
    page = await begin_vote(simulation)
    await simulation.env.advance_time(60)
    assert page.verse == "the first line"
    await simulation.env.advance_time(60)
    assert page.verse == "the first line"
    assert page.content.endswith(NOBODY_VOTED)
    assert len(engine.engine_requests) == 2
    await simulation.env.advance_time(600)
    await page.press("Go on", simulation.ben)
    await page.press("Vote 2", simulation.ben)
    await simulation.env.advance_time(60)
    assert page.verse == "the first line\nanother one"


async def test_who_may_have_no_poems_may_not_vote(simulation: Simulation, ways: Ways) -> None:
    page = await begin_vote(simulation)
    ways.settings = GuildSettings(roles=("5",))
    assert "only members with certain roles" in told(await page.press("Vote 1", simulation.ben))
    refused = await page.press("Propose a line", simulation.ben)
    assert "only members with certain roles" in told(refused)
    assert "1 vote" not in page.content


async def test_only_who_began_and_moderators_lead_a_vote(simulation: Simulation) -> None:
    page = await begin_vote(simulation)
    await page.press("Vote 2", simulation.ben)
    await page.press("Count now")
    assert page.verse == "another one"
    for label in ("Count now", "Undo", "Finish it for me", "Stop"):
        sentence = told(await page.press(label, simulation.ben))
        assert "a member with Manage Messages can do that" in sentence
    await page.press("Undo")
    assert page.verse == ""
    role = simulation.guild.create_role(
        "mods", permissions=discord.Permissions(manage_messages=True)
    )
    cat = simulation.guild.add_member(simulation.env.create_user("cat"), roles=[role])
    await page.press("Stop", cat)
    assert page.shown.content == f"-# {STOPPED}"


async def test_a_poem_by_vote_ends_as_any_other_and_says_how_many_wrote_it(
    simulation: Simulation,
) -> None:
    page = await begin_vote(simulation, form="couplet")
    await page.write("a line of Ben's", simulation.ben, "Propose a line")
    await page.press("Count now")
    await page.press("Vote 1")
    await simulation.env.advance_time(60)
    note = "Written line by line with 2 members; lines of theirs: 1 of 2."
    assert page.content.endswith(note)
    assert page.labels == ["Again", "Continue", "Card", "Delete"]


async def test_votes_are_shown_at_the_channels_pace(
    simulation: Simulation, service: PoemService
) -> None:
    timing = replace(FAST, edit_seconds=31.0)  # beyond what the simulation waits for by itself
    await simulation.env.restart_bot(SonneteerBot(app_with(service), timing=timing))
    page = await begin_vote(simulation)
    members = [simulation.guild.add_member(simulation.env.create_user(f"m{n}")) for n in range(6)]
    for number, member in enumerate(members):
        await page.press(f"Vote {number % 3 + 1}", member)
    assert page.content.count("1 vote") == 1  # the first was shown at once
    await simulation.env.advance_time(31)
    assert page.content.count("2 votes") == 3


async def test_a_vote_works_in_a_thread_and_in_a_voice_chat(simulation: Simulation) -> None:
    channel = simulation.env.bot.get_channel(simulation.channel.id)
    assert isinstance(channel, discord.TextChannel)
    await channel.create_thread(name="a thread", type=discord.ChannelType.public_thread)
    voice = simulation.guild.create_voice_channel("aloud")
    for place in (*simulation.channel.threads, voice):
        page = await begin_vote(simulation, place)
        await page.press("Vote 2", simulation.ben)
        await page.press("Count now")
        assert page.verse == "another one"
