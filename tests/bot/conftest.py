"""Everything joined, with a trainer that only pretends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.core.application import App
from bot.core.training_requests import TrainingRequests
from tests.apps import FakeTrainer, make_config, open_test_app


@pytest.fixture
def trainer() -> FakeTrainer:
    return FakeTrainer()


@pytest.fixture
async def app(tmp_path: Path, trainer: FakeTrainer) -> AsyncIterator[App]:
    async with open_test_app(make_config(tmp_path), trainer) as opened:
        yield opened


@pytest.fixture
def training_requests(app: App) -> TrainingRequests:
    return app.training_requests
