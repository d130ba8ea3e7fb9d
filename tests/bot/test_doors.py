"""The bot as a server: what ends it before, and while, it takes its time."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from bot import doors
from bot.config import Config
from bot.core.poems import PoemService
from bot.sections import DataConfig, WebConfig
from bot.web.errors import CannotListen


def config_of(folder: Path, port: int) -> Config:
    data = DataConfig(folder=str(folder / "data"))
    return Config(web=WebConfig(port=port), data=data, home=folder)


async def test_a_taken_port_is_told_before_a_model_is_loaded_and_anything_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def warm_up(service: PoemService) -> None:
        raise AssertionError("it takes minutes at the first start")

    monkeypatch.setattr(PoemService, "warm_up", warm_up)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(CannotListen, match="SONNETEER_WEB_PORT"),
    ):
        await doors.serve(config_of(tmp_path, taken.getsockname()[1]))


async def test_who_stops_it_while_it_compiles_is_told_what_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends without a page: nothing else is logged."""
    stop, told = asyncio.Event(), asyncio.Event()

    async def warm_up(service: PoemService) -> object:
        stop.set()
        await told.wait()
        return object()

    def tell(sentence: str) -> None:
        told.set()
        assert "is being compiled is finished first" in sentence

    monkeypatch.setattr(PoemService, "warm_up", warm_up)
    monkeypatch.setattr(doors, "_stop_signal", lambda: stop)
    monkeypatch.setattr(doors.log, "info", tell)
    await doors.serve(config_of(tmp_path, 0))
    assert told.is_set()
