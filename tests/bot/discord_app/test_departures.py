"""Servers that the bot was taken off, while the database is locked and across a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.core.application import App
from tests.apps import FakeTrainer
from tests.bot.discord_app.test_busy_database import locked, lose_patience
from tests.bot.discord_app.test_training_message import begin, running
from tests.discord_payloads import GUILD
from tests.fake_discord import FakeDiscord, Fault
from tests.timeouts import HANG_SECONDS


@pytest.fixture
def trainer() -> FakeTrainer:
    trainer = FakeTrainer()
    trainer.gate = asyncio.Event()
    return trainer


async def nothing_trained(app: App) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while await app.training_requests.guilds():
            await asyncio.sleep(0.001)


async def test_a_server_that_is_left_while_the_database_is_locked_trains_no_more(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    """It trained on, and the log had a stack trace."""
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        await lose_patience(app)
        with locked(tmp_path):
            await discord.gateway.emit("GUILD_DELETE", {"id": str(GUILD)})
            async with asyncio.timeout(HANG_SECONDS):
                while "could not be ended yet" not in caplog.text:
                    await asyncio.sleep(0.001)
        await nothing_trained(app)
        assert await app.books.untold_jobs() == []
    assert "Traceback" not in caplog.text


async def test_what_was_left_undone_for_a_server_is_done_by_the_next_start(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
    discord.gateway.guilds = []
    gone = Fault(404, {"message": "Unknown Guild", "code": 10004})
    discord.fail("GET", rf"/guilds/{GUILD}$", [gone])
    async with running(discord, tmp_path, trainer) as app:
        await nothing_trained(app)
        assert await app.books.untold_jobs() == []


async def test_a_server_that_discord_only_forgot_to_tell_of_trains_on(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
    discord.gateway.guilds = []
    since, asked = len(discord.requests), f"/guilds/{GUILD}"
    async with running(discord, tmp_path, trainer) as app:
        await discord.until(
            lambda: any(path.endswith(asked) for _, path, _ in discord.requests[since:])
        )
        await asyncio.sleep(0)
        assert await app.training_requests.guilds() == {str(GUILD)}
