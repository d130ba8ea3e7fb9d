"""Every fault of Discord and the network: survived, with one answer to each command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.core.office import Office
from bot.discord_app.client import SonneteerBot
from bot.discord_app.door import DiscordDoor
from bot.discord_app.gateway import Gateway, Patience
from bot.discord_app.live import Tempo
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fakes import fake_service
from tests.fault_stage import Stage
from tests.faults import TRIALS, Trial
from tests.offices import FakeTrainer, make_config, open_office

HASTE = Patience(
    connect_seconds=0.5,
    pause_seconds=0.01,
    max_pause_seconds=0.05,
    silence_seconds=0.4,
    identify_seconds=0.01,
    max_identify_seconds=0.05,
)
TEMPO = Tempo(0.01, 0.01, 0.01, 0.01)


@asynccontextmanager
async def office_in(home: Path, *, needed: bool) -> AsyncIterator[Office | None]:
    if not needed:
        yield None
        return
    async with open_office(make_config(home), FakeTrainer()) as parts:
        yield parts.office


@pytest.fixture
async def office(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Office | None]:
    async with office_in(tmp_path, needed=request.node.callspec.params["trial"].office) as opened:
        yield opened


@pytest.fixture
async def stage(office: Office | None) -> AsyncIterator[Stage]:
    """A bot that is up; it is closed, and what it said counted, at the end."""
    bots: list[SonneteerBot] = []
    service = fake_service()

    def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
        bots.append(
            SonneteerBot(
                service,
                office,
                message_content=message_content,
                api_url=fake.url,
                tempo=TEMPO,
                gateway=gateway,
            )
        )
        return bots[-1]

    async with FakeDiscord().serve() as fake:
        fake.gateway.heartbeat_ms = 100
        gateway = Gateway(patience=HASTE)
        door = DiscordDoor(make_bot, gateway, pause_seconds=0.01)
        running = asyncio.create_task(door.run(TOKEN))
        stage = Stage(fake, lambda: bots[-1], gateway.gauges)
        try:
            await fake.until(lambda: fake.gateway.identified)
            yield stage
        finally:
            await door.close()
            await running
        assert not service.metrics.registry.get_sample_value("sonneteer_rows_running")
        assert all(got == expected for expected, got in stage.counts()), stage.counts()
        assert len(bots) == 1, "the client had to be started again"


@pytest.mark.parametrize("trial", [one for one in TRIALS if not one.slow], ids=str)
async def test_each_command_is_answered_once_whatever_goes_wrong(
    stage: Stage, trial: Trial
) -> None:
    await trial.play(stage)
    await stage.recover()
