"""The real discord.py against a Discord that breaks things: one answer per command, always."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot
from bot.discord_app.gateway import Gateway, GatewayTimeouts
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.poem_formatting import read_verse
from bot.discord_app.supervisor import ClientSupervisor, DiscordRefused
from tests.fake_discord import TOKEN, FakeDiscord, Fault, rate_limit
from tests.fake_gateway import MESSAGE_CONTENT
from tests.fakes import VERSE, FakeEngine, app_with, fake_service
from tests.timeouts import HANG_SECONDS

POEM = f"a rose{VERSE}"
TEMPO = ReplyTiming(0.01, 0.01, 0.01, 0.01)
PATIENCE = GatewayTimeouts(pause_seconds=0.01, max_pause_seconds=0.05, identify_seconds=0.01)
FIRST_PIECE = "\n-# writing…"


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord().serve() as fake:
        yield fake


@pytest.fixture
def gated() -> FakeEngine:
    """An engine that waits for the test before each piece."""
    engine = FakeEngine(piece_characters=len(VERSE) // 2 + 1)
    engine.gate = asyncio.Semaphore(0)
    return engine


def _door(
    fake: FakeDiscord, service: PoemService, *, pause_seconds: float = 0.01
) -> ClientSupervisor:
    def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
        return SonneteerBot(
            app_with(service),
            message_content=message_content,
            api_url=fake.url,
            timing=TEMPO,
            gateway=gateway,
        )

    return ClientSupervisor(make_bot, Gateway(timeouts=PATIENCE), pause_seconds=pause_seconds)


@asynccontextmanager
async def _open(
    fake: FakeDiscord, engine: FakeEngine | None = None, service: PoemService | None = None
) -> AsyncIterator[ClientSupervisor]:
    door = _door(fake, service or fake_service(engine))
    running = asyncio.create_task(door.run(TOKEN))
    try:
        await fake.until(lambda: fake.gateway.identified)
        yield door
    finally:
        await door.close()
        await running


def _written(fake: FakeDiscord) -> bool:
    return bool(fake.contents) and "random seed" in fake.contents[-1]


async def test_a_poem_goes_the_whole_way(discord: FakeDiscord) -> None:
    async with _open(discord) as door:
        await discord.say("!sonnet a rose")
        await discord.until(lambda: _written(discord))
        assert door.gateway.health == {0: True}
    assert [read_verse(content) for content in discord.contents] == [POEM]
    assert door.gateway.health == {0: False}


async def test_a_slash_command_and_a_button_go_the_whole_way(discord: FakeDiscord) -> None:
    async with _open(discord):
        await discord.slash("sonnet", {"seed": "a rose", "lines": 4})
        await discord.until(lambda: _written(discord))
        await discord.press(discord.answers[0], "Again")
        await discord.until(lambda: len(discord.answers) == 2 and _written(discord))
    assert [read_verse(content) for content in discord.contents] == [POEM, POEM]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    "faults",
    [
        [rate_limit(0.02)],
        [rate_limit(0.02)] * 3,
        [rate_limit(0.02, everywhere=True)],
        [Fault(429, "<html>too many</html>")],
        [Fault(503)] * 2,
        [Fault(520, "<html>what?</html>")],
        [Fault(503, after=True)],
        [Fault(500, cut=True)],
        [Fault(500, cut=True, after=True)],
    ],
    ids=["429", "429x3", "429 global", "429 text", "503x2", "520", "503 lost", "cut", "cut lost"],
)
async def test_a_request_that_fails_is_made_up_for(
    discord: FakeDiscord, gated: FakeEngine, method: str, faults: list[Fault]
) -> None:
    assert gated.gate is not None
    async with _open(discord, gated):
        discord.fail(method, "/messages", faults)
        await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.contents == [f"a rose{FIRST_PIECE}"])
        gated.gate.release()
        gated.gate.release()
        await discord.until(lambda: _written(discord))
    assert [read_verse(content) for content in discord.contents] == [POEM]


@pytest.mark.parametrize(
    "fault",
    [Fault(503), Fault(503, after=True), Fault(500, cut=True), Fault(500, cut=True, after=True)],
)
async def test_help_is_said_once_whatever_becomes_of_the_request(
    discord: FakeDiscord, fault: Fault
) -> None:
    async with _open(discord):
        discord.fail("POST", "/messages", [fault])
        command = await discord.say("!help")
        await discord.until(lambda: discord.answers_to(command))
        after = await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.answers_to(after))
    (said,) = discord.answers_to(command)
    assert "`!sonnet" in said["content"]
    assert len(discord.contents) == 2


async def test_a_server_error_that_discord_py_retries_is_survived(discord: FakeDiscord) -> None:
    async with _open(discord):
        discord.fail("POST", "/messages", [Fault(500)])  # it waits one second
        await discord.say("!sonnet a rose")
        await discord.until(lambda: _written(discord))
    assert [read_verse(content) for content in discord.contents] == [POEM]


@pytest.mark.parametrize(
    "faults", [[Fault(503)], [Fault(500, cut=True, after=True)], [rate_limit(0.02)]]
)
async def test_a_response_that_fails_is_made_up_for(
    discord: FakeDiscord, faults: list[Fault]
) -> None:
    async with _open(discord):
        discord.fail("PATCH", "/@original", faults)
        await discord.slash("sonnet", {"seed": "a rose"})
        await discord.until(lambda: _written(discord))
    assert [read_verse(content) for content in discord.contents] == [POEM]


@pytest.mark.parametrize("code", [None, 1000, 1001, 1011, 4000, 4008, 4009])
async def test_a_poem_survives_the_loss_of_the_gateway(
    discord: FakeDiscord, gated: FakeEngine, code: int | None
) -> None:
    assert gated.gate is not None
    async with _open(discord, gated):
        await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.contents)
        await discord.gateway.drop(code)
        await discord.say("!sonnet a lily")  # in the gap: delivered when the bot resumes
        await discord.until(lambda: discord.gateway.resumed and len(discord.contents) == 2)
        for _ in range(4):
            gated.gate.release()
        await discord.until(lambda: all("random seed" in content for content in discord.contents))
    verses = [read_verse(content) for content in discord.contents]
    assert verses == [POEM, f"a lily{VERSE}"]
    assert len(discord.gateway.identified) == 1


async def test_a_deleted_command_frees_the_row(discord: FakeDiscord, gated: FakeEngine) -> None:
    async with _open(discord, gated):
        command = await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.contents)
        await discord.delete(command)
        await discord.until(lambda: not discord.contents)
    assert gated.running == 0


async def test_without_the_privileged_intent_the_bot_comes_back_and_says_how_to_switch_it_on(
    discord: FakeDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    discord.gateway.approves_message_content = False
    engine = FakeEngine()
    service = fake_service(engine)
    async with _open(discord, service=service):
        await discord.until(lambda: len(discord.gateway.identified) == 2)
        await discord.say("<@11> a rose")
        await discord.until(lambda: _written(discord))
    asked = [bool(identity["intents"] & MESSAGE_CONTENT) for identity in discord.gateway.identified]
    assert asked == [True, False]
    assert "Message Content Intent" in caplog.text
    assert [read_verse(content) for content in discord.contents] == [POEM]


async def test_a_wrong_token_is_final_and_not_repeated(
    discord: FakeDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "bot")
    with pytest.raises(DiscordRefused) as refusal:
        await _door(discord, fake_service()).run("a-wrong-token")
    assert "Developer Portal" in str(refusal.value)
    assert "a-wrong-token" not in str(refusal.value) + caplog.text


@pytest.mark.parametrize("code", [4004, 4010, 4011, 4012, 4013])
async def test_a_final_close_code_is_final(discord: FakeDiscord, code: int) -> None:
    discord.gateway.close_codes = [code]
    with pytest.raises(DiscordRefused):
        await _door(discord, fake_service()).run(TOKEN)
    assert len(discord.gateway.identified) == 1


async def test_a_failed_start_is_tried_again(
    discord: FakeDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    discord.fail("GET", "/users/@me", [Fault(503)])
    async with _open(discord):
        await discord.say("!sonnet a rose")
        await discord.until(lambda: _written(discord))
    assert "Discord cannot be reached; trying again" in caplog.text
    assert all(record.exc_info is None for record in caplog.records)
    assert TOKEN not in caplog.text


async def test_closing_waits_for_the_last_edit(discord: FakeDiscord, gated: FakeEngine) -> None:
    assert gated.gate is not None
    service = fake_service(gated)
    async with _open(discord, service=service):
        await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.contents)
        stopping = asyncio.create_task(service.close(grace_seconds=HANG_SECONDS))
        await asyncio.sleep(0)
        await discord.say("!sonnet too late")
        await discord.until(lambda: len(discord.contents) == 2)
        gated.gate.release()
        gated.gate.release()
        await stopping
    assert read_verse(discord.contents[0]) == POEM
    assert discord.contents[1].startswith("Sonneteer is about to restart.")


async def test_a_poem_cut_short_by_the_stop_is_shown_as_far_as_it_came(
    discord: FakeDiscord, gated: FakeEngine
) -> None:
    service = fake_service(gated)
    async with _open(discord, service=service):
        await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.contents)
        await service.close(grace_seconds=0)
    assert discord.contents == ["a rose\n-# sonnets · random seed 7 · Stopped early."]
