"""Backups that are restored: what comes back, what goes aside, and what a kill leaves."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.core.errors import DataFolderUnusable
from bot.core.store.database import FILE_NAME, Database
from bot.core.store.guilds import GuildStore
from bot.core.store.lock import lock_folder
from tests.bot.core.store.installation import Installation, tree

ROOT = Path(__file__).parents[4]


def put_aside(installation: Installation, file: Path) -> Path:
    """Restore a backup; return where that lies which was there before."""
    aside = installation.restore(file).aside
    assert aside is not None
    return aside


def test_a_restored_installation_has_what_was_backed_up(here: Installation, tmp_path: Path) -> None:
    here.back_up()
    fresh = Installation(tmp_path / "fresh")
    restored = fresh.restore(here.file)
    assert fresh.lines() == 8
    files = tree(fresh.home)
    assert {name for name in files if "sonneteer.db" not in name} == {
        "data/guilds/10/dunes.png",
        "data/guilds/10/dunes.safetensors",
        "data/guilds/10/dunes.txt",
        "models/apples.png",
        "models/apples.safetensors",
    }
    assert files["data/guilds/10/dunes.safetensors"] == b"the dunes"
    assert (restored.guild_models, restored.shared_models, restored.aside) == (1, 1, None)


async def test_a_bot_starts_on_what_was_restored(here: Installation, there: Installation) -> None:
    here.back_up()
    there.restore(here.file)
    database = await Database.open(there.data)
    try:
        assert await GuildStore(database).settings() == {"10": {"lines": 8}}
    finally:
        await database.close()


def test_what_was_there_before_lies_aside(here: Installation, there: Installation) -> None:
    before = tree(there.data)
    here.back_up()
    aside = put_aside(there, here.file)
    assert aside.parent == there.data
    assert aside.name.startswith("before-restore-")
    assert tree(aside) == before
    assert not (there.data / "guilds" / "11").exists()
    assert not (there.data / "jobs").exists()


def test_what_only_the_write_ahead_log_had_lies_aside_too(
    here: Installation, there: Installation
) -> None:
    """A bot that was killed leaves a log, which must neither be lost nor meet the new database."""
    here.back_up()
    killed = Installation(there.home.parent / "killed")
    killed.data.mkdir(parents=True)
    with closing(sqlite3.connect(there.data / FILE_NAME, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE settings SET value = '77'")
        for suffix in ("", "-wal", "-shm"):
            content = (there.data / f"{FILE_NAME}{suffix}").read_bytes()
            killed.put(f"data/{FILE_NAME}{suffix}", content)
    aside = put_aside(killed, here.file)
    assert killed.lines() == 8
    with closing(sqlite3.connect(aside / FILE_NAME)) as connection:
        assert connection.execute("SELECT value FROM settings").fetchall() == [("77",)]


def test_a_log_that_somebody_still_reads_goes_aside_with_its_database(
    here: Installation, there: Installation
) -> None:
    here.back_up()
    with (
        closing(sqlite3.connect(there.data / FILE_NAME, isolation_level=None)) as writer,
        closing(sqlite3.connect(there.data / FILE_NAME, isolation_level=None)) as reader,
    ):
        writer.execute("PRAGMA journal_mode = WAL")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM settings").fetchall()
        writer.execute("UPDATE settings SET value = '77'")
        aside = put_aside(there, here.file)
        assert there.lines() == 8
        with closing(sqlite3.connect(aside / FILE_NAME)) as connection:
            assert connection.execute("SELECT value FROM settings").fetchall() == [("77",)]


def test_a_damaged_database_is_replaced_too(here: Installation, there: Installation) -> None:
    here.back_up()
    noise = there.put("data/sonneteer.db", b"not a database, " * 500).read_bytes()
    aside = put_aside(there, here.file)
    assert there.lines() == 8
    assert (aside / FILE_NAME).read_bytes() == noise


def test_a_shared_model_that_is_there_already_is_left_alone(
    here: Installation, there: Installation
) -> None:
    here.back_up()
    same = there.put("models/apples.safetensors", b"the apples")
    before = same.stat().st_mtime_ns
    restored = there.restore(here.file)
    assert same.stat().st_mtime_ns == before
    assert restored.shared_models == 0
    assert (there.models / "pears.safetensors").read_bytes() == b"the pears"


def test_another_shared_model_of_that_name_goes_aside(
    here: Installation, there: Installation
) -> None:
    here.back_up()
    there.put("models/apples.safetensors", b"other apples")
    restored = there.restore(here.file)
    assert (there.models / "apples.safetensors").read_bytes() == b"the apples"
    assert restored.aside is not None
    assert (restored.aside / "models" / "apples.safetensors").read_bytes() == b"other apples"
    assert restored.shared_models == 1


def test_restoring_twice_at_the_same_moment_loses_nothing(
    here: Installation, there: Installation
) -> None:
    here.back_up()
    first, second = put_aside(there, here.file), put_aside(there, here.file)
    assert first != second
    assert (first / FILE_NAME).is_file()
    assert (second / FILE_NAME).is_file()


def test_a_long_name_comes_back(here: Installation, there: Installation) -> None:
    long = "д" * 64  # 128 bytes, more than a tar's header has
    here.put(f"models/{long}.safetensors", b"long")
    here.back_up()
    there.restore(here.file)
    assert (there.models / f"{long}.safetensors").read_bytes() == b"long"


def test_while_a_bot_runs_nothing_is_restored(here: Installation, there: Installation) -> None:
    here.back_up()
    lock = lock_folder(there.data)
    before = tree(there.home)
    try:
        with pytest.raises(DataFolderUnusable, match="another Sonneteer is using it"):
            there.restore(here.file)
    finally:
        lock.release()
    assert tree(there.home) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from bot.core.store.archive import restore

moves = last = 0

def kill(event, _):
    global moves
    if event == "os.rename":
        moves += 1
        if moves == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
for last, home in enumerate(map(Path, sys.argv[2:]), start=1):
    child = os.fork()  # a process for each, and the modules are imported once
    if child == 0:
        restore(Path(sys.argv[1]), home / "data", home / "models")
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
MOVES = 20  # more than there are


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_restore_that_is_killed_is_completed_by_a_second(
    here: Installation, tmp_path: Path
) -> None:
    """Killed before each move of a file, one after the other, until there is none left."""
    here.back_up()
    installations = [Installation(tmp_path / f"there-{move}") for move in range(1, MOVES)]
    for there in installations:
        there.have(lines=99)
        there.put("data/guilds/11/tides.safetensors", b"the tides")
        there.put("models/apples.safetensors", b"other apples")
    old = [tree(there.data) for there in installations]
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(here.file),
        *(str(there.home) for there in installations),
    ]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    ends = [int(line) for line in done.stdout.split()]
    killed = ends.index(0)
    assert ends == [-signal.SIGKILL] * killed + [0] * (len(installations) - killed), done.stderr
    for there, before in list(zip(installations, old, strict=True))[:killed]:
        there.restore(here.file)
        assert there.lines() == 8
        files = tree(there.home)
        assert [name for name in files if name.startswith("data/guilds/")] == [
            f"data/guilds/10/dunes{suffix}" for suffix in (".png", ".safetensors", ".txt")
        ]
        assert files["models/apples.safetensors"] == b"the apples"
        assert not [name for name in files if "/." in name]
        assert {*before.values(), b"other apples"} <= set(files.values())  # nothing is lost
        assert not (there.data / ".restoring").exists()
    assert 4 < killed < len(installations) - 1
