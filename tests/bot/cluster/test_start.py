"""What a worker and a trainer need before they start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.cluster.start import run_trainer, run_worker
from bot.config import ClusterConfig, Config
from bot.core.errors import BadConfig, DataFolderUnusable
from bot.core.store.lock import lock_for_trainer
from tests.nats_server import NatsServer
from tests.timeouts import HANG_SECONDS


@pytest.mark.parametrize("run", [run_worker, run_trainer])
async def test_without_nats_a_sentence_says_what_is_missing(
    run: Callable[[Config, asyncio.Event], Awaitable[None]], tmp_path: Path
) -> None:
    with pytest.raises(BadConfig, match=r"needs NATS, and \[cluster\] nats"):
        await run(Config(home=tmp_path), asyncio.Event())


async def test_a_second_trainer_on_a_machine_is_refused(
    tmp_path: Path, server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    config = Config(home=tmp_path, cluster=ClusterConfig(nats=server.address))
    stop = asyncio.Event()
    first = asyncio.create_task(run_trainer(config, stop))
    async with asyncio.timeout(HANG_SECONDS):
        while "waits for trainings" not in caplog.text:
            await asyncio.sleep(0.01)
        with pytest.raises(DataFolderUnusable, match="trains one book at a time"):
            await run_trainer(config, asyncio.Event())
        stop.set()
        await first
    lock_for_trainer(tmp_path / "data").release()
