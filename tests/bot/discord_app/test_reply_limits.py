"""Floods: what a channel waits for has an end, and who asks beside a flood is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from prometheus_client import Counter

from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.rate_limits import (
    CHANNEL_AT_ONCE,
    MAX_REMEMBERED,
    MEMBER_AT_ONCE,
    GlobalRateLimit,
    ReplyLimits,
)
from tests.discord_payloads import BOT, CHANNEL
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fakes import FakeEngine, app_with, fake_service
from tests.timeouts import HANG_SECONDS

ANN, BEN = 7, 8


@pytest.fixture
def reply_limits() -> ReplyLimits:
    return ReplyLimits(Counter("unanswered", "Not answered.", registry=None))


def test_a_member_who_floods_leaves_room_for_another(reply_limits: ReplyLimits) -> None:
    waiting = [reply_limits.enter(CHANNEL, ANN) for _ in range(2 * MEMBER_AT_ONCE)]
    had_room = [each.__enter__() for each in waiting]
    assert had_room == [True] * MEMBER_AT_ONCE + [False] * MEMBER_AT_ONCE
    with reply_limits.enter(CHANNEL, BEN) as has_room:
        assert has_room
    with reply_limits.enter(CHANNEL + 1, ANN) as has_room:
        assert has_room
    for each in waiting:
        each.__exit__(None, None, None)
    with reply_limits.enter(CHANNEL, ANN) as has_room:
        assert has_room


def test_many_members_who_flood_a_channel_leave_others_alone(
    reply_limits: ReplyLimits, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = [reply_limits.enter(CHANNEL, member) for member in range(2 * CHANNEL_AT_ONCE)]
    assert sum(each.__enter__() for each in waiting) == CHANNEL_AT_ONCE
    with reply_limits.enter(CHANNEL + 1, ANN) as has_room:
        assert has_room
    assert caplog.text.count(f"for example in channel {CHANNEL}") == 1
    for each in waiting:
        each.__exit__(None, None, None)
    with reply_limits.enter(CHANNEL, ANN) as has_room:
        assert has_room


def test_what_goes_wrong_gives_the_room_back(reply_limits: ReplyLimits) -> None:
    for _ in range(2 * MEMBER_AT_ONCE):
        with suppress(ConnectionError), reply_limits.enter(CHANNEL, ANN) as has_room:
            assert has_room
            raise ConnectionError


async def test_words_are_left_out_when_requests_are_short_and_poems_are_not() -> None:
    rate_limit = GlobalRateLimit()
    reply_limits = ReplyLimits(Counter("unanswered", "Not answered.", registry=None), rate_limit)
    with reply_limits.enter(CHANNEL, ANN, spare=True) as has_room:
        assert has_room
    waiting = [asyncio.ensure_future(rate_limit.acquire()) for _ in range(100)]
    await asyncio.sleep(0)
    with reply_limits.enter(CHANNEL, ANN, spare=True) as has_room:
        assert not has_room
    with reply_limits.enter(CHANNEL, ANN) as has_room:
        assert has_room
    for each in waiting:
        each.cancel()


def test_a_command_is_new_once_and_its_repetitions_are_counted() -> None:
    repeated = Counter("repeated", "Sent twice.", registry=None)
    limits = ReplyLimits(Counter("unanswered", "Not answered.", registry=None), repeated=repeated)
    assert [limits.is_new(number) for number in (1, 2, 1, 1, 2)] == [True, True] + [False] * 3
    assert value_of(repeated) == 3


def test_only_the_latest_commands_are_remembered(reply_limits: ReplyLimits) -> None:
    for number in range(MAX_REMEMBERED + 1):
        assert reply_limits.is_new(number)
    assert not reply_limits.is_new(1)
    assert reply_limits.is_new(0)


@pytest.fixture
def service() -> PoemService:
    return fake_service(FakeEngine(), cooldown_seconds={"discord": 3600.0})


@pytest.fixture
async def discord(service: PoemService) -> AsyncIterator[FakeDiscord]:
    """Discord with the bot on it."""
    async with FakeDiscord().serve() as fake:
        bot = SonneteerBot(
            app_with(service), api_url=fake.url, timing=ReplyTiming(0.01, 0.01, 0.01, 0.01)
        )
        async with bot:
            running = asyncio.create_task(bot.start(TOKEN))
            await fake.until(lambda: fake.gateway.identified)
            yield fake
        await running


def value_of(counter: Counter) -> float:
    return next(iter(counter.collect())).samples[0].value


def left_alone(service: PoemService) -> float:
    return value_of(service.metrics.unanswered_commands)


async def until_left_alone(service: PoemService, commands: int) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while left_alone(service) < commands:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("words", ["!help", "!sonnet a rose", f"<@{BOT}> a rose"])
async def test_a_flood_of_messages_is_answered_as_far_as_its_channel_can_wait(
    discord: FakeDiscord, service: PoemService, words: str
) -> None:
    """Were all answered, each next one in the channel would wait for seconds more."""
    released = discord.hold("POST", f"/channels/{CHANNEL}/messages$")
    for _ in range(4 * MEMBER_AT_ONCE):
        await discord.say(words)
    await until_left_alone(service, 3 * MEMBER_AT_ONCE)
    released.set()
    await discord.until(lambda: len(discord.answers) == MEMBER_AT_ONCE)
    asked = await discord.say("!help")
    await discord.until(lambda: discord.answers_to(asked))
    assert len(discord.answers) == MEMBER_AT_ONCE + 1
    assert left_alone(service) == 3 * MEMBER_AT_ONCE


async def test_a_bot_without_requests_to_spare_writes_poems_and_says_nothing_else(
    discord: FakeDiscord, service: PoemService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GlobalRateLimit, "is_congested", True)
    poem = await discord.say("!sonnet a rose")
    await discord.until(lambda: discord.answers_to(poem))
    for words in ("!help", "!sonnet too soon", f"<@{BOT}> too soon"):
        await discord.say(words)
    await until_left_alone(service, 3)
    said = [(method, path.split("/")[-1]) for method, path, _ in discord.requests]
    assert said[-1] == ("POST", "messages")  # no typing, no line that grows
    assert len(discord.answers) == 1
    assert "random seed" in discord.contents[0]
    monkeypatch.setattr(GlobalRateLimit, "is_congested", False)
    asked = await discord.say("!help")
    await discord.until(lambda: discord.answers_to(asked))


async def test_every_request_but_answers_to_interactions_takes_its_turn(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = []

    async def acquire(_: GlobalRateLimit) -> None:
        spent.append(1)

    monkeypatch.setattr(GlobalRateLimit, "acquire", acquire)
    discord.requests.clear()
    await discord.slash("sonnet", {"seed": "a rose"})
    await discord.until(lambda: any("random seed" in content for content in discord.contents))
    assert not spent
    asked = await discord.say("!help")
    await discord.until(lambda: discord.answers_to(asked))
    assert len(spent) == 1
    assert any(path.startswith("/webhooks/") for _, path, _ in discord.requests)
