"""An open database, two installations that differ, and a backup to be forged."""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.core.errors import BackupUnusable
from bot.core.store.any_database import AnyDatabase
from bot.core.store.backup_file import INDEX_NAME
from bot.core.store.database import FILE_NAME, Database
from bot.core.store.lock import lock_folder
from tests.bot.core.store.forgery import Forged, Refused
from tests.bot.core.store.installation import Installation, tree
from tests.postgres_server import open_empty


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "data")
    yield opened
    await opened.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def any_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[AnyDatabase]:
    """Return an empty database of each kind."""
    opened: AnyDatabase = (
        await Database.open(tmp_path / "data")
        if request.param == "sqlite"
        else await open_empty(request.getfixturevalue("postgres_server"))
    )
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


@pytest.fixture
def forged(here: Installation) -> Forged:
    here.back_up()
    with tarfile.open(here.file) as tar:
        contents = {member.name: tar.extractfile(member) for member in tar}
        files = {name: each.read() for name, each in contents.items() if each is not None}
    del files[INDEX_NAME]
    made = Forged(files)
    made.seal()
    return made


@pytest.fixture
def refused(there: Installation) -> Iterator[Refused]:
    """Return what restores a file and sees it refused, with nothing changed."""
    before = tree(there.home)

    def check(file: Path, sentence: str) -> None:
        with pytest.raises(BackupUnusable, match=sentence) as caught:
            there.restore(file)
        assert str(file) in str(caught.value)
        assert tree(there.home) == before
        names = {path.name for path in there.data.iterdir()}
        assert names <= {FILE_NAME, "guilds", "jobs", "lock"}

    yield check
    lock_folder(there.data).release()  # nobody holds it
