"""An open database, and two installations that differ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.core.store.database import Database
from tests.bot.core.store.installation import Installation


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "data")
    yield opened
    await opened.close()


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    """Return an installation with a guild's own model and a shared one."""
    made = Installation(tmp_path / "here")
    made.have(lines=8)
    made.put("data/guilds/10/dunes.safetensors", b"the dunes")
    made.put("data/guilds/10/dunes.png", b"their chart")
    made.put("data/guilds/10/dunes.txt", b"their poem")
    made.put("models/apples.safetensors", b"the apples")
    made.put("models/apples.png", b"the apples' chart")
    return made


@pytest.fixture
def there(tmp_path: Path) -> Installation:
    """Return an installation that has something else."""
    made = Installation(tmp_path / "there")
    made.have(lines=99)
    made.put("data/guilds/11/tides.safetensors", b"the tides")
    made.put("data/jobs/1/book.txt", b"a book")
    made.put("models/pears.safetensors", b"the pears")
    return made
