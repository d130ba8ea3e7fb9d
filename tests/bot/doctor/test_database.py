"""The database, examined and not touched."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.core.guilds import Guilds
from bot.core.ports import ModelChoice
from bot.core.records import Asker
from bot.core.store.database import FILE_NAME, Database
from bot.core.store.guilds import GuildStore
from bot.core.store.lock import is_in_use
from bot.core.store.schema import MIGRATIONS
from bot.doctor.database import DatabaseContents, check_database
from bot.doctor.results import CheckStatus
from tests.bot.core.store.installation import tree
from tests.bot.doctor.conftest import shows
from tests.fakes import SEA_SONGS


async def fill(folder: Path) -> None:
    """Have a database of a guild that has settled and chosen something."""
    database = await Database.open(folder)
    guilds = await Guilds.read(GuildStore(database))
    await guilds.change(Asker("discord:1", "10", manages=True), "channels", ["30"])
    await guilds.choose("10", SEA_SONGS, "")
    await database.close()


async def test_a_sound_database_is_read(tmp_path: Path) -> None:
    await fill(tmp_path)
    found, contents = check_database(tmp_path)
    known = len(MIGRATIONS)
    shows(found, CheckStatus.OK, f"is intact, version {known}, data of 1 server")
    if sys.platform != "win32":
        shows(found, CheckStatus.OK, "; not in use")
    assert contents.guild_settings["10"].channels == ("30",)
    assert contents.choices == {"10": ModelChoice(SEA_SONGS.name, SEA_SONGS.sha256)}


async def test_nothing_in_the_folder_changes(tmp_path: Path) -> None:
    await fill(tmp_path)
    before = tree(tmp_path)
    check_database(tmp_path)
    assert tree(tmp_path) == before


@pytest.mark.skipif("sys.platform == 'win32'", reason="it cannot be told there")
async def test_a_bot_may_have_it_open_and_what_it_has_just_written_is_seen(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    await GuildStore(database).keep_settings("10", {"lines": 8})
    found, contents = check_database(tmp_path)
    assert is_in_use(tmp_path) is True
    await database.close()
    shows(found, CheckStatus.OK, "in use by a running bot")
    assert contents.guild_settings["10"].lines == 8
    assert is_in_use(tmp_path) is False


def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    found, contents = check_database(tmp_path / "data")
    shows(found, CheckStatus.OK, "not created yet")
    assert contents == DatabaseContents()
    assert not list(tmp_path.iterdir())


def spoil(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    file.write_bytes(content)


def from_the_future(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")


def from_the_past(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 0")


def strange(file: Path) -> None:
    file.write_bytes(b"no database at all, and long enough" * 100)


def without_a_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE settings")


@pytest.mark.parametrize(
    ("harm", "state", "words"),
    [
        (spoil, CheckStatus.WRONG, "is damaged"),
        (strange, CheckStatus.WRONG, "python -m bot restore FILE"),
        (without_a_table, CheckStatus.WRONG, "no such table"),
        (from_the_future, CheckStatus.WRONG, "version 99; this Sonneteer knows"),
        (from_the_past, CheckStatus.WARNING, "Back up first"),
    ],
)
async def test_a_database_that_cannot_serve_is_told(
    tmp_path: Path, harm: Callable[[Path], None], state: CheckStatus, words: str
) -> None:
    await fill(tmp_path)
    harm(tmp_path / FILE_NAME)
    found, contents = check_database(tmp_path)
    shows(found, state, words)
    assert contents == DatabaseContents()


async def test_a_database_of_another_user_is_wrong(tmp_path: Path) -> None:
    await fill(tmp_path)
    found, _ = check_database(tmp_path, may_write=lambda path: False)
    shows(found, CheckStatus.WRONG, "is not writable by this user")
