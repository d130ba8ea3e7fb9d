"""The office in a simulated Discord: an admin, members, and another server."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest
from simcord.actors import MemberActor

from bot.composition import Parts
from bot.discord_app.client import SonneteerBot
from tests.bot.discord_app.conftest import FAST, Stage


@pytest.fixture
def office_bot(parts: Parts) -> SonneteerBot:
    return SonneteerBot(parts.service, parts.office, tempo=replace(FAST, notice_seconds=0.0))


@pytest.fixture
def admin(stage: Stage) -> MemberActor:
    role = stage.guild.create_role("editors", permissions=discord.Permissions(manage_guild=True))
    return stage.guild.add_member(stage.env.create_user("mona"), roles=[role])


def last(stage: Stage) -> discord.Message:
    message = stage.channel.last_message
    assert message is not None
    return message


def seen(stage: Stage, message_id: int) -> discord.Message:
    """Return a message as it is now."""
    return next(message for message in stage.channel.history() if message.id == message_id)
