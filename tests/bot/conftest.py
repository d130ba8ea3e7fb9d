"""Everything joined, with a trainer that only pretends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.composition import Parts
from bot.core.desk import Desk
from tests.offices import FakeTrainer, make_config, open_office


@pytest.fixture
def trainer() -> FakeTrainer:
    return FakeTrainer()


@pytest.fixture
async def parts(tmp_path: Path, trainer: FakeTrainer) -> AsyncIterator[Parts]:
    async with open_office(make_config(tmp_path), trainer) as opened:
        yield opened


@pytest.fixture
def desk(parts: Parts) -> Desk:
    return parts.office.desk
