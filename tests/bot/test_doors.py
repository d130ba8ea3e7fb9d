"""The bot as a server: what stops it before it takes time."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bot.config import Config
from bot.core.poems import PoemService
from bot.doors import serve
from bot.sections import DataConfig, WebConfig
from bot.web.errors import CannotListen


async def test_a_taken_port_is_told_before_a_model_is_loaded_and_anything_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def warm_up(service: PoemService) -> None:
        raise AssertionError("it takes minutes at the first start")

    monkeypatch.setattr(PoemService, "warm_up", warm_up)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = Config(
            web=WebConfig(port=taken.getsockname()[1]),
            data=DataConfig(folder=str(tmp_path / "data")),
            home=tmp_path,
        )
        with pytest.raises(CannotListen, match="SONNETEER_WEB_PORT"):
            await serve(config)
