"""The bot's client: its commands, its rights, and somebody else's bot around them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
import simcord
from discord.ext import commands

from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot, add_cogs, intents, invite_url, remove_cogs
from bot.discord_app.commands_sync import FILE_NAME
from bot.discord_app.poem_formatting import read_verse
from tests.bot.discord_app.conftest import FAST
from tests.fake_discord import TOKEN, FakeDiscord, Fault
from tests.fakes import VERSE, app_with
from tests.timeouts import HANG_SECONDS


async def _start(fake: FakeDiscord, service: PoemService, folder: Path, ode: str = "") -> int:
    """Start a bot once and return how often it sent its commands to Discord."""
    bot = SonneteerBot(app_with(service), data_folder=folder, api_url=fake.url)

    async def write_ode(interaction: discord.Interaction) -> None: ...

    if ode:
        bot.tree.command(name="ode", description=ode)(write_ode)
    before = len(fake.requests)
    async with bot:
        await bot.login(TOKEN)
    return sum(method == "PUT" for method, *_ in fake.requests[before:])


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord().serve() as fake:
        yield fake


async def test_commands_are_sent_only_when_they_have_changed(
    fake: FakeDiscord, service: PoemService, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    assert await _start(fake, service, folder) == 1
    assert await _start(fake, service, folder) == 0
    assert await _start(fake, service, folder, ode="Write an ode") == 1


async def test_commands_that_another_program_has_wiped_come_back_at_the_next_start(
    fake: FakeDiscord, service: PoemService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await _start(fake, service, tmp_path) == 1
    fake.commands = []
    assert await _start(fake, service, tmp_path) == 1
    assert any(one["name"] == "sonnet" for one in fake.commands)
    assert "other slash commands than this bot sent" in caplog.text
    assert await _start(fake, service, tmp_path) == 0


async def test_commands_that_another_program_has_changed_come_back_at_the_next_start(
    fake: FakeDiscord, service: PoemService, tmp_path: Path
) -> None:
    """Discord keeps the id of a command whose name stays, and counts its versions."""
    assert await _start(fake, service, tmp_path) == 1
    fake.commands[0] = {**fake.commands[0], "version": "2"}
    assert await _start(fake, service, tmp_path) == 1


async def test_discord_is_asked_once_for_its_commands_and_believed_if_it_does_not_answer(
    fake: FakeDiscord, service: PoemService, tmp_path: Path
) -> None:
    await _start(fake, service, tmp_path)
    before = len(fake.requests)
    fake.fail("GET", "/commands$", [Fault(403)])
    assert await _start(fake, service, tmp_path) == 0
    asked = [path for method, path, _ in fake.requests[before:] if path.endswith("/commands")]
    assert len(asked) == 1


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 99, "sha256": "x"}', "\x00\xff"])
async def test_a_memory_that_cannot_be_read_only_costs_a_sending(
    fake: FakeDiscord, service: PoemService, tmp_path: Path, content: str
) -> None:
    (tmp_path / FILE_NAME).write_text(content, "latin-1")
    assert await _start(fake, service, tmp_path) == 1


async def test_a_data_folder_that_cannot_be_written_is_said(
    fake: FakeDiscord, service: PoemService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    assert await _start(fake, service, tmp_path / "data") == 1
    assert "cannot be written" in caplog.text


async def test_nothing_is_sent_when_the_gateway_says_ready(service: PoemService) -> None:
    bot = SonneteerBot(app_with(service))
    async with simcord.run(bot, settle_timeout=HANG_SECONDS) as env:
        for _ in range(2):
            bot.dispatch("ready")
        await env.settle()
        assert sum(call.method == "PUT" for call in env.http_requests) == 1


def test_the_invitation_asks_for_the_least_that_is_needed() -> None:
    link = invite_url(42)
    assert "client_id=42" in link
    assert "scope=bot+applications.commands" in link
    given = discord.Permissions(int(link.split("permissions=")[1].split("&")[0]))
    assert {name for name, granted in given if granted} == {
        "read_messages",  # discord.py's name for seeing a channel
        "send_messages",
        "send_messages_in_threads",
        "attach_files",
        "read_message_history",
    }


@pytest.mark.parametrize(
    ("api_url", "page"),
    [
        ("https://discord.com/api/v10", "https://discord.com/oauth2/authorize"),
        ("https://discord.com/api/v9/", "https://discord.com/oauth2/authorize"),
        ("https://chat.example/api/v9///", "https://chat.example/oauth2/authorize"),
        ("https://chat.example///", "https://chat.example/oauth2/authorize"),
        ("http://127.0.0.1:3001/api/v9", "http://127.0.0.1:3001/oauth2/authorize"),
        ("https://chat.example/api", "https://chat.example/oauth2/authorize"),
        ("https://chat.example/discord/api/v10", "https://chat.example/discord/oauth2/authorize"),
        ("https://api.chat.example", "https://api.chat.example/oauth2/authorize"),
    ],
)
def test_the_invitation_is_where_the_api_is(api_url: str, page: str) -> None:
    link, _, query = invite_url(42, api_url).partition("?")
    assert link == page
    assert query == invite_url(42).partition("?")[2]


def test_an_address_of_many_slashes_costs_no_time() -> None:
    """A pattern began anew at each of them, and so looked at all that follow."""
    slashes = "/" * 100_000
    began = time.process_time()
    link = invite_url(42, f"https://chat.example{slashes}x")
    assert time.process_time() - began < 1.0
    assert link.startswith(f"https://chat.example{slashes}x/oauth2/authorize?")


@pytest.mark.parametrize("message_content", [True, False])
def test_only_one_intent_is_privileged(message_content: bool) -> None:
    wanted = {name for name, asked in intents(message_content=message_content) if asked}
    extra = {"message_content"} if message_content else set()
    assert wanted == {"guilds", "guild_messages", "dm_messages"} | extra


async def test_nothing_the_bot_says_can_ping_anybody(service: PoemService) -> None:
    bot = SonneteerBot(app_with(service))
    allowed = bot.allowed_mentions
    assert allowed is not None
    assert not any((allowed.everyone, allowed.users, allowed.roles, allowed.replied_user))
    await bot.close()


class TestSomebodyElsesBot:
    """A host with its own help, default mentions and a command of its own."""

    @pytest.fixture
    def simcord_bot(self, service: PoemService) -> commands.Bot:
        host = commands.Bot("?", intents=discord.Intents.all())

        async def setup_hook() -> None:
            await add_cogs(host, app_with(service), prefix="?", talk=False, timing=FAST)
            await host.tree.sync()

        host.setup_hook = setup_hook  # type: ignore[method-assign]
        return host

    async def test_it_gets_the_commands_and_nobody_is_pinged(
        self, simcord_env: simcord.Env
    ) -> None:
        guild = simcord_env.create_guild()
        channel = guild.create_text_channel("verse")
        ann = guild.add_member(simcord_env.create_user("ann"))
        await ann.send(channel, "?sonnet @everyone")
        message = channel.last_message
        assert message is not None
        assert read_verse(message.content) == f"@everyone{VERSE}"
        assert message.flags.suppress_embeds
        assert not message.mention_everyone
        result = await ann.slash(channel, "sonnet", seed="a rose")
        assert result.response is not None
        assert read_verse(result.response.content) == f"a rose{VERSE}"

    async def test_its_own_help_and_its_own_talk_stay(self, simcord_env: simcord.Env) -> None:
        guild = simcord_env.create_guild()
        channel = guild.create_text_channel("verse")
        ann = guild.add_member(simcord_env.create_user("ann"))
        assert simcord_env.bot.user is not None
        await ann.send(channel, f"{simcord_env.bot.user.mention} good morning")
        await ann.send_dm("good morning")
        assert [m for m in channel.history() if m.author.bot] == []
        assert [m for m in ann.user.dm_channel.history() if m.author.bot] == []
        await ann.send(channel, "?help")
        message = channel.last_message
        assert message is not None
        assert "Poems:" in message.content

    async def test_the_commands_can_be_taken_out_again(self, simcord_env: simcord.Env) -> None:
        host = simcord_env.bot
        assert isinstance(host, commands.Bot)
        await remove_cogs(host)
        assert host.get_command("sonnet") is None
        assert host.tree.get_command("sonnet") is None
        assert host.get_command("help") is not None
