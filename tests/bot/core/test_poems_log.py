"""What is told of a poem in the log, whoever asked for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import request_log
from bot.core.errors import BadSetting
from bot.core.records import Asker, PoemRequest
from tests.conftest import LogLines
from tests.fakes import VERSE, FakeEngine, fake_service

REQUEST = PoemRequest(asker=Asker("discord:1", "10"), seed="The sea")


async def write(request: PoemRequest = REQUEST, engine: FakeEngine | None = None) -> None:
    service = fake_service(engine)
    async with service.write(await service.admit(request)) as poem_stream:
        await poem_stream.finish()


async def test_a_poem_is_one_line_of_the_log_whatever_door_it_went_through(
    log_lines: LogLines,
) -> None:
    with request_log.request() as number:
        await write()
    (line,) = [line for line in log_lines() if line["level"] == "info"]
    assert line["request"] == number
    assert (line["door"], line["outcome"], line["model"]) == ("discord", "complete", "sonnets")
    assert line["characters"] == len("The sea" + VERSE)
    assert (line["queue_ms"], line["first_text_ms"]) == (0, 0)
    assert line["total_ms"] >= 0


async def test_each_step_of_a_poem_is_told_at_debug_under_one_number(log_lines: LogLines) -> None:
    await write()
    steps = [line for line in log_lines() if line["level"] == "debug"]
    assert [step["message"] for step in steps] == [
        "a poem was asked for, door discord",
        "the poem is in line, at place 0",
        "a row after 0 ms, the first text after 0",
    ]
    assert len({line["request"] for line in log_lines()}) == 1


async def test_a_refusal_is_told_at_debug_alone(log_lines: LogLines) -> None:
    """Metrics count them; whoever is refused again and again would fill the log."""
    with pytest.raises(BadSetting):
        await write(replace(REQUEST, lines=0))
    assert [(line["level"], line["message"]) for line in log_lines()][-1] == (
        "debug",
        "no poem: BadSetting",
    )
    assert {line["level"] for line in log_lines()} == {"debug"}


async def test_of_a_poem_that_failed_it_is_told_how_far_it_came(log_lines: LogLines) -> None:
    engine = FakeEngine()
    engine.failure = RuntimeError("the engine broke")
    with pytest.raises(RuntimeError):
        await write(engine=engine)
    (line,) = [line for line in log_lines() if line["level"] == "info"]
    assert (line["outcome"], line["characters"]) == ("failed", len("The sea" + VERSE))


async def test_no_line_at_any_level_has_seed_member_or_server(log_lines: LogLines) -> None:
    await write(replace(REQUEST, asker=Asker("discord:777000", "888000", "999000")))
    said = str(log_lines())
    assert not any(word in said for word in ("The sea", VERSE[:9], "777000", "888000", "999000"))
