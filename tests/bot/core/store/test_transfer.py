"""Rows on their way from a file to a server and back, and what stands in the way."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from bot.core.errors import DatabaseUnusable, DataFolderUnusable
from bot.core.jobs import JobState
from bot.core.ports import ModelChoice
from bot.core.store.any_database import AnyDatabase
from bot.core.store.books import BookStore
from bot.core.store.database import FILE_NAME, Database
from bot.core.store.days import DayStore, SentDay
from bot.core.store.guilds import GuildStore
from bot.core.store.kept import KeptPoem, KeptStore
from bot.core.store.lock import lock_folder
from bot.core.store.postgres import PostgresDatabase
from bot.core.store.postgres_watch import Claim
from bot.core.store.rebuild import Unsound
from bot.core.store.server_address import Login
from bot.core.store.transfer import TABLES, copy_rows, dump, sums_of_file
from tests.bot.core.store.test_books import DUNES, JOB
from tests.postgres_server import run_sql

NOW = "2026-11-26T00:00:00+00:00"
SETTINGS = {"lines": 8, "avoid": ["café", "sea"]}


@asynccontextmanager
async def alone(login: Login) -> AsyncIterator[PostgresDatabase]:
    database = await PostgresDatabase.open(login, Claim(alone=True))
    try:
        yield database
    finally:
        await database.close()


async def fill(database: AnyDatabase) -> None:
    """Put rows of every kind into a database; the last job is gone again."""
    guilds, books, kept = GuildStore(database), BookStore(database), KeptStore(database)
    await guilds.keep_settings("10", SETTINGS)
    for guild in ("10", "11"):
        await guilds.choose(guild, ModelChoice("dunes", "d1" * 32), "discord:1", NOW)
    job_id = await books.add_job(JOB)
    await books.update_job(job_id, state=JobState.DONE, seconds=12.5, loss=1.25, told=True)
    await books.add_model(DUNES, job_id)
    await books.delete_proposal(await books.add_job(JOB))
    await DayStore(database).keep("10", SentDay("2026-11-26", "77"))
    for member in ("discord:1", "discord:2"):
        await kept.keep("10", "5", member)
    await kept.set_copy("5", "30", "6")


async def require_all(database: AnyDatabase) -> None:
    """Look for what `fill` has put there."""
    guilds, books = GuildStore(database), BookStore(database)
    assert await guilds.settings() == {"10": SETTINGS}
    assert (await guilds.choices()).keys() == {"10", "11"}
    [job] = await books.jobs_in(JobState.DONE)
    assert (job.id, job.seconds, job.loss, job.told) == (1, 12.5, 1.25, True)
    assert await books.added_models("10") == [DUNES]
    assert await DayStore(database).sent() == {"10": SentDay("2026-11-26", "77")}
    assert await KeptStore(database).find("5") == KeptPoem("30", "6", 2)
    assert await books.add_job(JOB) == 3, "a number was given twice"


async def filled_folder(folder: Path) -> Path:
    database = await Database.open(folder)
    await fill(database)
    await database.close()
    return folder


async def test_rows_of_every_kind_are_kept_and_found(any_database: AnyDatabase) -> None:
    await fill(any_database)
    await require_all(any_database)


async def test_a_day_and_a_kept_poem_are_kept_once(any_database: AnyDatabase) -> None:
    days, kept = DayStore(any_database), KeptStore(any_database)
    await days.keep("10", SentDay("2026-11-26", ""))
    await days.keep("10", SentDay("2026-11-27", "8"))
    assert await days.sent() == {"10": SentDay("2026-11-27", "8")}
    assert [await kept.keep("10", "5", "discord:1") for _ in range(2)] == [True, False]
    await kept.drop("5")
    assert await kept.find("5") == KeptPoem()


@pytest.mark.postgres
async def test_rows_go_to_a_server_and_come_back_as_they_were(login: Login, tmp_path: Path) -> None:
    folder = await filled_folder(tmp_path / "data")
    async with alone(login) as server:
        counts = await copy_rows(folder, server)
        assert counts == {
            **{"guilds": 2, "settings": 2, "jobs": 1, "models": 1, "choices": 2},
            **{"days": 1, "kept": 1, "keepers": 2},
        }
        assert await copy_rows(server, tmp_path / "back") == counts
        await require_all(server)
    there, back = folder / FILE_NAME, tmp_path / "back" / FILE_NAME
    assert sums_of_file(there) == sums_of_file(back)
    database = await Database.open(tmp_path / "back")
    try:
        await require_all(database)
    finally:
        await database.close()


@pytest.mark.postgres
async def test_many_rows_go_in_one_transaction(login: Login, tmp_path: Path) -> None:
    folder = await filled_folder(tmp_path / "data")
    with closing(sqlite3.connect(folder / FILE_NAME)) as file:
        members = ((f"discord:{number}",) for number in range(100, 12_100))
        file.executemany("INSERT INTO keepers VALUES ('5', ?)", members)
        file.commit()
    async with alone(login) as server:
        assert (await copy_rows(folder, server))["keepers"] == 12_002
        assert (await copy_rows(server, tmp_path / "back"))["keepers"] == 12_002


@pytest.mark.postgres
async def test_only_an_empty_place_is_copied_into(login: Login, tmp_path: Path) -> None:
    folder = await filled_folder(tmp_path / "data")
    async with alone(login) as server:
        await GuildStore(server).keep_settings("12", {"lines": 9})
        with pytest.raises(DatabaseUnusable, match="only an empty database is copied into"):
            await copy_rows(folder, server)
        assert await GuildStore(server).settings() == {"12": {"lines": 9}}
        with pytest.raises(DataFolderUnusable, match=r"has a sonneteer\.db already"):
            await copy_rows(server, folder)
        with pytest.raises(DataFolderUnusable, match=r"there is no sonneteer\.db"):
            await copy_rows(tmp_path / "nowhere", server)
        assert not (tmp_path / "nowhere").exists()


@pytest.mark.postgres
async def test_nothing_is_copied_while_a_bot_runs(login: Login, tmp_path: Path) -> None:
    folder = await filled_folder(tmp_path / "data")
    async with alone(login) as server:
        lock = lock_folder(folder)
        with pytest.raises(DataFolderUnusable, match="another Sonneteer is using it"):
            await copy_rows(folder, server)
        lock.release()


@pytest.mark.postgres
async def test_a_value_that_sonneteer_never_wrote_is_not_copied(
    login: Login, tmp_path: Path
) -> None:
    folder = await filled_folder(tmp_path / "data")
    with closing(sqlite3.connect(folder / FILE_NAME)) as file:
        file.execute("UPDATE models SET sha256 = '../x'")
        file.commit()
    async with alone(login) as server:
        with pytest.raises(DataFolderUnusable, match=r"a row of models has '\.\./x' as sha256"):
            await copy_rows(folder, server)
        await fill(server)
        await run_sql(login, "UPDATE models SET sha256 = '../x'")
        with pytest.raises(DatabaseUnusable, match=r"a row of models has '\.\./x' as sha256"):
            await copy_rows(server, tmp_path / "back")
    assert not (tmp_path / "back" / FILE_NAME).exists()


@pytest.mark.postgres
async def test_rows_that_arrive_otherwise_are_taken_back(login: Login, tmp_path: Path) -> None:
    """A trigger of a stranger's, say, that came after the database was opened."""
    folder = await filled_folder(tmp_path / "data")
    async with alone(login) as server:
        await run_sql(
            login,
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN NEW.value = ''9''; RETURN NEW; END'",
            "CREATE TRIGGER t BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION f()",
        )
        with pytest.raises(DatabaseUnusable, match="not those that were sent"):
            await copy_rows(folder, server)
        for table in TABLES:
            assert await server.fetch(f"SELECT * FROM {table}") == ()  # noqa: S608


@pytest.mark.postgres
async def test_too_many_rows_for_a_file_are_refused(
    login: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.core.store.transfer.MAX_ROWS", 5)
    async with alone(login) as server:
        await fill(server)
        with pytest.raises(Unsound, match="pg_dump"):
            await dump(server, tmp_path / "rows")
