"""Fifty requests a second, whatever happens."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from bot.discord_app.rate_limits import BURST, PER_SECOND, GlobalRateLimit
from tests.simulated_time import simulated

DISCORD_PER_SECOND = 50


@simulated
async def test_no_second_has_more_requests_than_discord_takes() -> None:
    rate_limit, moments = GlobalRateLimit(), list[float]()

    async def request(after: float) -> None:
        await asyncio.sleep(after)
        await rate_limit.acquire()
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
    rate_limit, loop = GlobalRateLimit(), asyncio.get_running_loop()
    for _ in range(BURST):
        await rate_limit.acquire()
    assert loop.time() == pytest.approx(0.0, abs=1 / PER_SECOND)
    assert not rate_limit.is_congested
    waiting = [asyncio.ensure_future(rate_limit.acquire()) for _ in range(100)]
    await asyncio.sleep(0)
    assert rate_limit.is_congested
    await asyncio.gather(*waiting)
    assert not rate_limit.is_congested


@simulated
async def test_a_loop_that_was_late_makes_no_more_requests_at_once() -> None:
    rate_limit, moments = GlobalRateLimit(), list[float]()

    async def request() -> None:
        await rate_limit.acquire()
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
    rate_limit, loop = GlobalRateLimit(), asyncio.get_running_loop()
    waiting = [asyncio.ensure_future(rate_limit.acquire()) for _ in range(500)]
    await asyncio.sleep(0.1)
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    assert not rate_limit.is_congested
    await rate_limit.acquire()
    assert loop.time() < 0.2


@simulated
async def test_a_process_has_its_share() -> None:
    rate_limit, loop = GlobalRateLimit(share=0.25), asyncio.get_running_loop()
    await asyncio.gather(*(rate_limit.acquire() for _ in range(46)))
    assert loop.time() == pytest.approx(45 * 4 / PER_SECOND, abs=0.1)


# Whoever turns all requests away

DISCORD = URL("https://discord.example/api/v10/users/@me")
TEXT, JSON = "text/html", "application/json"


async def ask(rate_limit: GlobalRateLimit, url: URL = DISCORD, *, token: bool = False) -> float:
    """Make a request; return when it is sent, by the loop's clock."""
    headers = {"Authorization": "Bot x"} if token else {}
    nobody: Any = None
    start: Any = SimpleNamespace(url=url, headers=headers)
    session: Any = SimpleNamespace(closed=False)
    await rate_limit.before_request(session, nobody, start)
    return asyncio.get_running_loop().time()


async def hear(
    rate_limit: GlobalRateLimit, headers: dict[str, str], kind: str = TEXT, status: int = 429
) -> None:
    response = SimpleNamespace(status=status, headers=headers, content_type=kind)
    end: Any = SimpleNamespace(url=DISCORD, response=response)
    nobody: Any = None
    await rate_limit.after_request(nobody, nobody, end)


@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Retry-After": "30"}, TEXT),
        ({"Retry-After": "30", "Via": "1.1 google"}, TEXT),
        ({"Retry-After": "30"}, JSON),
        ({"Retry-After": "30", "X-RateLimit-Global": "true"}, JSON),
        ({"Retry-After": "30", "X-RateLimit-Scope": "global"}, TEXT),
        (
            {
                "Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT",
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            TEXT,
        ),
    ],
)
def test_a_ban_lets_all_requests_wait_as_long_as_it_says(
    headers: dict[str, str], kind: str, token: bool
) -> None:
    async def story() -> None:
        rate_limit = GlobalRateLimit()
        await hear(rate_limit, headers, kind)
        assert await ask(rate_limit, URL("https://elsewhere.example/"), token=token) < 1.0
        times = await asyncio.gather(*(ask(rate_limit, token=token) for _ in range(5)))
        assert all(30.0 <= time <= 31.0 for time in times)

    simulated(story)()


@pytest.mark.parametrize(
    ("headers", "kind", "status"),
    [
        ({"Retry-After": "30", "Via": "1.1 google"}, JSON, 429),  # discord.py waits
        ({"Retry-After": "30", "X-RateLimit-Scope": "user"}, TEXT, 429),  # of one route
        ({"Retry-After": "30", "X-RateLimit-Scope": "shared"}, JSON, 429),
        ({"Retry-After": "30"}, TEXT, 503),
        ({}, TEXT, 429),
        *(({"Retry-After": odd}, TEXT, 429) for odd in ("", "soon", "-3", "nan", "0")),
    ],
)
def test_what_concerns_one_request_lets_no_other_wait(
    headers: dict[str, str], kind: str, status: int
) -> None:
    async def story() -> None:
        rate_limit = GlobalRateLimit()
        await hear(rate_limit, headers, kind, status)
        assert await ask(rate_limit) == 0.0

    simulated(story)()


@simulated
async def test_a_ban_without_end_is_believed_for_an_hour() -> None:
    rate_limit = GlobalRateLimit()
    await hear(rate_limit, {"Retry-After": "inf"})
    assert await ask(rate_limit) == pytest.approx(3600.0)


@simulated
async def test_a_ban_that_is_made_longer_is_waited_for_to_its_end() -> None:
    rate_limit = GlobalRateLimit()
    await hear(rate_limit, {"Retry-After": "30"})
    waiting = asyncio.ensure_future(ask(rate_limit))
    await asyncio.sleep(20.0)
    await hear(rate_limit, {"Retry-After": "40"})
    await hear(rate_limit, {"Retry-After": "1"})
    assert await waiting == pytest.approx(60.0)
