"""Sonneteer in a simulated Discord: one guild, one channel, a member who asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partialmethod

import pytest
import simcord
from discord.gateway import DiscordWebSocket
from discord.http import Route
from discord.state import ConnectionState
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle, GuildHandle

from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot
from bot.discord_app.live_message import ReplyTiming
from tests.fake_discord import FakeDiscord
from tests.fakes import FakeEngine, app_with, fake_service
from tests.timeouts import HANG_SECONDS

# Without a pause between two edits replies would keep the loop busy, and the engine's thread would
# hardly have a turn.
FAST = ReplyTiming(edit_seconds=0.01, patience_seconds=0.0, place_seconds=0.01, retry_seconds=0.0)


@pytest.fixture(autouse=True)
def official_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give discord.py its own address back after each test."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)


@pytest.fixture(autouse=True)
def all_guilds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let discord.py not wait two seconds for guilds that come late."""
    begin = partialmethod(ConnectionState.__init__, guild_ready_timeout=0.2)
    monkeypatch.setattr(ConnectionState, "__init__", begin)


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    """A Discord whose member may manage the server."""
    async with FakeDiscord().serve() as fake:
        fake.permissions = 1 << 5  # Manage Server
        yield fake


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(engine: FakeEngine) -> PoemService:
    return fake_service(engine)


@pytest.fixture
def simcord_bot(service: PoemService) -> SonneteerBot:
    return SonneteerBot(app_with(service), timing=FAST)


@pytest.fixture
def simcord_env(simcord_env: simcord.Env) -> simcord.Env:
    """The simulated Discord, which by itself gives the bot five seconds to come to rest."""
    simcord_env.settle_timeout = HANG_SECONDS
    return simcord_env


@dataclass
class Simulation:
    """Where a test plays."""

    env: simcord.Env
    guild: GuildHandle
    channel: ChannelHandle
    ann: MemberActor
    ben: MemberActor

    @property
    def answers(self) -> list[str]:
        """What the bot has said in the channel, oldest first."""
        me = self.env.bot.user
        messages = self.channel.history()
        assert me is not None
        return [message.content for message in messages if message.author.id == me.id]


@pytest.fixture
async def simulation(simcord_env: simcord.Env) -> Simulation:
    guild = simcord_env.create_guild()
    return Simulation(
        env=simcord_env,
        guild=guild,
        channel=guild.create_text_channel("verse"),
        ann=guild.add_member(simcord_env.create_user("ann")),
        ben=guild.add_member(simcord_env.create_user("ben")),
    )
