"""Joint poems on a Discord that breaks: where only responses count, restarts, time, edits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.core.application import App
from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot
from bot.discord_app.gateway import Gateway
from bot.discord_app.joint_formatting import RESTARTED
from bot.discord_app.joint_poems import IDLE, NO_VOTE_HERE, STOPPED
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.poem_formatting import read_verse, unescape
from bot.discord_app.supervisor import ClientSupervisor
from tests.apps import FakeTrainer, make_config, open_test_app
from tests.bot.discord_app.test_training_message import let_discord_py_end
from tests.bot.discord_app.test_unfinished_poems import left, nothing_left
from tests.discord_payloads import CHANNEL, GUILD, MEMBER, Payload
from tests.fake_discord import TOKEN, FakeDiscord, Fault
from tests.fakes import FakeEngine, app_with, fake_service

ELSEWHERE = GUILD + (1 << 40)  # a server that the bot is not in
VIEW_CHANNEL = str(1 << 10)
QUICK = ReplyTiming(0.01, 0.01, 0.01, 0.01, close_seconds=0.5)
VOTE: Payload = {"name": "with", "type": 3, "value": "channel"}
COUPLET: Payload = {"name": "form", "type": 3, "value": "couplet"}
EXTERNAL: dict[str, Any] = {
    "guild_id": str(ELSEWHERE),
    "guild": {"id": str(ELSEWHERE), "locale": "en-US", "features": []},
    "authorizing_integration_owners": {"1": str(MEMBER)},
    "app_permissions": VIEW_CHANNEL,
}
EXPIRED = Fault(401, {"message": "Invalid Webhook Token", "code": 50027})


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with open_test_app(make_config(tmp_path), FakeTrainer()) as opened:
        yield opened


@asynccontextmanager
async def running(
    fake: FakeDiscord,
    service: PoemService,
    app: App | None = None,
    timing: ReplyTiming = QUICK,
    *,
    message_content: bool = False,
) -> AsyncIterator[None]:
    def make_bot(_: bool, gateway: Gateway) -> SonneteerBot:
        return SonneteerBot(
            app_with(service, app),
            message_content=message_content,
            api_url=fake.url,
            timing=timing,
            gateway=gateway,
        )

    door = ClientSupervisor(make_bot, Gateway(), pause_seconds=0.01)
    task = asyncio.create_task(door.run(TOKEN))
    starts = len(fake.gateway.identified)
    try:
        await fake.until(lambda: len(fake.gateway.identified) > starts)
        yield
    finally:
        await door.close()
        await task
        await let_discord_py_end()


async def begin(fake: FakeDiscord, *options: Payload, **changes: Any) -> Payload:
    """Begin a couplet; return its message, which changes as the poem does."""
    data = fake.called("together", COUPLET, *options)
    command = await fake.interact(2, data, **{"app_permissions": VIEW_CHANNEL, **changes})
    await fake.until(lambda: any(_offers(each) for each in fake.answers_to(command)))
    return fake.answers_to(command)[0]


def _offers(message: Payload) -> bool:
    return "**3** " in message["content"]


async def shows(fake: FakeDiscord, message: Payload, verse: str, then: str = "") -> None:
    """Wait until a message shows a verse, and after it a text."""
    await fake.until(
        lambda: read_verse(message["content"]) == verse and then in unescape(message["content"])
    )


# Installed by a user alone


async def test_where_the_bot_is_no_member_a_poem_is_written_with_responses_only(
    discord: FakeDiscord,
) -> None:
    engine = FakeEngine()
    async with running(discord, fake_service(engine)):
        message = await begin(discord, **EXTERNAL)
        await discord.press(message, "Take 2", **EXTERNAL)
        await shows(discord, message, "another one", "**3** ")
        await discord.press(message, "Finish it for me", **EXTERNAL)
        await discord.until(lambda: "random seed" in message["content"])
    assert {(one.asker.guild, one.asker.channel) for one in engine.engine_requests} == {("", "")}
    assert not [path for method, path, _ in discord.requests if f"channels/{CHANNEL}" in path]


async def test_where_the_bot_is_no_member_or_sees_no_channel_there_is_no_vote(
    discord: FakeDiscord,
) -> None:
    async with running(discord, fake_service()):
        for changes in (EXTERNAL, {"app_permissions": "0"}):
            command = await discord.interact(2, discord.called("together", VOTE), **changes)
            await discord.until(lambda: discord.answers_to(command))  # noqa: B023
            [answer] = discord.answers_to(command)
            assert unescape(answer["content"]) == NO_VOTE_HERE
            assert answer["flags"] & 64


# Restarts


async def test_a_poem_that_a_restart_ends_says_so_and_keeps_its_lines(
    discord: FakeDiscord, app: App
) -> None:
    async with running(discord, fake_service(), app):
        message = await begin(discord)
        await discord.press(message, "Take 2")
        await shows(discord, message, "another one", "**3** ")
        assert await noted(app) == [int(message["id"])]
    assert unescape(message["content"]) == f"another one\n-# {RESTARTED}"
    await nothing_left(app)


async def test_a_poem_that_could_not_be_ended_is_ended_by_the_next_start(
    discord: FakeDiscord, app: App
) -> None:
    timing = replace(QUICK, close_seconds=0.05)
    async with running(discord, fake_service(), app, timing):
        message = await begin(discord)
        await discord.press(message, "Take 2")
        await shows(discord, message, "another one", "**3** ")
        discord.fail("PATCH", "/messages/", [Fault(503)] * 10_000)
    assert "**3** " in message["content"]
    discord._faults.clear()
    async with running(discord, fake_service(), app):
        await discord.until(lambda: RESTARTED in unescape(message["content"]))
        await nothing_left(app)
    assert read_verse(message["content"]) == "another one"
    assert message["components"] == []


async def test_of_a_poem_that_is_finished_nothing_is_kept(discord: FakeDiscord, app: App) -> None:
    async with running(discord, fake_service(), app):
        message = await begin(discord)
        await discord.press(message, "Finish it for me")
        await discord.until(lambda: "random seed" in message["content"])
        await nothing_left(app)
    whole = dict(message)
    await left(app, message)
    async with running(discord, fake_service(), app):
        await nothing_left(app)
    assert message["content"] == whole["content"]


async def noted(app: App) -> list[int]:
    """Wait for what is stored of poems that are being written; return the messages."""
    while not (halves := await app.half_poems.halves()):
        await asyncio.sleep(0.001)
    return [half.message for half in halves]


# Time


async def test_a_poem_can_be_stopped_while_its_next_line_is_looked_for(
    discord: FakeDiscord,
) -> None:
    engine = FakeEngine()
    async with running(discord, fake_service(engine)):
        message = await begin(discord)
        engine.gate = asyncio.Semaphore(0)
        await discord.press(message, "Take 2")
        await shows(discord, message, "another one", "I am looking for the next line…")
        await discord.press(message, "Stop")
        await shows(discord, message, "another one", STOPPED)
    assert engine.running == 0


async def test_a_vote_goes_on_and_a_poem_ends_when_no_interaction_is_left(
    discord: FakeDiscord,
) -> None:
    timing = replace(QUICK, vote_seconds=0.05, idle_seconds=0.05)
    async with running(discord, fake_service(), timing=timing):
        discord.fail_for(60.0, "PATCH", "/webhooks/.*/messages/@original", EXPIRED)
        await discord.interact(
            2, discord.called("together", COUPLET, VOTE), app_permissions=VIEW_CHANNEL
        )
        await discord.until(lambda: any(IDLE in one for one in map(unescape, discord.contents)))
        [posted] = [one for one in discord.answers if IDLE in unescape(one["content"])]
    assert read_verse(posted["content"]) == "the first line"
    own = [path for method, path, _ in discord.requests if method == "PATCH" and "/chan" in path]
    assert own


async def test_everything_works_without_the_message_content_intent(discord: FakeDiscord) -> None:
    async with running(discord, fake_service(), message_content=False):
        message = await begin(discord, VOTE)
        await discord.press(message, "Vote 3")
        await discord.press(message, "Count now")
        await shows(discord, message, "and a third", "**3** ")
