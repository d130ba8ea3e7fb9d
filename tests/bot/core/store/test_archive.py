"""Backups: what is in them, beside a running bot too."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from bot.core.errors import CannotWrite, DataFolderUnusable
from bot.core.store.archive import back_up
from bot.core.store.backup_file import INDEX_NAME
from bot.core.store.database import FILE_NAME, Database
from bot.core.store.guilds import GuildStore
from tests.bot.core.store.installation import Installation, tree


def names_in(file: Path) -> list[str]:
    with tarfile.open(file) as tar:
        assert all(member.isreg() for member in tar)
        return tar.getnames()


# Making one


def test_a_backup_has_the_database_and_all_models(here: Installation) -> None:
    made = here.back_up()
    assert sorted(names_in(here.file)) == [
        "backup.json",
        "guilds/10/dunes.png",
        "guilds/10/dunes.safetensors",
        "guilds/10/dunes.txt",
        "models/apples.png",
        "models/apples.safetensors",
        "sonneteer.db",
    ]
    assert (made.guild_models, made.shared_models, made.left_out) == (1, 1, ())
    assert made.size_bytes == here.file.stat().st_size


def test_a_backup_says_first_what_is_in_it(here: Installation) -> None:
    here.back_up()
    with tarfile.open(here.file) as tar:
        first = tar.next()
        assert first is not None
        assert first.name == INDEX_NAME
        content = tar.extractfile(first)
        assert content is not None
        index = json.load(content)
    assert index["format"] == 1
    assert index["files"]["models/apples.png"] == hashlib.sha256(b"the apples' chart").hexdigest()
    assert index["sizes"]["models/apples.png"] == len(b"the apples' chart")


def test_jobs_books_and_what_is_hidden_are_not_in_it(here: Installation) -> None:
    before = here.back_up()
    for name in (
        "data/jobs/1/book.txt",
        "data/books/1041.txt",
        "data/lock",
        "data/guilds/10/.dunes.safetensors.tmp",
        "data/guilds/README.md",
        "data/before-restore-20261126T000000Z/sonneteer.db",
        "models/.new.safetensors",
        "models/deeper/down.safetensors",
        "models/README.txt",
    ):
        here.put(name, b"not to be kept")
    first = names_in(here.file)
    here.file.unlink()
    assert here.back_up().left_out == before.left_out == ()
    assert names_in(here.file) == first


def test_links_are_left_out_and_named(here: Installation, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not to be kept")
    (here.models / "link.safetensors").symlink_to(secret)
    (here.data / "guilds" / "12").symlink_to(tmp_path)
    (here.data / "guilds" / "10" / "link.png").symlink_to(secret)
    (here.models / "gone.png").symlink_to(tmp_path / "nowhere")
    left_out = ["guilds/10/link.png", "guilds/12", "models/gone.png", "models/link.safetensors"]
    assert sorted(here.back_up().left_out) == left_out
    assert len(names_in(here.file)) == 7


def test_what_is_no_file_is_left_out_and_named(here: Installation) -> None:
    (here.models / "folder.safetensors").mkdir()
    assert here.back_up().left_out == ("models/folder.safetensors",)


def test_a_file_of_a_name_that_no_backup_takes_is_left_out_and_named(here: Installation) -> None:
    here.put("models/two\nlines.png", b"")
    here.put("models/not\udcffutf.png", b"")
    names = {"models/two\nlines.png", "models/not\udcffutf.png"}
    assert set(here.back_up().left_out) == names


def test_without_models_the_database_is_all(tmp_path: Path) -> None:
    bare = Installation(tmp_path / "bare")
    bare.have(lines=8)
    made = bare.back_up()
    assert (made.guild_models, made.shared_models) == (0, 0)
    assert names_in(bare.file) == ["backup.json", "sonneteer.db"]


def test_only_its_owner_can_read_a_backup(here: Installation) -> None:
    """Members' numbers are in it."""
    here.back_up()
    assert sys.platform == "win32" or here.file.stat().st_mode & 0o777 == 0o600


def test_nothing_is_left_beside_a_backup(here: Installation) -> None:
    here.back_up()
    assert sorted(path.name for path in here.home.iterdir()) == ["backup.tar", "data", "models"]


def test_a_backup_changes_no_file_of_the_bots(here: Installation) -> None:
    before = tree(here.home)
    here.back_up()
    here.file.unlink()
    after = tree(here.home)
    assert {name: after[name] for name in before} == before


def test_a_file_that_is_there_already_is_not_written_over(here: Installation) -> None:
    here.file.write_text("a poem")
    with pytest.raises(CannotWrite, match="that file already exists"):
        here.back_up()
    assert here.file.read_text() == "a poem"


@pytest.mark.parametrize("name", ["data/backup.tar", "models/../data/guilds/backup.tar"])
def test_a_backup_in_the_data_folder_is_refused(here: Installation, name: str) -> None:
    with pytest.raises(CannotWrite, match="lies in the data folder"):
        back_up(here.data, here.models, here.home / name)
    assert not (here.home / name).exists()


def test_a_backup_in_a_folder_that_there_is_not_is_refused(here: Installation) -> None:
    with pytest.raises(CannotWrite, match="No such file or directory"):
        back_up(here.data, here.models, here.home / "nowhere" / "backup.tar")


def test_a_folder_without_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFolderUnusable, match=r"there is no sonneteer\.db in it"):
        back_up(tmp_path / "data", tmp_path / "models", tmp_path / "backup.tar")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_makes_no_backup(here: Installation) -> None:
    here.put("data/sonneteer.db", b"not a database, " * 500)
    with pytest.raises(DataFolderUnusable, match="not a database"):
        here.back_up()
    assert not here.file.exists()


# Beside a running bot


async def test_a_backup_has_what_only_the_write_ahead_log_has(
    here: Installation, there: Installation
) -> None:
    database = await Database.open(here.data)
    try:
        await GuildStore(database).keep_settings("10", {"lines": 9})
        here.back_up()
    finally:
        await database.close()
    there.restore(here.file)
    assert there.lines() == 9


async def test_a_backup_leaves_out_a_transaction_that_is_not_done(
    here: Installation, there: Installation
) -> None:
    database = await Database.open(here.data)
    try:
        async with database.transaction() as run:
            await run("UPDATE settings SET value = '9'")
            here.back_up()
    finally:
        await database.close()
    there.restore(here.file)
    assert (here.lines(), there.lines()) == (9, 8)


def test_while_all_is_being_written_every_backup_is_sound(
    here: Installation, there: Installation
) -> None:
    """In the database two rows always say the same, and models come, go and change."""
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(here.data / FILE_NAME, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("INSERT INTO guilds VALUES ('11')")
            number = 0
            while not stop.is_set():
                number += 1
                connection.execute("BEGIN IMMEDIATE")
                for guild in ("10", "11"):
                    row = (guild, "lines", str(number % 500 + 1))
                    connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", row)
                connection.execute("COMMIT")
                here.put("models/apples.safetensors", b"x" * (number % 7 * 10_000))
                here.put("models/comes.png", b"y" * 1000).unlink()
                fresh = here.put("data/guilds/10/.new.tmp", b"%d" % number * 50_000)
                fresh.replace(here.data / "guilds/10/dunes.safetensors")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        files = [here.home / f"backup-{number}.tar" for number in range(5)]
        for file in files:
            back_up(here.data, here.models, file)
    finally:
        stop.set()
        writer.join()
    for file in files:
        there.restore(file)
        with closing(sqlite3.connect(there.data / FILE_NAME)) as connection:
            question = "SELECT count(DISTINCT value) FROM settings WHERE name = 'lines'"
            assert connection.execute(question).fetchone()[0] == 1
        dunes = (there.data / "guilds/10/dunes.safetensors").read_bytes()
        assert dunes == b"the dunes" or dunes == dunes[: len(dunes) // 50_000] * 50_000


@pytest.mark.parametrize(("writes", "left_out"), [(1, ()), (99, ("models/apples.png",))])
def test_a_file_that_is_written_to_meanwhile_is_read_again_and_at_last_left_out(
    here: Installation, monkeypatch: pytest.MonkeyPatch, writes: int, left_out: tuple[str, ...]
) -> None:
    """Whoever writes does so whenever the file's state is looked at."""
    written: list[bytes] = []
    look = os.fstat

    def look_and_write(descriptor: int) -> os.stat_result:
        status = look(descriptor)
        if len(written) < writes and os.path.samestat(status, chart.stat()):
            written.append(b"more")
            with chart.open("ab") as file:
                file.write(b"more")
        return status

    chart = here.models / "apples.png"
    monkeypatch.setattr("bot.core.store.archive.os.fstat", look_and_write)
    assert here.back_up().left_out == left_out
    if not left_out:
        with tarfile.open(here.file) as tar:
            content = tar.extractfile("models/apples.png")
            assert content is not None
            assert content.read() == b"the apples' chartmore"
