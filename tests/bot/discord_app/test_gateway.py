"""Shards: how often they identify, how they take turns, several processes on a data folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bot.core.application import App
from bot.core.shards import ShardRange
from bot.discord_app.client import SonneteerBot
from bot.discord_app.gateway import Gateway, GatewayTimeouts
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.supervisor import ClientSupervisor
from tests.apps import FakeTrainer, make_config, open_test_app
from tests.discord_payloads import GUILD
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fakes import app_with, fake_service

OTHER = GUILD + (1 << 22)  # a guild of shard 1, where there are two
HASTE = GatewayTimeouts(pause_seconds=0.01, max_pause_seconds=0.02, identify_seconds=0.01)
TEMPO = ReplyTiming(0.01, 0.01, 0.01, 0.01)


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord([GUILD, OTHER]).serve() as fake:
        yield fake


@asynccontextmanager
async def _on(
    fake: FakeDiscord,
    gateway: Gateway,
    app: App | None = None,
) -> AsyncIterator[ClientSupervisor]:
    opened = app or app_with(fake_service())

    def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
        return SonneteerBot(opened, api_url=fake.url, timing=TEMPO, gateway=gateway)

    door = ClientSupervisor(make_bot, gateway, pause_seconds=0.01)
    running = asyncio.create_task(door.run(TOKEN))
    try:
        yield door
    finally:
        await door.close()
        await running


def _shards(fake: FakeDiscord) -> list[list[int]]:
    return [identity["shard"] for identity in fake.gateway.identified]


async def test_as_many_shards_are_opened_as_discord_recommends(discord: FakeDiscord) -> None:
    discord.recommended_shards = 2
    async with _on(discord, Gateway(timeouts=HASTE)) as door:
        await discord.until(lambda: len(discord.gateway.identified) == 2)
        one, other = await discord.say("!sonnet a rose"), await discord.say("!sonnet", OTHER)
        await discord.until(lambda: discord.answers_to(one) and discord.answers_to(other))
        assert door.gateway.health == {0: True, 1: True}
        await discord.gateway.drop(4000, shard=1)
        await discord.until(lambda: discord.gateway.resumed == 1)
    assert sorted(_shards(discord)) == [[0, 2], [1, 2]]


async def test_one_shard_that_is_lost_is_told_and_leaves_the_other_alone(
    discord: FakeDiscord,
) -> None:
    async with _on(discord, Gateway(ShardRange(0, 1, 2), timeouts=HASTE)) as door:
        await discord.until(lambda: len(discord.gateway.identified) == 2)
        command = await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.answers_to(command))
        discord.gateway.handshakes = ["cut"] * 20
        await discord.gateway.drop(4000, shard=1)
        await discord.until(lambda: door.gateway.health == {0: True, 1: False})
        command = await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.answers_to(command))


async def test_nobody_identifies_beyond_what_discord_allows_a_day(
    discord: FakeDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    discord.identifies_left = 20
    async with _on(discord, Gateway(ShardRange(0, 0, 1), timeouts=HASTE)):
        await discord.until(
            lambda: [path for _, path, _ in discord.requests].count("/gateway/bot") > 5
        )
        assert not discord.gateway.identified
        discord.identifies_left = 999
        await discord.until(lambda: discord.gateway.identified)
    assert "20 are left" in caplog.text


async def test_a_session_that_is_refused_again_and_again_is_begun_more_and_more_slowly(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    usual = asyncio.sleep

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await usual(0)

    monkeypatch.setattr("bot.discord_app.gateway.asyncio.sleep", nap)
    discord.gateway.close_codes = [4007] * 12
    async with _on(discord, Gateway(ShardRange(0, 0, 1), timeouts=GatewayTimeouts())):
        await discord.until(lambda: len(discord.gateway.identified) == 12)
    pauses = [each for each in naps if each in {5 * 2**n for n in range(6)} | {300}]
    assert pauses[:10] == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]


async def test_processes_take_turns_to_identify(discord: FakeDiscord, tmp_path: Path) -> None:
    timeouts = GatewayTimeouts(identify_seconds=0.3)
    times: list[float] = []

    async def note() -> None:
        for count in (1, 2):
            await discord.until(lambda: len(discord.gateway.identified) >= count)  # noqa: B023
            times.append(asyncio.get_running_loop().time())

    noting = asyncio.create_task(note())
    async with AsyncExitStack() as stack:
        for shard_range in (ShardRange(0, 0, 2), ShardRange(1, 1, 2)):
            gateway = Gateway(shard_range, timeouts=timeouts, folder=tmp_path)
            await stack.enter_async_context(_on(discord, gateway))
        await noting
        await asyncio.sleep(0.4)  # let the last turn end: its lock is of this loop
    assert times[1] - times[0] > 0.2


async def test_the_seconds_between_two_identifies_count_from_the_identify_itself(
    discord: FakeDiscord, tmp_path: Path
) -> None:
    """A turn was counted from before the handshake, and a slow one came too close to the next."""
    timeouts = GatewayTimeouts(identify_seconds=0.5)
    discord.gateway.handshakes = [answered := asyncio.Event()]
    async with AsyncExitStack() as stack:
        slow = Gateway(ShardRange(0, 0, 2), timeouts=timeouts, folder=tmp_path)
        await stack.enter_async_context(_on(discord, slow))
        await discord.until(lambda: discord.gateway.connections)
        other = Gateway(ShardRange(1, 1, 2), timeouts=timeouts, folder=tmp_path)
        await stack.enter_async_context(_on(discord, other))
        await discord.until(lambda: discord.gateway.identified)
        answered.set()
        await discord.until(lambda: len(discord.gateway.identified) == 2)
        await asyncio.sleep(0.6)  # let the last turn end: its lock is of this loop
    assert _shards(discord) == [[1, 2], [0, 2]]
    first, second = discord.gateway.identified_at
    assert second - first >= 0.45


async def test_two_processes_serve_their_guilds_over_one_database(
    discord: FakeDiscord, tmp_path: Path
) -> None:
    discord.permissions = 1 << 5  # Manage Server
    config = make_config(tmp_path)
    shares = (ShardRange(0, 0, 2), ShardRange(1, 1, 2))
    async with AsyncExitStack() as stack:
        for shard_range in shares:
            app = await stack.enter_async_context(
                open_test_app(config, FakeTrainer(), shard_range=shard_range)
            )
            gateway = Gateway(shard_range, timeouts=HASTE, folder=tmp_path)
            await stack.enter_async_context(_on(discord, gateway, app))
        await discord.until(lambda: len(discord.gateway.identified) == 2)
        commands = [await discord.say("!sonnet", guild) for guild in (GUILD, OTHER)]
        await discord.until(lambda: all(discord.answers_to(each) for each in commands))
        assert sorted(_shards(discord)) == [[0, 2], [1, 2]]
        assert [len(discord.answers_to(each)) for each in commands] == [1, 1]
