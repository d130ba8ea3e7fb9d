"""Fifty requests a second, whatever happens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.discord_app.budget import BURST, PER_SECOND, Budget
from tests.simulated_time import simulated

DISCORD_PER_SECOND = 50


@simulated
async def test_no_second_has_more_requests_than_discord_takes() -> None:
    budget, moments = Budget(), list[float]()

    async def request(after: float) -> None:
        await asyncio.sleep(after)
        await budget.spend()
        moments.append(asyncio.get_running_loop().time())

    crowd = [request(0.0) for _ in range(200)]
    drops = [request(10.0 + number / 40) for number in range(100)]
    await asyncio.gather(*crowd, *drops, *(request(12.0) for _ in range(100)))
    for number, moment in enumerate(moments):
        within = [later for later in moments[number:] if later < moment + 1.0]
        assert len(within) <= DISCORD_PER_SECOND
    assert moments == sorted(moments)
    assert moments[199] == pytest.approx((200 - BURST) / PER_SECOND, abs=0.1)


@simulated
async def test_a_few_requests_wait_for_nothing_and_many_make_it_short_for_a_while() -> None:
    budget, loop = Budget(), asyncio.get_running_loop()
    for _ in range(BURST):
        await budget.spend()
    assert loop.time() == pytest.approx(0.0, abs=1 / PER_SECOND)
    assert not budget.is_short
    waiting = [asyncio.ensure_future(budget.spend()) for _ in range(100)]
    await asyncio.sleep(0)
    assert budget.is_short
    await asyncio.gather(*waiting)
    assert not budget.is_short


@simulated
async def test_a_loop_that_was_late_makes_no_more_requests_at_once() -> None:
    budget, moments = Budget(), list[float]()

    async def request() -> None:
        await budget.spend()
        moments.append(asyncio.get_running_loop().time())

    waiting = [asyncio.ensure_future(request()) for _ in range(100)]
    await asyncio.sleep(0.5)
    _fall_behind(seconds=3.0)
    await asyncio.gather(*waiting)
    for number, moment in enumerate(moments):
        assert sum(moment <= later < moment + 1.0 for later in moments[number:]) <= 50


def _fall_behind(*, seconds: float) -> None:
    """Let time go by without a turn of the loop."""
    clock: Any = asyncio.get_running_loop()
    clock._clock.now += seconds


@simulated
async def test_what_is_cancelled_takes_nobodys_turn() -> None:
    budget, loop = Budget(), asyncio.get_running_loop()
    waiting = [asyncio.ensure_future(budget.spend()) for _ in range(500)]
    await asyncio.sleep(0.1)
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    assert not budget.is_short
    await budget.spend()
    assert loop.time() < 0.2


@simulated
async def test_a_process_has_its_share() -> None:
    budget, loop = Budget(share=0.25), asyncio.get_running_loop()
    await asyncio.gather(*(budget.spend() for _ in range(46)))
    assert loop.time() == pytest.approx(45 * 4 / PER_SECOND, abs=0.1)
