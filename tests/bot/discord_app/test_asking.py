"""Ways of asking beside commands: replies, files, forwards, edits, context menus, proxy bots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import discord as discord_py
import pytest

from bot.discord_app.client import SonneteerBot
from bot.discord_app.cogs.poems import MENU_NAME
from bot.discord_app.gateway import Gateway
from bot.discord_app.supervisor import ClientSupervisor
from tests.bot.discord_app.conftest import FAST, Simulation
from tests.discord_payloads import BOT, CHANNEL, GUILD, MEMBER, user_payload
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fakes import VERSE, FakeEngine, app_with, fake_service

LAST_LINE = VERSE.split("\n")[-1]
ELSEWHERE = GUILD + (1 << 40)  # a server that the bot is not in


async def _poem(simulation: Simulation, seed: str = "a rose") -> discord_py.Message:
    await simulation.ann.slash(simulation.channel, "sonnet", seed=seed, form="free", lines=4)
    message = simulation.channel.last_message
    assert message is not None
    return message


# Replies


async def test_the_words_of_a_reply_to_a_poem_open_the_next_one(
    simulation: Simulation, engine: FakeEngine
) -> None:
    poem = await _poem(simulation)
    await simulation.ben.send(simulation.channel, "a lily", reply_to=poem)
    assert simulation.answers[-1].startswith("a lily")
    first, second = engine.engine_requests[-2:]
    assert second.settings == first.settings  # written as the poem before it
    assert second.model == first.model


async def test_a_reply_to_a_poem_may_name_the_bot_and_change_the_form(
    simulation: Simulation, engine: FakeEngine
) -> None:
    me = simulation.env.bot.user
    assert me is not None
    poem = await _poem(simulation)
    words = f"{me.mention} --lines 6 a lily"
    await simulation.ben.send(simulation.channel, words, reply_to=poem)
    assert simulation.answers[-1].startswith("a lily")
    assert engine.engine_requests[-1].settings.lines == 6


async def test_a_picture_under_a_poem_and_a_reply_to_somebody_else_ask_for_nothing(
    simulation: Simulation,
) -> None:
    poem = await _poem(simulation)
    picture = [("rose.png", b"\x89PNG")]
    await simulation.ben.send(simulation.channel, "", reply_to=poem, attachments=picture)
    theirs = await simulation.ben.send(simulation.channel, "good morning")
    await simulation.ann.send(simulation.channel, "to you too", reply_to=theirs)
    assert len(simulation.answers) == 1


# Words that are not in the message itself


@pytest.mark.parametrize("name", ["message.txt", "verse.md"])
async def test_a_long_paste_that_discord_made_a_file_is_the_seed(
    simulation: Simulation, name: str
) -> None:
    files = [(name, "\ufeffa rose in winter".encode())]
    await simulation.ann.send(simulation.channel, "!sonnet", attachments=files)
    assert simulation.answers[-1].startswith("a rose in winter")
    assert "only read" not in simulation.answers[-1]


@pytest.mark.parametrize(
    ("name", "content"), [("rose.png", b"\x89PNG"), ("long.txt", b"a rose " * 20_000)]
)
async def test_a_file_that_is_no_short_text_is_named_as_not_read(
    simulation: Simulation, name: str, content: bytes
) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet", attachments=[(name, content)])
    assert "not the attached file" in simulation.answers[-1]


async def test_a_forwarded_message_is_the_seed_of_a_direct_message(simulation: Simulation) -> None:
    theirs = await simulation.ben.send(simulation.channel, "a rose in winter")
    forwarded = await simulation.ann.forward(theirs, simulation.channel)
    result = await simulation.ann.context_menu(simulation.channel, MENU_NAME, forwarded)
    assert result.response is not None
    assert result.response.content.startswith("a rose in winter")


# The context menu


async def test_sonnet_from_this_begins_with_the_words_of_a_message(
    simulation: Simulation,
) -> None:
    theirs = await simulation.ben.send(simulation.channel, "a rose for <@1>")
    result = await simulation.ann.context_menu(simulation.channel, MENU_NAME, theirs)
    assert result.response is not None
    assert result.response.content.startswith(r"a rose for \@somebody")


async def test_sonnet_from_a_poem_writes_the_next_of_its_crown(simulation: Simulation) -> None:
    poem = await _poem(simulation)
    result = await simulation.ann.context_menu(simulation.channel, MENU_NAME, poem)
    assert result.response is not None
    assert result.response.content.startswith(LAST_LINE)


async def test_sonnet_from_a_picture_is_refused_with_a_sentence(simulation: Simulation) -> None:
    picture = await simulation.ben.send(simulation.channel, "", attachments=[("a.png", b"x")])
    result = await simulation.ann.context_menu(simulation.channel, MENU_NAME, picture)
    assert result.response is not None
    assert result.response.content.startswith("This message has no words that I can read")
    assert result.ephemeral


# On loopback, with a Discord that a test can break


@asynccontextmanager
async def _running(
    fake: FakeDiscord, engine: FakeEngine, *, message_content: bool = True
) -> AsyncIterator[None]:
    def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
        return SonneteerBot(
            app_with(fake_service(engine)),
            message_content=message_content,
            api_url=fake.url,
            timing=FAST,
            gateway=gateway,
        )

    door = ClientSupervisor(make_bot, Gateway(), message_content=message_content)
    running = asyncio.create_task(door.run(TOKEN))
    try:
        await fake.until(lambda: fake.commands and fake.gateway.identified)
        yield
    finally:
        await door.close()
        await running


def _finished(fake: FakeDiscord) -> list[str]:
    return [content for content in fake.contents if "random seed" in content]


def _sent(fake: FakeDiscord, message: int, seconds: float) -> str:
    """Return the time some seconds after a message was sent, as Discord writes it."""
    sent = datetime.fromtimestamp((message >> 22) / 1000 + 1_420_070_400, UTC)
    return (sent + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize("words", ["!sonnet a lily", "!about"])
async def test_a_command_that_is_corrected_within_a_minute_is_answered_once(
    discord: FakeDiscord, words: str
) -> None:
    async with _running(discord, FakeEngine()):
        command = await discord.say(words.replace("n", "", 1))
        await discord.edit(command, words, _sent(discord, command, 59))
        await discord.until(lambda: discord.answers_to(command))
        await discord.edit(command, f"{words}!", _sent(discord, command, 59.5))
        other = await discord.say("!sonnet a rose")
        await discord.until(lambda: discord.answers_to(other))
        assert len(discord.answers_to(command)) == 1


async def test_a_later_edit_and_an_unfolded_link_are_not_read_again(discord: FakeDiscord) -> None:
    async with _running(discord, FakeEngine()):
        late = await discord.say("!sonet a lily")
        await discord.edit(late, "!sonnet a lily", _sent(discord, late, 61))
        linked = await discord.say("!sonet a lily")
        discord.messages[linked]["content"] = "!sonnet a lily"
        await discord.gateway.emit("MESSAGE_UPDATE", discord.messages[linked])
        other = await discord.say("!sonnet a rose")
        await discord.until(lambda: _finished(discord))
        assert discord.answers_to(other)
        assert not discord.answers_to(late)
        assert not discord.answers_to(linked)


PROXY: dict[str, Any] = {
    "webhook_id": "77",
    "author": user_payload(77, "Ann through a proxy", bot=True),
}


@pytest.fixture
def held() -> FakeEngine:
    """An engine that waits for the test before each piece."""
    engine = FakeEngine(piece_characters=len(VERSE))
    engine.gate = asyncio.Semaphore(0)
    return engine


async def test_a_poem_stays_where_a_proxy_bot_posts_its_command_again(
    discord: FakeDiscord, held: FakeEngine
) -> None:
    assert held.gate is not None
    async with _running(discord, held):
        command = await discord.say("!sonnet a rose")
        await discord.until(lambda: held.engine_requests)
        await discord.say("!sonnet  a rose", **PROXY)
        await discord.delete(command)
        held.gate.release()
        held.gate.release()
        await discord.until(lambda: _finished(discord))
        assert len(held.engine_requests) == 1


async def test_a_command_that_comes_back_after_its_deletion_is_answered_for_its_author(
    discord: FakeDiscord, held: FakeEngine
) -> None:
    assert held.gate is not None
    async with _running(discord, held):
        command = await discord.say("!sonnet a rose")
        await discord.until(lambda: held.engine_requests)
        await discord.delete(command)
        copy = await discord.say("!sonnet a rose", **PROXY)
        held.gate.release()
        held.gate.release()
        await discord.until(lambda: discord.answers_to(copy))
        assert [each.asker.member for each in held.engine_requests] == [f"discord:{MEMBER}"] * 2


async def test_a_webhook_that_repeats_nothing_is_not_answered(discord: FakeDiscord) -> None:
    engine = FakeEngine()
    async with _running(discord, engine):
        await discord.say("!sonnet a lily", **PROXY)
        await discord.say("!sonnet a rose")
        await discord.until(lambda: _finished(discord))
        assert len(engine.engine_requests) == 1


async def test_without_the_intent_a_mention_is_heard_and_the_prefix_is_not(
    discord: FakeDiscord,
) -> None:
    engine = FakeEngine()
    async with _running(discord, engine, message_content=False):
        await discord.say("!sonnet a lily")
        await discord.say(f"<@{BOT}> a rose")
        await discord.until(lambda: _finished(discord))
        assert [each.opening.text.strip() for each in engine.engine_requests] == ["a rose"]


# Installed by a user alone


async def test_a_server_that_the_bot_is_not_in_gets_a_response_and_leaves_no_trace(
    discord: FakeDiscord,
) -> None:
    engine = FakeEngine()
    async with _running(discord, engine):
        command = await discord.interact(
            2,
            discord.called("sonnet", {"name": "seed", "type": 3, "value": "a rose"}),
            guild_id=str(ELSEWHERE),
            guild={"id": str(ELSEWHERE), "locale": "en-US", "features": []},
            authorizing_integration_owners={"1": str(MEMBER)},
        )
        await discord.until(lambda: discord.answers_to(command) and _finished(discord))
    (request,) = engine.engine_requests
    assert (request.asker.guild, request.asker.channel) == ("", "")
    assert not request.asker.roles
    assert not [path for method, path, _ in discord.requests if f"channels/{CHANNEL}" in path]
