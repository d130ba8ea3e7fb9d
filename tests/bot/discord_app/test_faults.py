"""Every fault of Discord and the network: survived, with one answer to each command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.core.application import App
from bot.discord_app.client import SonneteerBot
from bot.discord_app.gateway import Gateway, GatewayTimeouts
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.supervisor import ClientSupervisor
from tests.apps import FakeTrainer, make_config, open_test_app
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fakes import app_with, fake_service
from tests.fault_run import FaultRun
from tests.faults import TRIALS, FaultCase

HASTE = GatewayTimeouts(
    connect_seconds=0.5,
    pause_seconds=0.01,
    max_pause_seconds=0.05,
    silence_seconds=0.4,
    identify_seconds=0.01,
    max_identify_seconds=0.05,
)
TEMPO = ReplyTiming(0.01, 0.01, 0.01, 0.01, notice_seconds=0.01)


@asynccontextmanager
async def app_in(home: Path, *, needed: bool) -> AsyncIterator[App | None]:
    if not needed:
        yield None
        return
    async with open_test_app(make_config(home), FakeTrainer()) as app:
        yield app


@pytest.fixture
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[App | None]:
    async with app_in(tmp_path, needed=request.node.callspec.params["trial"].app) as opened:
        yield opened


@pytest.fixture
async def run(app: App | None) -> AsyncIterator[FaultRun]:
    """A bot that is up; it is closed, and what it said counted, at the end."""
    bots: list[SonneteerBot] = []
    service = fake_service()

    def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
        bots.append(
            SonneteerBot(
                app_with(service, app),
                message_content=message_content,
                api_url=fake.url,
                timing=TEMPO,
                gateway=gateway,
            )
        )
        return bots[-1]

    async with FakeDiscord().serve() as fake:
        fake.gateway.heartbeat_ms = 100
        gateway = Gateway(timeouts=HASTE)
        door = ClientSupervisor(make_bot, gateway, pause_seconds=0.01)
        running = asyncio.create_task(door.run(TOKEN))
        run = FaultRun(fake, lambda: bots[-1], gateway.metrics)
        try:
            await fake.until(lambda: fake.gateway.identified)
            yield run
        finally:
            await door.close()
            await running
        assert not service.metrics.registry.get_sample_value("sonneteer_rows_running")
        assert all(got == expected for expected, got in run.counts()), run.counts()
        assert len(bots) == 1, "the client had to be started again"


@pytest.mark.parametrize("trial", [one for one in TRIALS if not one.slow], ids=str)
async def test_each_command_is_answered_once_whatever_goes_wrong(
    run: FaultRun, trial: FaultCase
) -> None:
    await trial.play(run)
    await run.recover()
