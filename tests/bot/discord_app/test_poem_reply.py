"""Answers in trouble: full queues, impatient members, closed channels, engines that fail."""

from __future__ import annotations

import pytest

from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot
from bot.discord_app.poem_formatting import read_verse
from tests.bot.discord_app.conftest import Simulation
from tests.conftest import LogLines
from tests.fakes import VERSE, Clock, FakeEngine, fake_service

POEM = f"a rose{VERSE}"
SIGNATURE = "\n-# sonnets · random seed 7"


@pytest.mark.parametrize("words", ["!sonnet a rose", "@ a rose", "!help"])
async def test_a_command_that_discord_delivers_twice_is_answered_once(
    simulation: Simulation, words: str
) -> None:
    bot = simulation.env.bot
    assert bot.user is not None
    typed = words.replace("@", bot.user.mention)
    command = await simulation.ann.send(simulation.channel, typed)
    bot.dispatch("message", command)
    await simulation.env.settle()
    assert len(simulation.answers) == 1
    assert isinstance(bot, SonneteerBot)
    counter = bot.gateway.metrics.repeated_events
    assert next(iter(counter.collect())).samples[0].value == 1


async def test_a_full_line_is_said(simulation: Simulation, engine: FakeEngine) -> None:
    engine.full = True
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    assert simulation.answers == ["The queue is full (64 poems waiting). Try again in a minute."]


class TestImpatience:
    """Two poems of one member in a row."""

    @pytest.fixture
    def service(self, engine: FakeEngine) -> PoemService:
        return fake_service(engine, cooldown_seconds={"discord": 30.0}, clock=Clock())

    async def test_a_member_who_asks_too_soon_is_told_how_long_to_wait(
        self, simulation: Simulation
    ) -> None:
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
        await simulation.ben.send(simulation.channel, "!sonnet a rose")
        verses = [read_verse(answer) for answer in simulation.answers]
        assert verses[0] == verses[2] == POEM
        assert "Please wait 30 s" in simulation.answers[1]

    async def test_a_slash_command_too_soon_is_refused_to_the_asker_alone(
        self, simulation: Simulation
    ) -> None:
        await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose")
        result = await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose")
        assert result.ephemeral
        assert not result.deferred
        assert len(simulation.answers) == 1


async def test_while_the_bot_stops_new_commands_are_turned_away(
    simulation: Simulation, service: PoemService
) -> None:
    await service.close(grace_seconds=0)
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    result = await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose")
    assert simulation.answers[0] == "Sonneteer is about to restart. Try again in a minute."
    assert result.ephemeral


async def test_an_unforeseen_error_is_an_apology_with_an_id(
    simulation: Simulation, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.failure = RuntimeError("the engine broke")
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    (answer,) = simulation.answers
    number = answer.rstrip(".").split()[-1]
    assert answer.startswith("Something went wrong")
    assert f"error {number}" in caplog.text
    assert "the engine broke" in caplog.text


@pytest.mark.parametrize("status", [403, 404])
async def test_a_channel_that_takes_no_answer_is_logged_once(
    simulation: Simulation, engine: FakeEngine, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    path = f"/channels/{simulation.channel.id}/messages"
    simulation.env.inject_error("POST", path, status=status, code=50013, times=None)
    for _ in range(3):
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
    assert simulation.answers == []
    assert caplog.text.count("cannot answer in channel") == 1
    assert engine.running == 0


async def test_whoever_asks_where_nothing_may_be_said_is_told_in_private_once(
    simulation: Simulation,
) -> None:
    path = f"/channels/{simulation.channel.id}/messages"
    simulation.env.inject_error("POST", path, status=403, code=50013, times=None)
    for _ in range(2):
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
    told = simulation.ann.user.dm_channel.history()
    assert [message.content for message in told] == [
        f"I cannot write in <#{simulation.channel.id}>, so I did not write your poem. Ask a server "
        "admin to give me the View Channel and Send Messages permissions there."
    ]


async def test_without_the_right_to_read_history_the_answer_is_no_reply(
    simulation: Simulation,
) -> None:
    path = f"/channels/{simulation.channel.id}/messages"
    simulation.env.inject_error("POST", path, status=400, code=160002, times=1)
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    assert simulation.answers == [POEM + SIGNATURE]


async def test_the_last_edit_is_tried_again(simulation: Simulation) -> None:
    simulation.env.inject_error("PATCH", "/channels/*/messages/*", status=503, times=2)
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    assert simulation.answers == [POEM + SIGNATURE]


async def test_a_reply_that_cannot_be_edited_is_replaced(simulation: Simulation) -> None:
    simulation.env.inject_error(
        "PATCH", "/channels/*/messages/*", status=400, code=50035, times=None
    )
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    assert simulation.answers == [POEM + SIGNATURE]


async def test_seeds_and_names_stay_out_of_the_log(
    simulation: Simulation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await simulation.ann.send(simulation.channel, "!sonnet a secret rose")
    await simulation.ann.slash(simulation.channel, "sonnet", seed="a secret rose", lines=0)
    assert "secret" not in caplog.text
    assert "ann" not in caplog.text


async def test_the_line_of_a_poem_tells_what_was_sent_and_nobody_by_number(
    simulation: Simulation, log_lines: LogLines
) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    (line,) = [line for line in log_lines() if "outcome" in line]
    assert (line["level"], line["door"], line["outcome"]) == ("info", "discord", "complete")
    assert (line["messages"], line["edits"] > 0) == (1, True)
    assert not any(
        str(one.id) in str(line) for one in (simulation.ann, simulation.channel, simulation.guild)
    )


async def test_from_the_command_to_the_last_edit_all_lines_have_one_number(
    simulation: Simulation, log_lines: LogLines
) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    ours = [line for line in log_lines() if "request" in line]
    said = [line["message"] for line in ours]
    assert len({line["request"] for line in ours}) == 1
    assert said[0] == "a poem was asked for, door discord"
    assert said[-2:] == ["the last edit was sent", "a poem"]
    assert "message 1 was sent" in said
    assert "edit 1 was sent" in said


async def test_the_number_in_an_apology_finds_all_lines_of_the_request(
    simulation: Simulation, engine: FakeEngine, log_lines: LogLines
) -> None:
    engine.failure = RuntimeError("the engine broke")
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    number = simulation.answers[0].rstrip(".").split()[-1]
    lines = [line for line in log_lines() if line.get("request") == number]
    assert any("the engine broke" in line.get("error", "") for line in lines)
    assert (lines[-1]["outcome"], lines[-1]["trouble"]) == ("failed", "RuntimeError")


async def test_a_poem_that_found_no_place_is_told_with_the_reason(
    simulation: Simulation, log_lines: LogLines
) -> None:
    path = f"/channels/{simulation.channel.id}/messages"
    simulation.env.inject_error("POST", path, status=403, code=50013, times=None)
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    (line,) = [line for line in log_lines() if "outcome" in line]
    assert line["messages"] == 0
