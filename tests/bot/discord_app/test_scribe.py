"""Answers in trouble: full lines, impatient members, closed channels, broken pens."""

from __future__ import annotations

import pytest

from bot.core.service import Service
from bot.discord_app.replies import read_verse
from bot.discord_app.scribe import MAY_NOT_WRITE
from tests.bot.discord_app.conftest import Stage
from tests.conftest import LogLines
from tests.fakes import VERSE, Clock, FakePoet, fake_service

POEM = f"a rose{VERSE}"
SIGNATURE = "\n-# sonnets · random seed 7"


async def test_a_command_that_discord_delivers_twice_is_answered_once(stage: Stage) -> None:
    command = await stage.ann.send(stage.channel, "!sonnet a rose")
    stage.env.bot.dispatch("message", command)
    await stage.env.settle()
    assert len(stage.answers) == 1


async def test_a_full_line_is_said(stage: Stage, poet: FakePoet) -> None:
    poet.full = True
    await stage.ann.send(stage.channel, "!sonnet a rose")
    assert stage.answers == [
        "All pens are busy and 64 poems are waiting already. Ask again in a minute."
    ]


class TestImpatience:
    """Two poems of one member in a row."""

    @pytest.fixture
    def service(self, poet: FakePoet) -> Service:
        return fake_service(poet, cooldown_seconds={"discord": 30.0}, clock=Clock())

    async def test_a_member_who_asks_too_soon_is_told_how_long_to_wait(self, stage: Stage) -> None:
        await stage.ann.send(stage.channel, "!sonnet a rose")
        await stage.ann.send(stage.channel, "!sonnet a rose")
        await stage.ben.send(stage.channel, "!sonnet a rose")
        verses = [read_verse(answer) for answer in stage.answers]
        assert verses[0] == verses[2] == POEM
        assert "please wait 30 s" in stage.answers[1]

    async def test_a_slash_command_too_soon_is_refused_to_the_asker_alone(
        self, stage: Stage
    ) -> None:
        await stage.ann.slash(stage.channel, "sonnet", seed="a rose")
        result = await stage.ann.slash(stage.channel, "sonnet", seed="a rose")
        assert result.ephemeral
        assert not result.deferred
        assert len(stage.answers) == 1


async def test_while_the_bot_stops_new_commands_are_turned_away(
    stage: Stage, service: Service
) -> None:
    await service.close(grace_seconds=0)
    await stage.ann.send(stage.channel, "!sonnet a rose")
    result = await stage.ann.slash(stage.channel, "sonnet", seed="a rose")
    assert stage.answers[0] == "Sonneteer is about to restart. Ask again in a minute."
    assert result.ephemeral


async def test_an_unforeseen_error_is_an_apology_with_an_id(
    stage: Stage, poet: FakePoet, caplog: pytest.LogCaptureFixture
) -> None:
    poet.failure = RuntimeError("the pen broke")
    await stage.ann.send(stage.channel, "!sonnet a rose")
    (answer,) = stage.answers
    number = answer.rstrip(".").split()[-1]
    assert answer.startswith("Something went wrong")
    assert f"error {number}" in caplog.text
    assert "the pen broke" in caplog.text


@pytest.mark.parametrize("status", [403, 404])
async def test_a_channel_that_takes_no_answer_is_logged_once(
    stage: Stage, poet: FakePoet, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    path = f"/channels/{stage.channel.id}/messages"
    stage.env.inject_error("POST", path, status=status, code=50013, times=None)
    for _ in range(3):
        await stage.ann.send(stage.channel, "!sonnet a rose")
    assert stage.answers == []
    assert caplog.text.count("cannot answer in channel") == 1
    assert poet.running == 0


async def test_whoever_asks_where_nothing_may_be_said_is_told_in_private_once(
    stage: Stage,
) -> None:
    path = f"/channels/{stage.channel.id}/messages"
    stage.env.inject_error("POST", path, status=403, code=50013, times=None)
    for _ in range(2):
        await stage.ann.send(stage.channel, "!sonnet a rose")
    told = stage.ann.user.dm_channel.history()
    assert [message.content for message in told] == [MAY_NOT_WRITE.format(channel=stage.channel.id)]


async def test_without_the_right_to_read_history_the_answer_is_no_reply(stage: Stage) -> None:
    path = f"/channels/{stage.channel.id}/messages"
    stage.env.inject_error("POST", path, status=400, code=160002, times=1)
    await stage.ann.send(stage.channel, "!sonnet a rose")
    assert stage.answers == [POEM + SIGNATURE]


async def test_the_last_edit_is_tried_again(stage: Stage) -> None:
    stage.env.inject_error("PATCH", "/channels/*/messages/*", status=503, times=2)
    await stage.ann.send(stage.channel, "!sonnet a rose")
    assert stage.answers == [POEM + SIGNATURE]


async def test_a_reply_that_cannot_be_edited_is_replaced(stage: Stage) -> None:
    stage.env.inject_error("PATCH", "/channels/*/messages/*", status=400, code=50035, times=None)
    await stage.ann.send(stage.channel, "!sonnet a rose")
    assert stage.answers == [POEM + SIGNATURE]


async def test_seeds_and_names_stay_out_of_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await stage.ann.send(stage.channel, "!sonnet a secret rose")
    await stage.ann.slash(stage.channel, "sonnet", seed="a secret rose", lines=0)
    assert "secret" not in caplog.text
    assert "ann" not in caplog.text


async def test_the_line_of_a_poem_tells_what_was_sent_and_nobody_by_number(
    stage: Stage, log_lines: LogLines
) -> None:
    await stage.ann.send(stage.channel, "!sonnet a rose")
    (line,) = [line for line in log_lines() if "outcome" in line]
    assert (line["level"], line["door"], line["outcome"]) == ("info", "discord", "complete")
    assert (line["messages"], line["edits"] > 0) == (1, True)
    assert not any(str(one.id) in str(line) for one in (stage.ann, stage.channel, stage.guild))


async def test_from_the_command_to_the_last_edit_all_lines_have_one_number(
    stage: Stage, log_lines: LogLines
) -> None:
    await stage.ann.send(stage.channel, "!sonnet a rose")
    ours = [line for line in log_lines() if "request" in line]
    said = [line["message"] for line in ours]
    assert len({line["request"] for line in ours}) == 1
    assert said[0] == "a poem was asked for, door discord"
    assert said[-2:] == ["the last edit was sent", "a poem"]
    assert "message 1 was sent" in said
    assert "edit 1 was sent" in said


async def test_the_number_in_an_apology_finds_all_lines_of_the_request(
    stage: Stage, poet: FakePoet, log_lines: LogLines
) -> None:
    poet.failure = RuntimeError("the pen broke")
    await stage.ann.send(stage.channel, "!sonnet a rose")
    number = stage.answers[0].rstrip(".").split()[-1]
    lines = [line for line in log_lines() if line.get("request") == number]
    assert any("the pen broke" in line.get("error", "") for line in lines)
    assert (lines[-1]["outcome"], lines[-1]["trouble"]) == ("failed", "RuntimeError")


async def test_a_poem_that_found_no_place_is_told_with_the_reason(
    stage: Stage, log_lines: LogLines
) -> None:
    path = f"/channels/{stage.channel.id}/messages"
    stage.env.inject_error("POST", path, status=403, code=50013, times=None)
    await stage.ann.send(stage.channel, "!sonnet a rose")
    (line,) = [line for line in log_lines() if "outcome" in line]
    assert line["messages"] == 0
