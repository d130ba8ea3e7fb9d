"""Floods: what a channel waits for has an end, and who asks beside a flood is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from prometheus_client import Counter

from bot.core.service import Service
from bot.discord_app.budget import Budget
from bot.discord_app.client import SonneteerBot
from bot.discord_app.crowding import CHANNEL_AT_ONCE, MEMBER_AT_ONCE, Crowding
from bot.discord_app.live import Tempo
from tests.discord_payloads import BOT, CHANNEL
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fakes import FakePoet, fake_service
from tests.patience import HANG_SECONDS

ANN, BEN = 7, 8


@pytest.fixture
def crowding() -> Crowding:
    return Crowding(Counter("unanswered", "Not answered.", registry=None))


def test_a_member_who_floods_leaves_room_for_another(crowding: Crowding) -> None:
    waiting = [crowding.enter(CHANNEL, ANN) for _ in range(2 * MEMBER_AT_ONCE)]
    had_room = [each.__enter__() for each in waiting]
    assert had_room == [True] * MEMBER_AT_ONCE + [False] * MEMBER_AT_ONCE
    with crowding.enter(CHANNEL, BEN) as has_room:
        assert has_room
    with crowding.enter(CHANNEL + 1, ANN) as has_room:
        assert has_room
    for each in waiting:
        each.__exit__(None, None, None)
    with crowding.enter(CHANNEL, ANN) as has_room:
        assert has_room


def test_many_members_who_flood_a_channel_leave_others_alone(
    crowding: Crowding, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = [crowding.enter(CHANNEL, member) for member in range(2 * CHANNEL_AT_ONCE)]
    assert sum(each.__enter__() for each in waiting) == CHANNEL_AT_ONCE
    with crowding.enter(CHANNEL + 1, ANN) as has_room:
        assert has_room
    assert caplog.text.count(f"as in channel {CHANNEL}") == 1
    for each in waiting:
        each.__exit__(None, None, None)
    with crowding.enter(CHANNEL, ANN) as has_room:
        assert has_room


def test_what_goes_wrong_gives_the_room_back(crowding: Crowding) -> None:
    for _ in range(2 * MEMBER_AT_ONCE):
        with suppress(ConnectionError), crowding.enter(CHANNEL, ANN) as has_room:
            assert has_room
            raise ConnectionError


async def test_words_are_left_out_when_requests_are_short_and_poems_are_not() -> None:
    budget = Budget()
    crowding = Crowding(Counter("unanswered", "Not answered.", registry=None), budget)
    with crowding.enter(CHANNEL, ANN, spare=True) as has_room:
        assert has_room
    waiting = [asyncio.ensure_future(budget.spend()) for _ in range(100)]
    await asyncio.sleep(0)
    with crowding.enter(CHANNEL, ANN, spare=True) as has_room:
        assert not has_room
    with crowding.enter(CHANNEL, ANN) as has_room:
        assert has_room
    for each in waiting:
        each.cancel()


@pytest.fixture
def service() -> Service:
    return fake_service(FakePoet(), cooldown_seconds={"discord": 3600.0})


@pytest.fixture
async def discord(service: Service) -> AsyncIterator[FakeDiscord]:
    """Discord with the bot on it."""
    async with FakeDiscord().serve() as fake:
        bot = SonneteerBot(service, api_url=fake.url, tempo=Tempo(0.01, 0.01, 0.01, 0.01))
        async with bot:
            running = asyncio.create_task(bot.start(TOKEN))
            await fake.until(lambda: fake.gateway.identified)
            yield fake
        await running


def left_alone(service: Service) -> float:
    return next(iter(service.metrics.unanswered_commands.collect())).samples[0].value


async def until_left_alone(service: Service, commands: int) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while left_alone(service) < commands:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("words", ["!help", "!sonnet a rose", f"<@{BOT}> a rose"])
async def test_a_flood_of_messages_is_answered_as_far_as_its_channel_can_wait(
    discord: FakeDiscord, service: Service, words: str
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
    discord: FakeDiscord, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget, "is_short", True)
    poem = await discord.say("!sonnet a rose")
    await discord.until(lambda: discord.answers_to(poem))
    for words in ("!help", "!sonnet too soon", f"<@{BOT}> too soon"):
        await discord.say(words)
    await until_left_alone(service, 3)
    said = [(method, path.split("/")[-1]) for method, path, _ in discord.requests]
    assert said[-1] == ("POST", "messages")  # no typing, no line that grows
    assert len(discord.answers) == 1
    assert "random seed" in discord.contents[0]
    monkeypatch.setattr(Budget, "is_short", False)
    asked = await discord.say("!help")
    await discord.until(lambda: discord.answers_to(asked))


async def test_every_request_but_answers_to_interactions_takes_its_turn(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = []

    async def spend(_: Budget) -> None:
        spent.append(1)

    monkeypatch.setattr(Budget, "spend", spend)
    discord.requests.clear()
    await discord.slash("sonnet", {"seed": "a rose"})
    await discord.until(lambda: any("random seed" in content for content in discord.contents))
    assert not spent
    asked = await discord.say("!help")
    await discord.until(lambda: discord.answers_to(asked))
    assert len(spent) == 1
    assert any(path.startswith("/webhooks/") for _, path, _ in discord.requests)
