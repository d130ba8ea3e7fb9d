"""The database file: who may open it, what an older one becomes, and what outlasts a failure."""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest

from bot.core.errors import BotError, DatabaseBusyError, DataFolderUnusable, DataNotKept
from bot.core.jobs import JobState
from bot.core.ports import ModelChoice
from bot.core.store.books import BookStore
from bot.core.store.database import BUSY_SECONDS, FILE_NAME, Database
from bot.core.store.guilds import GuildStore
from bot.core.store.lock import lock_folder
from bot.core.store.schema import MIGRATIONS
from tests.sentences import left_in_english
from tests.simulated_time import simulated

ROOT = Path(__file__).parents[4]
OLDEST = ROOT / "tests" / "data" / "schema_1.sql"


def make_oldest(folder: Path) -> Path:
    """Make a database of the first schema, with rows in it."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.executescript(OLDEST.read_text())
    return folder


async def guilds_of(database: Database) -> list[str]:
    rows = await database.fetch("SELECT guild FROM guilds ORDER BY guild")
    return [row["guild"] for row in rows]


async def add_guild(database: Database, guild: str) -> None:
    await database.execute("INSERT INTO guilds VALUES (?)", guild)


# Who may open it


async def test_opening_makes_the_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot")
    folder = tmp_path / "far" / "away"
    for _ in range(2):
        await (await Database.open(folder)).close()
    assert (folder / FILE_NAME).is_file()
    assert caplog.messages == ["the database was made"]


async def test_a_second_bot_on_the_same_folder_is_refused(
    database: Database, tmp_path: Path
) -> None:
    with pytest.raises(DataFolderUnusable, match="another Sonneteer is using it") as caught:
        await Database.open(tmp_path / "data")
    assert str(tmp_path / "data") in str(caught.value)


async def test_a_folder_can_be_opened_again_once_it_was_closed(tmp_path: Path) -> None:
    await (await Database.open(tmp_path)).close()
    await (await Database.open(tmp_path)).close()


async def test_a_folder_that_could_not_be_opened_is_not_kept_locked(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database, " * 500)
    with pytest.raises(DataFolderUnusable):
        await Database.open(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    await (await Database.open(tmp_path)).close()


async def test_a_full_disk_is_named_where_sqlite_says_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).mkdir()  # "unable to open database file", as where no file can be made

    def full(dir: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataFolderUnusable, match="unable to open database file"):
        await Database.open(tmp_path)
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(DataFolderUnusable, match=r"No space left on device\. Free some space"):
        await Database.open(tmp_path)


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a poem")
    with pytest.raises(DataFolderUnusable, match="File exists"):
        await Database.open(tmp_path / "data")


async def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(20_000)
    (tmp_path / FILE_NAME).write_bytes(noise)
    with pytest.raises(DataFolderUnusable, match="not a database"):
        await Database.open(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == noise


# The schema


async def test_a_new_database_has_the_newest_schema(database: Database) -> None:
    [[version]] = await database.fetch("PRAGMA user_version")
    assert version == len(MIGRATIONS)


async def test_a_database_of_the_oldest_schema_comes_to_the_newest(tmp_path: Path) -> None:
    old = await Database.open(make_oldest(tmp_path / "old"))
    new = await Database.open(tmp_path / "new")
    question = "SELECT type, name, tbl_name FROM sqlite_schema ORDER BY type, name"
    try:
        [[version]] = await old.fetch("PRAGMA user_version")
        assert version == len(MIGRATIONS)
        assert list(map(tuple, await old.fetch(question))) == [
            tuple(row) for row in await new.fetch(question)
        ]
    finally:
        await old.close()
        await new.close()


async def test_the_rows_of_the_oldest_schema_are_still_there(tmp_path: Path) -> None:
    database = await Database.open(make_oldest(tmp_path / "old"))
    try:
        assert await GuildStore(database).settings() == {"10": {"lines": 8}}
        assert await GuildStore(database).choices() == {"10": [ModelChoice("dunes", "abababab")]}
        [added_models] = await BookStore(database).added_models("10")
        assert (added_models.name, added_models.added_by) == ("dunes", "discord:1")
        [job] = await BookStore(database).jobs_in(JobState.DONE)
        assert (job.id, job.title, job.characters) == (1, "The Dunes", 90_000)
    finally:
        await database.close()


async def test_a_newer_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    folder = make_oldest(tmp_path / "new")
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA user_version = 999")
    before = (folder / FILE_NAME).read_bytes()
    with pytest.raises(DataFolderUnusable, match="has version 999; this Sonneteer knows"):
        await Database.open(folder)
    assert (folder / FILE_NAME).read_bytes() == before


async def test_a_step_of_the_schema_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_oldest(tmp_path / "old")
    broken = "CREATE TABLE half (way TEXT); CREATE TABLE guilds (again TEXT)"
    with monkeypatch.context() as patch:
        patch.setattr("bot.core.store.database.MIGRATIONS", (*MIGRATIONS, broken))
        with pytest.raises(DataFolderUnusable, match="already exists"):
            await Database.open(folder)
    database = await Database.open(folder)
    try:
        assert await database.fetch("SELECT * FROM sqlite_schema WHERE name = 'half'") == []
        assert await guilds_of(database) == ["10"]
    finally:
        await database.close()


async def test_a_row_of_a_guild_that_there_is_not_is_refused(database: Database) -> None:
    with pytest.raises(DataNotKept, match="FOREIGN KEY"):
        await database.execute("INSERT INTO settings VALUES ('10', 'lines', '8')")


async def test_what_belongs_to_a_guild_goes_with_it(database: Database) -> None:
    await GuildStore(database).keep_settings("10", {"lines": 8})
    await database.execute("DELETE FROM guilds")
    assert await GuildStore(database).settings() == {}


# Transactions


async def test_of_a_transaction_that_fails_nothing_is_left(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as run:
            await run("INSERT INTO guilds VALUES ('10')")
            await run("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(DataNotKept):
        await fail()
    assert await guilds_of(database) == []


async def test_of_a_transaction_that_its_writer_gives_up_nothing_is_left(
    database: Database,
) -> None:
    async def give_up() -> None:
        async with database.transaction() as run:
            await run("INSERT INTO guilds VALUES ('10')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await give_up()
    assert await guilds_of(database) == []
    await add_guild(database, "11")


async def test_many_transactions_at_once_do_not_mix(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.transaction() as run:
            await run("INSERT INTO guilds VALUES (?)", f"{number:02}a")
            if number % 3 == 0:
                raise ZeroDivisionError
            await run("INSERT INTO guilds VALUES (?)", f"{number:02}b")

    await asyncio.gather(*(write(number) for number in range(40)), return_exceptions=True)
    assert await guilds_of(database) == [
        f"{number:02}{half}" for number in range(40) if number % 3 for half in "ab"
    ]


async def test_nobody_reads_what_may_yet_be_taken_back(database: Database) -> None:
    """One connection for all: a question between two statements once saw the first of them."""

    async def fail() -> None:
        async with database.transaction() as run:
            await run("INSERT INTO guilds VALUES ('10')")
            written.set()
            await run("INSERT INTO nowhere VALUES (1)")

    written = asyncio.Event()
    writing = asyncio.create_task(fail())
    await written.wait()
    assert await guilds_of(database) == []
    with pytest.raises(DataNotKept):
        await writing


async def test_whoever_is_cancelled_holds_nobody_up(database: Database) -> None:
    """Cancelled at its BEGIN, a transaction once stayed open, and the next one was refused."""
    for turns in range(30):
        writing = asyncio.create_task(add_guild(database, f"cancelled {turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        await add_guild(database, f"kept {turns}")
    kept = [guild for guild in await guilds_of(database) if guild.startswith("kept")]
    assert len(kept) == 30


# Disks that fail


async def test_on_a_full_disk_nothing_is_kept_and_nothing_is_lost(database: Database) -> None:
    await add_guild(database, "10")
    await database.execute("PRAGMA max_page_count = 1")  # not one page more than it has
    with pytest.raises(DataNotKept, match="full") as caught:
        await add_guild(database, "x" * 100_000)
    assert left_in_english(caught.value.sentence) == []
    assert await guilds_of(database) == ["10"]


async def test_once_the_disk_has_room_again_all_goes_on(database: Database) -> None:
    await database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(DataNotKept):
        await add_guild(database, "x" * 100_000)
    await database.execute("PRAGMA max_page_count = 1000000")
    await add_guild(database, "10")
    assert await guilds_of(database) == ["10"]


async def test_settings_that_cannot_be_kept_leave_the_old_ones(database: Database) -> None:
    rows = GuildStore(database)
    await rows.keep_settings("10", {"lines": 8})
    await database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(DataNotKept):
        await rows.keep_settings("10", {"avoid": ["x" * 100_000]})
    assert await rows.settings() == {"10": {"lines": 8}}


async def test_a_file_that_cannot_be_written_can_still_be_read(database: Database) -> None:
    await add_guild(database, "10")
    await database.execute("PRAGMA query_only = ON")
    with pytest.raises(DataNotKept, match="readonly"):
        await add_guild(database, "11")
    assert await guilds_of(database) == ["10"]


async def test_a_question_that_cannot_be_answered_is_said(database: Database) -> None:
    with pytest.raises(DataNotKept, match="no such table"):
        await database.fetch("SELECT * FROM nowhere")


# Other programs that have it locked


@contextmanager
def locked_by_another(folder: Path) -> Iterator[None]:
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        yield


async def test_a_database_that_another_program_has_locked_is_named(
    database: Database, tmp_path: Path
) -> None:
    await database.fetch("PRAGMA busy_timeout = 1")  # a millisecond, for the test
    with locked_by_another(tmp_path / "data"):
        with pytest.raises(DatabaseBusyError, match="another program has locked it") as caught:
            await add_guild(database, "10")
        assert isinstance(caught.value, BotError)
        assert await guilds_of(database) == []  # reading goes on
    await add_guild(database, "11")
    assert await guilds_of(database) == ["11"]


async def test_a_database_that_is_locked_is_logged_once_and_so_is_its_end(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot.core.store.database")
    await database.fetch("PRAGMA busy_timeout = 1")
    with locked_by_another(tmp_path / "data"):
        for guild in "123":
            with pytest.raises(DatabaseBusyError):
                await add_guild(database, guild)
    for guild in "123":
        await add_guild(database, guild)
    begun, ended = caplog.messages
    assert "another program has locked it" in begun
    assert ended == "the database can be used again"


def test_whoever_waits_for_others_that_wait_is_told_in_time(tmp_path: Path) -> None:
    class Stuck:
        """A connection whose first statement waits."""

        async def execute(self, sql: str, values: object = ()) -> None:
            await asyncio.Event().wait()

    @simulated
    async def story() -> None:
        database = Database(cast(Any, Stuck()), lock_folder(tmp_path))
        first = asyncio.create_task(add_guild(database, "10"))
        await asyncio.sleep(0)
        with pytest.raises(DatabaseBusyError):
            await database.fetch("SELECT * FROM guilds")
        assert asyncio.get_running_loop().time() == pytest.approx(BUSY_SECONDS)
        first.cancel()

    story()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from bot.core.store.database import Database

async def write():
    database = await Database.open(Path(sys.argv[1]))
    await database.execute("INSERT INTO guilds VALUES ('10')")
    async with database.transaction() as run:
        await run("INSERT INTO guilds VALUES ('half a transaction')")
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(write())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_what_was_kept_outlasts_a_kill(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    database = await Database.open(tmp_path)
    try:
        assert await guilds_of(database) == ["10"]
    finally:
        await database.close()
