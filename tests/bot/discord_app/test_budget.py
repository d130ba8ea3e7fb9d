"""Fifty requests a second, whatever happens."""

from __future__ import annotations

import asyncio

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
