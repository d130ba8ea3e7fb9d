"""The cog in a real Red-DiscordBot: Red as a process of its own, on the fake Discord.

Red needs other versions of aiohttp and Python than Sonneteer, so it has an environment of its own:

    python3.11 -m venv red && red/bin/pip install Red-DiscordBot==3.5.24
    RED_PYTHON=red/bin/python .venv/bin/python -m pytest tests/integrations/test_red.py

Without RED_PYTHON these tests are skipped. `test_red_without_red.py` runs everywhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from integrations.red import sonneteer
from integrations.red.sonneteer.messages import FORMS
from tests.bot.web.conftest import serving, until
from tests.discord_payloads import (
    BOT,
    GUILD,
    JOINED,
    MEMBER,
    Payload,
    guild_payload,
    message_payload,
    user_payload,
)
from tests.fake_discord import DIRECT, TOKEN, FakeDiscord
from tests.fakes import VERSE, FakeEngine, fake_service
from tests.timeouts import HANG_SECONDS

RED_PYTHON = os.environ.get("RED_PYTHON", "")
FOLDER = Path(sonneteer.__file__).resolve().parents[1]
START = Path(__file__).with_name("start_red.py")
FIRST, SECOND, THIRD, FOURTH, FIFTH = range(41, 46)  # members, of whom each has a cooldown
WITHOUT_FILES = 1 << 15 | 1 << 3  # Attach Files, and Administrator, which has all

pytestmark = [
    pytest.mark.skipif(
        not RED_PYTHON, reason="RED_PYTHON names no Python that has Red-DiscordBot (see the file)"
    ),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch"),
]


class Red:
    """A running Red, and what members do to it."""

    def __init__(self, discord: FakeDiscord, data: Path, process: Process) -> None:
        self.discord = discord
        self.data = data
        self._process = process

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to be true; fail where Red ends before."""
        waits = [
            asyncio.ensure_future(self.discord.until(condition)),
            asyncio.ensure_future(self._process.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            assert waits[0].done(), "Red has ended"
            await waits[0]
        finally:
            for task in waits:
                task.cancel()

    async def ask(self, words: str, *, answers: int = 1, author: int = MEMBER) -> str:
        """Write a message and return what Red answers, in so many messages."""
        before = len(self.discord.contents)
        await self.say(words, author)
        await self.until(lambda: len(self.discord.contents) >= before + answers)
        return "\n".join(self.discord.contents[before:])

    async def say(self, words: str, author: int) -> None:
        await self.discord.say(words, author=user_payload(author, f"member {author}"))

    async def confirm(self, words: str, *, answers: int = 1, author: int = MEMBER) -> str:
        """Write when Red knows that its last message was sent: it listens only then."""
        await self.ask("!uptime", author=FIFTH)
        return await self.ask(words, answers=answers, author=author)

    async def call(self, name: str, **options: str) -> str:
        """Send a slash command and return the answer."""
        given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
        number = await self.discord.call(name, *given)
        await self.until(lambda: self.discord.answers_to(number))
        return str(self.discord.answers_to(number)[0]["content"])

    async def suggest(self, name: str, option: str, typed: str) -> list[str]:
        """Type into an option of a slash command and return what Red suggests."""
        given = {"name": option, "type": 3, "value": typed, "focused": True}
        number = await self.discord.interact(4, self.discord.called(name, given))
        path = f"/interactions/{number}/interaction-{number}/callback"
        await self.until(lambda: any(one[1] == path for one in self.discord.requests))
        body = next(body for _, called, body in self.discord.requests if called == path)
        return [choice["value"] for choice in body["data"]["choices"]]

    def settings(self) -> Any:
        """Return what the cog has stored."""
        path = self.data / "cogs" / "Sonneteer" / "settings.json"
        return next(iter(json.loads(path.read_text("utf-8")).values())) if path.exists() else {}


def guild_with_red() -> Payload:
    """Return the guild as Discord tells a bot: the bot itself is among the members."""
    me = {"user": user_payload(BOT, "Red", bot=True), "roles": [], "joined_at": JOINED}
    return {**guild_payload(), "members": [{**me, "deaf": False, "mute": False, "flags": 0}]}


@pytest.fixture
async def red(tmp_path: Path) -> AsyncIterator[Red]:
    """Set up an instance of Red, as its owner does, and start it."""
    data = tmp_path / "data"
    env = {**os.environ, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "CACHE")}
    new = ["--no-prompt", "--instance-name", "poems", "--data-path", str(data)]
    setup = await asyncio.create_subprocess_exec(
        RED_PYTHON, "-m", "redbot.setup", *new, env=env, stdout=asyncio.subprocess.DEVNULL
    )
    assert await setup.wait() == 0
    options = ["--token", TOKEN, "--prefix", "!", "--no-prompt"]
    options += ["--disable-intent", "members", "--disable-intent", "presences"]
    async with FakeDiscord(guilds=()).serve() as discord:
        with (tmp_path / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                RED_PYTHON,
                str(START),
                discord.url,
                "poems",
                *options,
                env=env,
                stdout=log,
                stderr=log,
            )
        try:
            red = Red(discord, data, process)
            await red.until(lambda: discord.gateway.identified)
            await discord.gateway.emit("GUILD_CREATE", guild_with_red())
            yield red
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(HANG_SECONDS):
                await process.wait()
            log_text = (tmp_path / "log").read_text("utf-8", "replace")
            print(log_text)  # noqa: T201 - shown where a test fails
        assert "Traceback" not in log_text
        assert "Unclosed" not in log_text  # a session that was left open


async def load(red: Red, address: str) -> None:
    """Load the cog as the owner does, and tell it where Sonneteer is."""
    await red.ask(f"!addpath {FOLDER}")
    assert await red.ask("!load sonneteer") == "Loaded `sonneteer`."
    assert "Sonneteer answers." in await red.ask(f"!sonnetset url {address}")


async def test_members_get_poems_and_after_unloading_none(red: Red) -> None:
    engine = FakeEngine(" of *stars* @everyone\n- and" + VERSE)
    async with serving(fake_service(engine)) as address:
        await load(red, address)
        red.discord.requests.clear()
        poem = await red.ask("!sonnet The sea", author=FIRST)
        assert poem.startswith("The sea of \\*stars\\* \\@everyone\n\\- and upon")
        assert poem.endswith("\n-# sonnets · random seed 7")
        bodies = {path: body for _, path, body in red.discord.requests}
        assert "/channels/30/typing" in bodies
        assert bodies["/channels/30/messages"]["allowed_mentions"] == {"parse": []}
        wish = "!sonnet --form haiku --model sea-songs to <@123456789012345678>"
        assert (await red.ask(wish, author=SECOND)).startswith("### A Title\nto \\@deleted-user of")
        assert "on cooldown" in await red.confirm(wish, author=SECOND)
        assert "unloaded: `sonneteer`." in await red.ask("!unload sonneteer")
        await red.say("!sonnet again", THIRD)
        assert "up for" in await red.ask("!uptime")  # the next answer is another command's
    assert [one.opening.shown for one in engine.engine_requests] == [
        "The sea",
        "to @deleted-user",
    ]


async def test_poems_are_written_in_direct_messages(red: Red) -> None:
    async with serving(fake_service()) as address:
        await load(red, address)
        message = message_payload(1 << 60, MEMBER, {"content": "!sonnet the sea"})
        message["channel_id"] = str(DIRECT + MEMBER)
        del message["guild_id"], message["member"]
        await red.discord.gateway.emit("MESSAGE_CREATE", message)
        await red.until(lambda: red.discord.confided)
    assert red.discord.confided[0]["content"].startswith("the sea upon")


async def test_a_long_poem_takes_several_messages_or_a_file(red: Red) -> None:
    engine = FakeEngine("\n" + "and every lamp grows softer along the sleeping land\n" * 40)
    async with serving(fake_service(engine)) as address:
        await load(red, address)
        shown = await red.ask("!sonnet the sea", answers=3, author=FIRST)
        assert shown.count("sleeping land") == 40
        engine.text *= 3
        shown = await red.ask("!sonnet the sea", author=SECOND)
        assert shown.count("sleeping land") < 16
        assert "the whole poem is in the file" in shown
        role = guild_payload()["roles"][0]
        role["permissions"] = str(int(role["permissions"]) & ~WITHOUT_FILES)
        await red.discord.gateway.emit("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": role})
        shown = await red.ask("!sonnet the sea", answers=4, author=THIRD)
        assert "cut, because I may not attach files here" in shown
    sent = [body["content"] for _, path, body in red.discord.requests if path.endswith("messages")]
    assert max(map(len, sent)) <= 2000


async def test_the_slash_command_has_options_and_suggestions(red: Red) -> None:
    engine = FakeEngine()
    async with serving(fake_service(engine)) as address:
        await load(red, address)
        await red.ask("!slash enable sonnet")
        await red.ask("!slash sync")
        assert [command["name"] for command in red.discord.commands] == ["sonnet"]
        options = {one["name"]: one for one in red.discord.commands[0]["options"]}
        assert list(options) == ["seed", "form", "model"]
        assert [one["value"] for one in options["form"]["choices"]] == list(FORMS)
        poem = await red.call("sonnet", seed="--form the sea", form="quatrain", model="sea-songs")
        assert poem.startswith("### A Title\n\\--form the sea upon the quiet")
        assert await red.suggest("sonnet", "model", "SEA") == ["sea-songs"]
        await red.ask("!unload sonneteer")
        assert "not found" in await red.call("sonnet", seed="again")
    assert engine.engine_requests[0].settings.form == "quatrain"


async def test_refusals_are_told_in_a_sentence(red: Red) -> None:
    engine = FakeEngine()
    async with serving(fake_service(engine), poems_per_minute=3) as address:
        await load(red, address)
        wrong = await red.ask("!sonnet --form ode to *joy*", author=FIRST)
        assert wrong.startswith("form is 'ode'; it must be one of sonnet")
        engine.full = True
        assert "queue is full" in await red.ask("!sonnet", author=SECOND)
        engine.full = False
        unknown = await red.ask("!sonnet --model [x](y) b", author=THIRD)
        assert unknown.startswith("There is no model called '\\[x](y)'.")
        assert "from this bot. Try again in" in await red.ask("!sonnet", author=FOURTH)
    assert "does not answer" in await red.ask("!sonnet the sea", author=FIFTH)
    assert "does not answer" in await red.ask("!sonnetset show")
    elsewhere = await red.ask(f"!sonnetset url {red.discord.url}")
    assert "not Sonneteer (status 401)" in elsewhere


async def test_the_owner_sets_the_address_and_admins_the_form(red: Red) -> None:
    engine = FakeEngine()
    async with serving(fake_service(engine)) as address:
        await load(red, address)
        for wrong in ("ftp://example.org", "http://ann:secret@example.org"):
            assert "cannot be used" in await red.ask(f"!sonnetset url {wrong}")
        await red.say(f"!sonnetset url {address}/x", FIRST)
        assert red.settings()["GLOBAL"] == {"address": address}
        assert "must be sonnet, quatrain" in await red.ask("!sonnetset form ode", author=FIRST)
        assert "here: haiku." in await red.ask("!sonnetset form Haiku", author=FIRST)
        assert red.settings()["GUILD"] == {str(GUILD): {"form": "haiku"}}
        assert address in await red.ask("!sonnetset show")
        shown = await red.ask("!sonnetset show", author=FIRST)
        assert address not in shown
        assert "haiku" in shown
        assert "sonnets and sea-songs" in shown
        await red.ask("!sonnet the sea", author=FIRST)
        await red.ask("!sonnet --form couplet the sea", author=SECOND)
        warned = await red.ask("!sonnetset url http://192.0.2.1:1/verse/")
        assert "`http://192.0.2.1:1/verse`" in warned
        assert "not encrypted" in warned
        assert "is sent there" in warned
    assert [one.settings.form for one in engine.engine_requests] == ["haiku", "couplet"]


async def test_unloading_ends_a_poem_that_is_being_written(red: Red) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    async with serving(fake_service(engine)) as address:
        await load(red, address)
        await red.say("!sonnet the sea", FIRST)
        await until(lambda: engine.drafts)
        answers = await red.ask("!unload sonneteer", answers=2)
        assert "unloaded: `sonneteer`." in answers
        assert "does not answer" in answers
        await until(lambda: engine.drafts[0].cancelled)


async def test_deleting_a_users_data_fails_nowhere_and_finds_none(red: Red) -> None:
    async with serving(fake_service()) as address:
        await load(red, address)
        await red.ask("!sonnet the sea", author=FIRST)
    prompt = await red.ask(f"!mydata ownermanagement deleteforuser {FIRST}")
    deleted = await red.confirm(prompt.split()[-1])
    assert "deleted" in deleted
    assert "errored" not in deleted
    assert red.settings() == {"GLOBAL": {"address": address}}  # all that was ever stored


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
async def test_the_folder_can_be_installed_as_a_repository(red: Red, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(FOLDER, repository, ignore=shutil.ignore_patterns("__pycache__"))
    for line in ("init -q -b red", "add .", "commit -q -m All"):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        git = await asyncio.create_subprocess_exec("git", *who, *line.split(), cwd=repository)
        assert await git.wait() == 0
    await red.ask("!load downloader")
    await red.ask(f"!repo add poems {repository} red")
    assert "successfully added" in await red.confirm("I agree", answers=2)
    assert "+ sonneteer: Write sonnets" in await red.ask("!cog list poems")
    assert "stores no data about users" in await red.ask("!cog info poems sonneteer")
    assert "Successfully installed" in await red.ask("!cog install poems sonneteer", answers=2)
    assert await red.ask("!load sonneteer") == "Loaded `sonneteer`."
    async with serving(fake_service()) as address:
        assert "Sonneteer answers." in await red.ask(f"!sonnetset url {address}")
        assert (await red.ask("!sonnet the sea", author=FIRST)).startswith("the sea upon")
