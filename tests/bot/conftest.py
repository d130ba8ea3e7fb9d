"""Everything joined, with a trainer that only pretends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.core.application import App
from bot.core.store.server_address import Login
from bot.core.training_requests import TrainingRequests
from tests import postgres_server as servers
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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.PostgresServer]:
    """Return a running server, the same for all tests."""
    with servers.running() as server:
        if server is None:
            pytest.skip("PostgreSQL is not installed; on Debian and Ubuntu: apt install postgresql")
        yield server


@pytest.fixture
async def login(postgres_server: servers.PostgresServer) -> Login:
    """Return where a database without tables is."""
    return await servers.emptied(postgres_server)
