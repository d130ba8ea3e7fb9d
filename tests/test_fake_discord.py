"""The fake Discord, where tests rely on it without a look."""

from __future__ import annotations

from datetime import timedelta

import discord

from tests.fake_discord import FakeDiscord

EXPIRES = timedelta(minutes=15)  # of an interaction, which discord.py then answers otherwise


async def test_an_interaction_is_new_when_it_comes() -> None:
    fake = FakeDiscord()
    for number in (await fake.call("about"), await fake.interact(3, {"custom_id": "x"})):
        age = discord.utils.utcnow() - discord.utils.snowflake_time(number)
        assert abs(age) < EXPIRES / 3
