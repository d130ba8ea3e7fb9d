"""`python -m bot health`: whether the bot is well, wherever its page is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.health import check_health
from bot.config import Config, DataConfig, WebConfig
from bot.core.poems import PoemService
from bot.core.shards import ShardRange
from bot.core.store.lock import lock_folder
from tests.bot.web.conftest import opening
from tests.fakes import fake_service


@pytest.fixture
async def ready() -> PoemService:
    service = fake_service()
    await service.warm_up()
    return service


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ["127.0.0.2", "127.0.0.1"]])
async def test_a_bot_that_is_well_is_well(ready: PoemService, host: str | list[str]) -> None:
    async with opening(ready) as server:
        port = server.addresses[0][1]
        assert await check_health(Config(web=WebConfig(host=host, port=port)), None) == (
            True,
            "well",
        )
        shards = ShardRange.read("4-7/8")
        config = Config(web=WebConfig(host=host, port=port - 4))
        assert await check_health(config, shards) == (True, "well")


async def test_a_bot_that_is_not_well_says_why() -> None:
    async with opening(fake_service(), shards=lambda: {0: False}) as server:
        config = Config(web=WebConfig(port=server.addresses[0][1]))
        well, told = await check_health(config, None)
    assert (well, told) == (False, "not well: no model is loaded, not connected to Discord")
    well, told = await check_health(config, None)
    assert (well, told) == (False, f"no Sonneteer answers on 127.0.0.1, port {config.web.port}")


async def test_a_page_on_any_port_cannot_be_asked() -> None:
    well, told = await check_health(Config(web=WebConfig(port=0)), None)
    assert not well
    assert "[web] port is 0" in told


async def test_without_a_page_a_bot_is_seen_by_its_data_folder(tmp_path: Path) -> None:
    config = Config(web=WebConfig(enabled=False), data=DataConfig(folder="data"), home=tmp_path)
    assert await check_health(config, None) == (
        False,
        "the page is off; no bot has the data folder",
    )
    lock = lock_folder(tmp_path / "data")
    try:
        assert await check_health(config, None) == (
            True,
            "the page is off; a bot has the data folder",
        )
    finally:
        lock.release()
