"""This machine's clock, and that of Discord's answers."""

from __future__ import annotations

from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest

from bot.discord_app.clock import ClockWatch
from tests.fakes import Clock


async def answer(watch: ClockWatch, date: str | None) -> None:
    headers = {} if date is None else {"Date": date}
    end: Any = SimpleNamespace(response=SimpleNamespace(headers=headers))
    nobody: Any = None
    await watch.compare(nobody, nobody, end)


@pytest.mark.parametrize(("seconds", "side"), [(1200.0, "ahead of"), (-1200.0, "behind")])
async def test_a_wrong_clock_is_said_once_and_once_that_it_is_right_again(
    caplog: pytest.LogCaptureFixture, seconds: float, side: str
) -> None:
    caplog.set_level("INFO")
    clock = Clock(1_800_000_000.0)
    watch, date = ClockWatch(clock), formatdate(clock.now, usegmt=True)
    await answer(watch, date)
    clock.now += seconds
    await answer(watch, date)
    await answer(watch, date)
    clock.now -= seconds
    await answer(watch, date)
    wrong, right = [one.getMessage() for one in caplog.records]
    assert side in wrong
    assert "agrees with Discord's again" in right


@pytest.mark.parametrize("date", [None, "", "soon", "Thu, 32 Foo 2026 99:99:99 GMT"])
async def test_an_answer_without_a_date_says_nothing_of_the_clock(
    caplog: pytest.LogCaptureFixture, date: str | None
) -> None:
    await answer(ClockWatch(Clock(0.0)), date)
    assert caplog.records == []
