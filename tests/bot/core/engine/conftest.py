"""A bridge to a real engine on tiny untrained models."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.core.engine_client import EngineClient
from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.records import ModelRecord
from model import Engine, PoemPiece
from tests.bot.core.engine.requests import (
    LIMITS,
    MakeModel,
)


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step take a while: a network this small writes an ENDLESS poem in an instant."""
    step = Engine.step

    def unhurried(engine: Engine) -> list[PoemPiece]:
        time.sleep(0.002)
        return step(engine)

    monkeypatch.setattr(Engine, "step", unhurried)


@pytest.fixture
def shelf(tmp_path: Path, model_file: MakeModel) -> ModelLibrary:
    model_file("apples", seed=1)
    model_file("pears", seed=2)
    return ModelLibrary([tmp_path / "models"], shipped=tmp_path / "shipped", default="apples")


@pytest.fixture
def apples(shelf: ModelLibrary) -> ModelRecord:
    return shelf.find("apples")


@pytest.fixture
async def client() -> AsyncIterator[EngineClient]:
    client = EngineClient(Metrics(), limits=LIMITS, max_models=2)
    yield client
    await client.close()
