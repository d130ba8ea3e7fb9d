"""The whole app in a simulated Discord: an admin, members, and another server."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest
from simcord.actors import MemberActor

from bot.core.application import App
from bot.discord_app.client import SonneteerBot
from tests.bot.discord_app.conftest import FAST, Simulation


@pytest.fixture
def app_bot(app: App) -> SonneteerBot:
    return SonneteerBot(app, timing=replace(FAST, notice_seconds=0.0))


@pytest.fixture
def admin(simulation: Simulation) -> MemberActor:
    role = simulation.guild.create_role(
        "editors", permissions=discord.Permissions(manage_guild=True)
    )
    return simulation.guild.add_member(simulation.env.create_user("mona"), roles=[role])


def last(simulation: Simulation) -> discord.Message:
    message = simulation.channel.last_message
    assert message is not None
    return message


def seen(simulation: Simulation, message_id: int) -> discord.Message:
    """Return a message as it is now."""
    return next(message for message in simulation.channel.history() if message.id == message_id)
