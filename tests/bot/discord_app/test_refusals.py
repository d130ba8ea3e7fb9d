"""Whatever reaches the bot as a command ends in an answer, with the real discord.py around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.discord_app.error_messages import CHANGED, NOT_YET_KNOWN
from bot.discord_app.responses import EXPIRED
from tests.apps import FakeTrainer
from tests.bot.discord_app.test_training_message import running
from tests.discord_payloads import (
    MEMBER,
    Payload,
    channel_payload,
    guild_of_another,
    message_payload,
)
from tests.fake_discord import FakeDiscord

EPHEMERAL = 1 << 6
SLASH, BUTTON, TYPING, MODAL = 2, 3, 4, 5
OTHER_MODEL = {"name": "name", "type": 3, "value": "nobody"}
STRANGE_GUILD, STRANGE_CHANNEL = 999, 998


@pytest.fixture
async def discord(tmp_path: Path) -> AsyncIterator[FakeDiscord]:
    async with (
        FakeDiscord().serve() as fake,
        running(fake, tmp_path, FakeTrainer()),
    ):
        await fake.until(lambda: fake.commands)
        yield fake


async def answered(fake: FakeDiscord, command: int) -> Payload:
    await fake.until(lambda: fake.answers_to(command))
    [answer] = fake.answers_to(command)
    return answer


@pytest.mark.parametrize(
    "name", ["book info", "book use", "book remove", "book share", "settings switch"]
)
async def test_a_command_without_what_it_now_requires_is_refused_with_a_sentence(
    discord: FakeDiscord, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    command = await discord.interact(SLASH, discord.called(name))
    answer = await answered(discord, command)
    assert answer["content"] == CHANGED
    assert answer["flags"] & EPHEMERAL
    [line] = [one for one in caplog.records if one.name.startswith("bot.")]
    assert repr(name.split()[-1]) in line.getMessage()
    assert line.exc_info is None


@pytest.mark.parametrize("name", ["ode", "book burn", "book", "settings"])
async def test_a_command_that_is_gone_is_refused_with_a_sentence(
    discord: FakeDiscord, name: str
) -> None:
    command = await discord.interact(SLASH, discord.called(name))
    assert (await answered(discord, command))["content"] == CHANGED


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("settings cooldown", {"name": "seconds", "type": 3, "value": "soon"}),
        ("settings channels", {"name": "change", "type": 3, "value": "paint"}),
        ("sonnet", {"name": "lines", "type": 3, "value": "many"}),
        ("sonnet", {"name": "seed", "type": 11, "value": "77"}),  # nothing of it is told
        ("book info", {"name": "name", "type": 6, "value": "77"}),
    ],
)
async def test_an_option_of_another_kind_is_refused_with_a_sentence(
    discord: FakeDiscord, name: str, option: Payload
) -> None:
    command = await discord.interact(SLASH, discord.called(name, option))
    assert (await answered(discord, command))["content"]


async def test_a_context_menu_that_is_gone_is_refused_with_a_sentence(
    discord: FakeDiscord,
) -> None:
    data = {"id": "1", "name": "Recite", "type": 3, "target_id": "5"}
    command = await discord.interact(SLASH, data)
    assert (await answered(discord, command))["content"] == CHANGED


@pytest.mark.parametrize("custom_id", ["old:thing", "sonnet:frame:1", "ask:::", ""])
@pytest.mark.parametrize("kind", [BUTTON, MODAL])
async def test_a_button_or_modal_of_another_version_is_refused_with_a_sentence(
    discord: FakeDiscord, kind: int, custom_id: str
) -> None:
    message = message_payload(5, MEMBER, {"content": "x"})
    data: dict[str, Any] = {"custom_id": custom_id, "component_type": 2, "components": []}
    command = await discord.interact(kind, data, message=message)
    assert (await answered(discord, command))["content"] == EXPIRED


@pytest.mark.parametrize("name", ["book info", "sonnet", "ode", "book burn"])
async def test_whoever_types_is_offered_nothing_where_there_is_nothing_to_offer(
    discord: FakeDiscord, name: str
) -> None:
    typed = {"name": "what", "type": 3, "value": "x", "focused": True}
    await discord.interact(TYPING, discord.called(name, typed))
    offered = {"type": 8, "data": {"choices": []}}
    await discord.until(lambda: any(body == offered for *_, body in discord.requests))


# A guild that Discord has not told of


async def test_a_guild_that_is_not_known_yet_gets_its_poems(
    discord: FakeDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    command = await discord.say("!sonnet a rose", STRANGE_GUILD)
    await discord.until(
        lambda: any("random seed" in one["content"] for one in discord.answers_to(command))
    )
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


async def test_a_guild_that_is_not_known_yet_is_no_direct_message(discord: FakeDiscord) -> None:
    talk = await discord.say("good morning", STRANGE_GUILD)
    await answered(discord, await discord.interact(SLASH, discord.called("help")))
    assert discord.answers_to(talk) == []


async def test_what_needs_the_guild_is_put_off_until_it_is_known(discord: FakeDiscord) -> None:
    command = await discord.say("!settings show", STRANGE_GUILD)
    assert (await answered(discord, command))["content"] == NOT_YET_KNOWN


@pytest.mark.parametrize("name", ["about", "help", "book list", "settings show", "train status"])
async def test_slash_commands_of_a_guild_that_is_not_known_yet_are_answered(
    discord: FakeDiscord, name: str
) -> None:
    place = {"guild_id": str(STRANGE_GUILD), "channel": channel_payload(STRANGE_CHANNEL)}
    command = await discord.interact(SLASH, discord.called(name), **place)
    assert (await answered(discord, command))["content"]


# A clock that is wrong


def spoken_to_all(fake: FakeDiscord) -> list[str]:
    """Return the paths under which the bot has said something by itself."""
    return [path for method, path, _ in fake.requests if method == "POST" and "/messages" in path]


@pytest.mark.parametrize("minutes", [-20, 20])
@pytest.mark.parametrize("name", ["privacy", "forgetme", "settings show", "book", "train cancel"])
async def test_a_wrong_clock_makes_nothing_public_that_is_private(
    discord: FakeDiscord, name: str, minutes: int
) -> None:
    await discord.gateway.emit("GUILD_UPDATE", guild_of_another())
    discord.ahead_seconds = 60.0 * minutes
    options = [] if name != "book" else [{"name": "use", "type": 1, "options": [OTHER_MODEL]}]
    command = await discord.interact(SLASH, discord.called(name, *options))
    assert (await answered(discord, command))["flags"] & EPHEMERAL
    assert spoken_to_all(discord) == []
