"""The limits of a Discord of ours are those that discord.py reads."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.discord_payloads import GUILD
from tests.fake_discord import TOKEN
from tests.rigs.populated_discord import EVERYWHERE, PER_CHANNEL, RateLimitedDiscord, channel_of

OTHER = GUILD + 1


async def _post(
    session: aiohttp.ClientSession, discord: RateLimitedDiscord, path: str, number: int
) -> Any:
    body = {"content": "a rose", "nonce": f"{number}-0"}
    async with session.post(f"{discord.url}{path}", json=body) as response:
        return response.status, response.headers, await response.json()


async def test_a_channel_takes_so_many_messages_and_says_so() -> None:
    discord = RateLimitedDiscord((GUILD, OTHER))
    headers = {"Authorization": f"Bot {TOKEN}"}
    async with discord.serve(), aiohttp.ClientSession(headers=headers) as session:
        flooded, other = (f"/channels/{channel_of(guild)}/messages" for guild in (GUILD, OTHER))
        told = [await _post(session, discord, flooded, n) for n in range(PER_CHANNEL + 1)]
        assert [status for status, _, _ in told] == [200] * PER_CHANNEL + [429]
        left = [headers.get("X-RateLimit-Remaining") for _, headers, _ in told]
        assert left == ["4", "3", "2", "1", "0", None]
        assert 0 < told[-1][2]["retry_after"] <= 5
        assert not told[-1][2]["global"]
        status, _, _ = await _post(session, discord, other, 100)
        assert status == 200
        assert (discord.served, discord.refused) == (PER_CHANNEL + 1, 1)


async def test_all_channels_together_take_so_many_requests_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.rigs.populated_discord.time.perf_counter", lambda: 100.0)
    guilds = tuple(range(GUILD, GUILD + EVERYWHERE + 1))
    discord = RateLimitedDiscord(guilds)
    headers = {"Authorization": f"Bot {TOKEN}"}
    async with discord.serve(), aiohttp.ClientSession(headers=headers) as session:
        for number, guild in enumerate(guilds):
            path = f"/channels/{channel_of(guild)}/messages"
            status, _, answer = await _post(session, discord, path, number)
            assert status == (429 if number == EVERYWHERE else 200)
        assert answer["global"]
