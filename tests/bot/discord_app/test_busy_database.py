"""Commands while another program keeps the database locked, with the real discord.py and SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.core.application import App
from bot.core.store.database import FILE_NAME
from bot.discord_app.confirm_buttons import AT_ONCE, ConfirmAction, confirm_view
from tests.apps import FakeTrainer
from tests.bot.discord_app.test_training_message import running
from tests.discord_payloads import MEMBER, Payload
from tests.fake_discord import FakeDiscord, Fault
from tests.texts import quatrains

EPHEMERAL = 1 << 6
TYPING = 4
DEFERRED, DEFERRED_EDIT = 5, 6  # kinds of an interaction's first response
BUSY = "The database is busy: another program has locked it"


@pytest.fixture
async def app(discord: FakeDiscord, tmp_path: Path) -> AsyncIterator[App]:
    async with running(discord, tmp_path, FakeTrainer()) as opened:
        await discord.until(lambda: discord.commands)
        yield opened


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Lock the database as another program does; readers of a log (WAL) are let through."""
    with closing(sqlite3.connect(home / "data" / FILE_NAME, isolation_level=None)) as another:
        another.execute("BEGIN EXCLUSIVE")
        yield


async def lose_patience(app: App) -> None:
    """Let the bot wait for a millisecond instead of ten seconds."""
    await app.books._database.fetch("PRAGMA busy_timeout = 1")


def option(name: str, kind: int, value: Any) -> Payload:
    return {"name": name, "type": kind, "value": value}


Commands = dict[str, tuple[list[Payload], bool]]
NAME = option("name", 3, "sonnets")
WRITING: Commands = {  # commands that change the database, and whether they are answered in private
    "settings cooldown": ([option("seconds", 10, 3.0)], True),
    "settings switch": ([option("on", 5, False)], True),
    "settings avoid": ([option("change", 3, "add"), option("words", 3, "moon")], True),
    "settings form": ([option("form", 3, "haiku")], True),
    "settings length": ([option("lines", 4, 8)], True),
    "settings temperature": ([option("temperature", 10, 0.9)], True),
    "settings channels": ([option("change", 3, "clear")], True),
    "settings roles": ([option("change", 3, "clear")], True),
    "settings managers": ([option("change", 3, "clear")], True),
}
READING: Commands = {  # what waits behind one that changes it
    "book list": ([], False),
    "book info": ([NAME], False),
    "book use": ([NAME], False),
    "book remove": ([NAME], True),
    "about": ([], False),
}
COMMANDS = WRITING | READING


def callback(fake: FakeDiscord, command: int | str) -> Payload | None:
    number = str(command).rpartition("-")[2]
    path = f"/interactions/{number}/"
    return next((body for _, where, body in fake.requests if where.startswith(path)), None)


async def occupy(fake: FakeDiscord) -> None:
    """Let a command that changes something wait for the lock, and have the connection."""
    command = await fake.call("settings cooldown", option("seconds", 10, 5.0))
    await fake.until(lambda: callback(fake, command))


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_is_acknowledged_before_the_database_answers(
    discord: FakeDiscord, app: App, tmp_path: Path, name: str
) -> None:
    options, is_private = COMMANDS[name]
    with locked(tmp_path):
        await occupy(discord)
        command = await discord.call(name, *options)
        await discord.until(lambda: callback(discord, command))
        assert discord.answers_to(command) == []
    response = callback(discord, command)
    assert response is not None
    assert response["type"] == DEFERRED
    assert bool((response.get("data") or {}).get("flags", 0) & EPHEMERAL) == is_private
    await discord.until(lambda: discord.answers_to(command))
    [answer] = discord.answers_to(command)
    assert BUSY not in answer["content"]


@pytest.mark.parametrize("name", WRITING)
async def test_a_command_that_takes_too_long_is_answered_with_a_sentence(
    discord: FakeDiscord,
    app: App,
    tmp_path: Path,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await lose_patience(app)
    with locked(tmp_path):
        command = await discord.call(name, *COMMANDS[name][0])
        await discord.until(lambda: discord.answers_to(command))
    [answer] = discord.answers_to(command)
    assert answer["content"].startswith(BUSY)
    [line] = [one for one in caplog.records if one.name.startswith("bot.")]
    assert BUSY in line.getMessage()


async def test_a_book_that_is_added_meanwhile_is_acknowledged_and_refused_with_a_sentence(
    discord: FakeDiscord, app: App, tmp_path: Path
) -> None:
    await lose_patience(app)
    file = discord.attach("walks.txt", quatrains(200).encode())
    data = discord.called("book add", option("file", 11, file["id"]))
    data["resolved"] = {"attachments": {file["id"]: file}}
    with locked(tmp_path):
        command = await discord.interact(2, data)
        await discord.until(lambda: any(BUSY in content for content in discord.contents))
    assert (callback(discord, command) or {})["type"] == DEFERRED


@pytest.mark.parametrize("matter", [one for one in ConfirmAction if one not in AT_ONCE])
async def test_a_button_is_acknowledged_before_the_database_answers(
    discord: FakeDiscord, app: App, tmp_path: Path, matter: ConfirmAction
) -> None:
    about = "sonnets" if matter is ConfirmAction.REMOVE else "1"
    view = confirm_view(MEMBER, about, ("Yes", matter))
    asked = discord.post("Sure?", view.to_components())
    with locked(tmp_path):
        await occupy(discord)
        token = await discord.press(asked, "Yes")
        await discord.until(lambda: callback(discord, token))
        assert (callback(discord, token) or {})["type"] == DEFERRED_EDIT
        said = len(discord.requests)
    await discord.until(lambda: len(discord.requests) > said)


async def test_a_button_that_takes_too_long_tells_whoever_pressed_it(
    discord: FakeDiscord, app: App, tmp_path: Path
) -> None:
    await lose_patience(app)
    asked = discord.post(
        "Sure?", confirm_view(MEMBER, "", ("Yes", ConfirmAction.FORGET)).to_components()
    )
    with locked(tmp_path):
        await discord.press(asked, "Yes")
        await discord.until(lambda: len(discord.answers) == 2)
    assert discord.answers[1]["content"].startswith(BUSY)
    assert discord.answers[1]["flags"] & EPHEMERAL
    assert discord.answers[0]["content"] == "Sure?"


async def test_whoever_types_a_name_is_offered_nothing_in_time(
    discord: FakeDiscord, app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    typed = [{**option("name", 3, "x"), "focused": True}]
    with locked(tmp_path):
        await occupy(discord)
        for command in ("book info", "book use", "book remove", "book share"):
            number = await discord.interact(TYPING, discord.called(command, *typed))
            await discord.until(lambda: callback(discord, number))  # noqa: B023
            assert callback(discord, number) == {"type": 8, "data": {"choices": []}}
    lines = [one.getMessage() for one in caplog.records if "suggested" in one.getMessage()]
    assert all("the database or the disk is too slow" in line for line in lines)


async def test_what_needs_no_database_is_answered_while_it_is_locked(
    discord: FakeDiscord, app: App, tmp_path: Path
) -> None:
    await app.books._database.fetch("PRAGMA busy_timeout = 3000")  # instead of ten seconds
    with locked(tmp_path):
        await occupy(discord)
        for name in ("privacy", "forgetme", "train status", "settings show", "help"):
            command = await discord.call(name)
            await discord.until(lambda: discord.answers_to(command))  # noqa: B023
        command = int((await discord.slash("sonnet", {"seed": "a rose"})).split("-")[1])
        await discord.until(
            lambda: any("random seed" in one["content"] for one in discord.answers_to(command))
        )


@pytest.mark.parametrize("command", ["!settings cooldown 3", "!book list", "!about"])
async def test_a_command_by_message_is_answered_when_the_database_is_free(
    discord: FakeDiscord, app: App, tmp_path: Path, command: str
) -> None:
    with locked(tmp_path):
        await occupy(discord)
        number = await discord.say(command)
    await discord.until(lambda: discord.answers_to(number))
    [answer] = discord.answers_to(number)
    assert answer["content"]


async def test_the_lost_word_on_an_acknowledgement_does_not_lose_the_answer(
    discord: FakeDiscord, app: App
) -> None:
    discord.fail("POST", "/callback", [Fault(500, cut=True, after=True)])
    command = await discord.call("about")
    await discord.until(lambda: discord.answers_to(command))
    [answer] = discord.answers_to(command)
    assert "Sonneteer" in answer["content"]
