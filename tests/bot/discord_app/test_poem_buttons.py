"""The buttons under a poem, before and after a restart."""

from __future__ import annotations

import discord
import pytest

from bot.core.poems import PoemService
from bot.core.records import Defaults
from bot.discord_app.client import SonneteerBot
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.poem_formatting import read_verse
from tests.bot.discord_app.conftest import FAST, Simulation
from tests.fakes import SEA_SONGS, SONNETS, VERSE, FakeEngine, app_with, fake_service

LONG = "\n" + "the evening lays its hand upon the quiet water\n" * 80 + "and so good night"


async def _last(simulation: Simulation) -> discord.Message:
    message = simulation.channel.last_message
    assert message is not None
    return message


async def _restart(simulation: Simulation, service: PoemService) -> None:
    await simulation.env.restart_bot(SonneteerBot(app_with(service), timing=FAST))


@pytest.mark.parametrize("way", ["prefix", "slash"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_again_writes_another_poem_of_the_same_seed(
    simulation: Simulation, engine: FakeEngine, way: str, restarted: bool
) -> None:
    seed = "a *rose* <3 @everyone"
    if way == "prefix":
        await simulation.ann.send(simulation.channel, f"!sonnet --lines 5 --model sea-songs {seed}")
    else:
        await simulation.ann.slash(
            simulation.channel, "sonnet", seed=seed, lines=5, model="sea-songs"
        )
    if restarted:
        await _restart(simulation, fake_service(engine, random_seed=8))
    result = await simulation.ben.click(await _last(simulation), label="Again")
    first, again = engine.engine_requests
    assert again.opening.text == first.opening.text == seed
    assert (again.settings, again.model) == (first.settings, SEA_SONGS)
    assert again.asker.member == f"discord:{simulation.ben.id}"
    assert again.random_seed == (8 if restarted else 7)
    assert result.response is not None
    assert read_verse(result.response.content) == f"{seed}{VERSE}"


@pytest.mark.parametrize("restarted", [False, True])
async def test_continue_goes_on_from_the_last_line(
    simulation: Simulation, engine: FakeEngine, restarted: bool
) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    if restarted:
        await _restart(simulation, fake_service(engine))
    await simulation.ann.click(await _last(simulation), label="Continue")
    assert engine.engine_requests[1].opening.text == "along the sleeping land"


@pytest.mark.parametrize("way", ["prefix", "slash"])
async def test_the_buttons_of_a_poem_in_parts_know_its_beginning_and_its_end(
    simulation: Simulation, engine: FakeEngine, service: PoemService, way: str
) -> None:
    engine.text = LONG
    if way == "prefix":
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
    else:
        await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose")
    last_part = await _last(simulation)
    await _restart(simulation, service)
    await simulation.ann.click(last_part, label="Again")
    await simulation.ann.click(last_part, label="Continue")
    assert [engine_request.opening.text for engine_request in engine.engine_requests] == [
        "a rose",
        "a rose",
        "and so good night",
    ]


async def test_again_says_so_when_the_beginning_is_gone(
    simulation: Simulation, engine: FakeEngine
) -> None:
    engine.text = LONG
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    first, *_, last = [m for m in simulation.channel.history() if m.author.bot]
    simulation.env.backend.delete_message(simulation.channel.id, first.id)
    result = await simulation.ann.click(last, label="Again")
    assert result.ephemeral
    assert result.response is not None
    assert "no longer read the start" in result.response.content


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_asker_can_delete_all_parts(
    simulation: Simulation, engine: FakeEngine, service: PoemService, restarted: bool
) -> None:
    engine.text = LONG
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    if restarted:
        await _restart(simulation, service)
    assert len(simulation.answers) == 3
    await simulation.ann.click(await _last(simulation), label="Delete")
    assert simulation.answers == []


async def test_a_moderator_can_delete_a_poem(simulation: Simulation) -> None:
    role = simulation.guild.create_role(
        "Mods", permissions=discord.Permissions(manage_messages=True)
    )
    moderator = simulation.guild.add_member(simulation.env.create_user("mia"), roles=[role])
    await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose")
    await moderator.click(await _last(simulation), label="Delete")
    assert simulation.answers == []


async def test_another_member_cannot_delete_a_poem(simulation: Simulation) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    result = await simulation.ben.click(await _last(simulation), label="Delete")
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content.startswith("Only the person who asked")
    assert len(simulation.answers) == 1


async def test_a_poem_can_be_deleted_in_a_direct_message(simulation: Simulation) -> None:
    await simulation.ann.send_dm("a rose")
    answer = simulation.ann.user.dm_channel.last_message
    assert answer is not None
    await simulation.ann.user.click(answer, label="Delete")
    assert [m for m in simulation.ann.user.dm_channel.history() if m.author.bot] == []


@pytest.mark.parametrize(
    "forged",
    [
        "sonnet:again:nonsense",
        "sonnet:continue:",
        "sonnet:delete:-1",
        "sonnet:again:a1a1a1a1a1a1-7-zzzz-0-7ps-0-sle:6:0",
    ],
)
async def test_a_strange_button_gets_a_sentence(
    simulation: Simulation, engine: FakeEngine, forged: str
) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    message = await _last(simulation)
    stored = simulation.env.backend.get_message(simulation.channel.id, message.id)
    stored.components[0]["components"][0]["custom_id"] = forged
    result = await simulation.ann.click(message, custom_id=forged)
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content.startswith("This button has expired.")
    assert len(engine.engine_requests) == 1


async def test_a_button_of_a_model_that_is_gone_is_told_to_the_presser(
    simulation: Simulation,
) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet --model sea-songs a rose")
    await _restart(simulation, fake_service(models=[SONNETS]))
    result = await simulation.ann.click(await _last(simulation), label="Again")
    assert [told.ephemeral for told in result.followups] == [True]
    assert "There is no model" in result.followups[0].content
    assert len(simulation.answers) == 1


class TestWhileWriting:
    """The poem's second piece has not come yet: the engine waits."""

    @pytest.fixture
    def simcord_bot(self, service: PoemService) -> SonneteerBot:
        return SonneteerBot(
            app_with(service),
            timing=ReplyTiming(edit_seconds=3600.0, patience_seconds=0.0, retry_seconds=0.0),
        )

    @pytest.fixture
    def engine(self) -> FakeEngine:
        return FakeEngine(piece_seconds=3600.0)

    async def test_the_reply_shows_what_there_is(self, simulation: Simulation) -> None:
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
        assert simulation.answers == ["a rose\n-# writing…"]

    async def test_the_place_in_line_is_told(
        self, simulation: Simulation, engine: FakeEngine
    ) -> None:
        engine.place, engine.expected_wait = 3, 4.0
        await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose")
        assert simulation.answers == ["a rose\n-# In the queue: 2 poems before yours, about 4 s."]

    @pytest.mark.parametrize("how", ["button", "reply", "command", "bulk"])
    async def test_deleting_frees_the_row(
        self, simulation: Simulation, engine: FakeEngine, how: str
    ) -> None:
        command = await simulation.ann.send(simulation.channel, "!sonnet a rose")
        reply = await _last(simulation)
        assert engine.running == 1
        match how:
            case "button":
                await simulation.ann.click(reply, label="Delete")
            case "reply":
                simulation.env.backend.delete_message(simulation.channel.id, reply.id)
            case "command":
                await simulation.ann.delete(command)
            case _:
                simulation.env.backend.bulk_delete_messages(
                    simulation.channel.id, [command.id, reply.id]
                )
        await simulation.env.settle()
        assert engine.running == 0
        await simulation.env.advance_time(3600)  # the fake wakes up and sees that it was cancelled
        assert simulation.answers == []


# Poems in a form


@pytest.fixture
def versed(service: PoemService) -> PoemService:
    service.defaults = Defaults()
    return service


async def test_a_poem_in_a_form_has_its_title_and_a_card(
    simulation: Simulation, versed: PoemService
) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    assert simulation.answers == [f"### A Title\na rose{VERSE}\n-# sonnets · random seed 7"]
    result = await simulation.ben.click(await _last(simulation), label="Card")
    assert result.response is not None
    [card] = result.response.attachments
    assert card.filename == "poem-7.png"


async def test_again_and_continue_keep_the_form(
    simulation: Simulation, engine: FakeEngine, versed: PoemService
) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet --form haiku a rose")
    message = await _last(simulation)
    await simulation.ann.click(message, label="Again")
    await simulation.ann.click(message, label="Continue")
    assert [
        (engine_request.settings.form, engine_request.opening.text)
        for engine_request in engine.engine_requests
    ] == [
        ("haiku", "a rose"),
        ("haiku", "a rose"),
        ("haiku", "along the sleeping land"),
    ]


async def test_free_text_has_no_card(simulation: Simulation) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    labels = [
        button.label
        for row in (await _last(simulation)).components
        if isinstance(row, discord.ActionRow)
        for button in row.children
        if isinstance(button, discord.Button)
    ]
    assert labels == ["Again", "Continue", "Delete"]


async def test_a_slash_command_may_choose_the_form(
    simulation: Simulation, engine: FakeEngine, versed: PoemService
) -> None:
    await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose", form="couplet")
    assert engine.engine_requests[0].settings.form == "couplet"
