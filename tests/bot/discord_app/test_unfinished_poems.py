"""Half poems that a bot has left, and what the next start makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.core.application import App
from bot.core.poems import PoemService
from bot.core.store.poems import HalfPoem
from bot.discord_app.client import SonneteerBot
from bot.discord_app.gateway import Gateway
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.poem_buttons import growing_view
from bot.discord_app.poem_formatting import CUT_SHORT, unescape
from bot.discord_app.supervisor import ClientSupervisor
from tests.apps import FakeTrainer, make_config, open_test_app
from tests.bot.discord_app.test_training_message import let_discord_py_end
from tests.discord_payloads import CHANNEL, GUILD, MEMBER, Payload
from tests.fake_discord import TOKEN, FakeDiscord, Fault
from tests.fakes import FakeEngine, app_with, fake_service
from tests.timeouts import HANG_SECONDS

TEMPO = ReplyTiming(0.001, 0.001, 0.001, 0.001, close_seconds=0.01)
HALF = "Shall I com\n-# writing…"


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord().serve() as fake:
        yield fake


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with open_test_app(make_config(tmp_path), FakeTrainer()) as opened:
        yield opened


@asynccontextmanager
async def running(fake: FakeDiscord, app: App, service: PoemService) -> AsyncIterator[None]:
    def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
        return SonneteerBot(app_with(service, app), api_url=fake.url, timing=TEMPO, gateway=gateway)

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


async def left(app: App, message: Payload, guild: int | None = GUILD) -> None:
    """Leave a message as a bot does that is killed."""
    await app.half_poems.keep([HalfPoem(int(message["id"]), CHANNEL, guild)], [])


async def nothing_left(app: App) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while await app.half_poems.halves():
            await asyncio.sleep(0.001)


def growing(fake: FakeDiscord, content: str = HALF) -> Payload:
    return fake.post(content, growing_view(MEMBER).to_components())


async def test_half_a_poem_that_discord_would_not_let_end_is_ended_by_the_next_start(
    discord: FakeDiscord, app: App
) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(1)
    async with running(discord, app, fake_service(engine)):
        command = await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.answers_to(command))
        discord.fail("PATCH", "/messages/", [Fault(503)] * 10_000)
        engine.gate.release()
        async with asyncio.timeout(HANG_SECONDS):
            while not await app.half_poems.halves():
                await asyncio.sleep(0.001)
    [answer] = discord.answers_to(command)
    assert "writing…" in answer["content"]
    discord._faults.clear()
    async with running(discord, app, fake_service(FakeEngine())):
        await discord.until(lambda: CUT_SHORT in unescape(answer["content"]))
        await nothing_left(app)
    assert "a rose" in answer["content"]
    assert "writing…" not in answer["content"]
    assert answer["components"] == []


@pytest.mark.parametrize("guild", [GUILD, None])
async def test_half_a_poem_of_a_bot_that_was_killed_is_ended_by_the_next_start(
    discord: FakeDiscord, app: App, guild: int | None
) -> None:
    message = growing(discord)
    await left(app, message, guild)
    async with running(discord, app, fake_service(FakeEngine())):
        await discord.until(lambda: CUT_SHORT in unescape(message["content"]))
        await nothing_left(app)
    assert message["content"].startswith("Shall I com\n-# ")


async def test_a_poem_that_was_whole_when_the_bot_was_killed_stays(
    discord: FakeDiscord, app: App
) -> None:
    async with running(discord, app, fake_service(FakeEngine())):
        command = await discord.say("!sonnet a rose")
        await discord.until(
            lambda: any("random seed" in one["content"] for one in discord.answers_to(command))
        )
    [answer] = discord.answers_to(command)
    whole = dict(answer)
    await left(app, answer)
    async with running(discord, app, fake_service(FakeEngine())):
        await nothing_left(app)
    assert answer["content"] == whole["content"]
    assert answer["components"] == whole["components"]


async def test_where_the_bot_may_not_read_half_a_poem_is_ended_all_the_same(
    discord: FakeDiscord, app: App
) -> None:
    message = growing(discord)
    await left(app, message)
    forbidden = Fault(403, {"message": "Missing Access", "code": 50001})
    discord.fail("GET", f"/messages/{message['id']}", [forbidden])
    async with running(discord, app, fake_service(FakeEngine())):
        await discord.until(lambda: CUT_SHORT in unescape(message["content"]))
        await nothing_left(app)


@pytest.mark.parametrize("status", [403, 404])
async def test_half_a_poem_that_cannot_be_reached_any_more_is_forgotten(
    discord: FakeDiscord, app: App, status: int
) -> None:
    message, other = growing(discord), growing(discord)
    await left(app, message)
    await left(app, other)
    fault = Fault(status, {"message": "Missing", "code": 10008})
    discord.fail("GET", f"/messages/{message['id']}", [fault])
    discord.fail("PATCH", f"/messages/{message['id']}", [fault])
    async with running(discord, app, fake_service(FakeEngine())):
        await discord.until(lambda: CUT_SHORT in unescape(other["content"]))
        await nothing_left(app)


async def test_a_start_insists_on_ending_half_a_poem(discord: FakeDiscord, app: App) -> None:
    message = growing(discord)
    await left(app, message)
    discord.fail("GET", "/messages/", [Fault(503)] * 8)
    discord.fail("PATCH", "/messages/", [Fault(503), Fault(200, "<html>"), Fault(200, {})])
    async with running(discord, app, fake_service(FakeEngine())):
        await discord.until(lambda: CUT_SHORT in unescape(message["content"]))
        await nothing_left(app)


async def test_of_a_poem_that_has_ended_nothing_is_kept(discord: FakeDiscord, app: App) -> None:
    async with running(discord, app, fake_service(FakeEngine())):
        for seed in ("a rose", "a thorn"):
            command = await discord.say(f"!sonnet {seed}")
            await discord.until(
                lambda: any(
                    "random seed" in one["content"]
                    for one in discord.answers_to(command)  # noqa: B023
                )
            )
    assert await app.half_poems.halves() == []


# What Discord answers makes no sense

NONSENSE = {
    "a page": Fault(200, "<html>Sign in to the network</html>"),
    "no fields": Fault(200, {}),
    "a list": Fault(200, []),
    "cut JSON": Fault(200, "{", {"Content-Type": "application/json"}),
    "a page, stored": Fault(200, "<html>", after=True),
    "no fields, stored": Fault(200, {}, after=True),
    "a page with 502": Fault(520, "<html>", {"Content-Type": "application/json"}),
}


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/channels/.*/messages"),
        ("PATCH", "/channels/.*/messages"),
        ("PATCH", "/@original"),
        ("POST", "/callback"),
    ],
)
async def test_an_answer_that_makes_no_sense_takes_no_poem_back(
    discord: FakeDiscord, app: App, name: str, method: str, path: str
) -> None:
    async with running(discord, app, fake_service(FakeEngine())):
        discord.fail(method, path, [NONSENSE[name]] * 2)
        if "channels" in path:
            command = await discord.say("!sonnet a rose")
        else:
            command = int((await discord.slash("sonnet", {"seed": "a rose"})).split("-")[1])
        await discord.until(
            lambda: any("random seed" in one["content"] for one in discord.answers_to(command))
        )
    assert len(discord.answers_to(command)) == 1


@pytest.mark.parametrize("name", [name for name in NONSENSE if "502" not in name])
async def test_a_later_part_whose_answer_makes_no_sense_is_there_once(
    discord: FakeDiscord, app: App, name: str
) -> None:
    engine = FakeEngine("".join(f"{number} bottles on the wall\n" for number in range(100)))
    async with running(discord, app, fake_service(engine)):
        discord.fail("POST", "/webhooks/", [NONSENSE[name]])
        command = int((await discord.slash("sonnet", {"seed": "a rose"})).split("-")[1])
        await discord.until(
            lambda: any("random seed" in one["content"] for one in discord.answers_to(command))
        )
    assert len(discord.answers_to(command)) == 2
