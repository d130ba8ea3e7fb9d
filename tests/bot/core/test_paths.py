"""Paths in the data folder: one step down from a folder of ours, and closed to other users."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from pathlib import Path
from typing import Any, cast

import pytest

from bot.core.errors import PathRefused
from bot.core.jobs import JobState
from bot.core.paths import (
    close_to_others,
    named,
    numbered,
    remove_file,
    remove_folder,
)
from bot.core.store.archive import back_up, restore
from bot.core.store.database import FILE_NAME
from bot.core.store.lock import lock_folder
from tests.apps import ADMIN, FakeTrainer, attached, make_config, open_test_app, trained
from tests.texts import quatrains

unix = pytest.mark.skipif("sys.platform == 'win32'", reason="there are no modes")
NO_NUMBERS = ["/etc", "7", "../7", "", 0, -1, 1.0, True, None, b"7", 2**63]
NO_NAMES = [
    *("", ".", "..", "/", "/etc", "../x", "x/../..", "x/y", "x/", "C:x", "x\\y", "x\0", "x\ny"),
    *("CON", "nul.safetensors", "com1", "Lpt¹.txt", "conout$", "x.", "x "),
    *("\ud800", "x" * 300, 7, None),
]


def precious(home: Path) -> Path:
    """Have a folder that nobody may remove."""
    kept = home / "precious"
    kept.mkdir()
    (kept / "letter").write_text("dear")
    return kept


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_what_is_no_number_becomes_no_path(tmp_path: Path, number: object) -> None:
    with pytest.raises(PathRefused, match="is not a valid number or name"):
        numbered(tmp_path, cast(Any, number))


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_plain_name_becomes_no_path(tmp_path: Path, name: object) -> None:
    with pytest.raises(PathRefused, match="is not a valid number or name"):
        named(tmp_path, cast(Any, name))


@pytest.mark.parametrize("name", ["dunes", "дюны.safetensors", ".dunes.tmp", "a b (1).png"])
def test_a_plain_name_is_one_step_down(tmp_path: Path, name: str) -> None:
    assert named(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("way", ["../precious", ".", "..", "", "x/../../precious"])
def test_what_lies_elsewhere_is_not_removed(tmp_path: Path, way: str) -> None:
    kept = precious(tmp_path)
    (tmp_path / "jobs").mkdir()
    for name in (way, str(kept)):
        for remove in (remove_folder, remove_file):
            with pytest.raises(PathRefused):
                remove(tmp_path / "jobs", name)
    assert (kept / "letter").is_file()
    assert (tmp_path / "jobs").is_dir()


@unix
def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path) -> None:
    kept = precious(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "7").symlink_to(kept, target_is_directory=True)
    remove_folder(tmp_path / "jobs", 7)
    assert (kept / "letter").is_file()


def test_a_folder_goes_with_all_in_it(tmp_path: Path) -> None:
    (tmp_path / "jobs" / "7" / "in" / "it").mkdir(parents=True)
    remove_folder(tmp_path / "jobs", 7)
    remove_folder(tmp_path / "jobs", 8)  # which there is not
    assert not list((tmp_path / "jobs").iterdir())


# Other users


def modes(folder: Path) -> set[str]:
    """Return what in a folder others may read, itself included."""
    paths = [folder, *folder.rglob("*")]
    return {path.name for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o077}


@unix
def test_a_folder_that_was_open_to_others_is_closed_with_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot.core.paths")
    data = tmp_path / "data"
    (data / "guilds" / "10").mkdir(parents=True)
    (data / "before-restore-1" / "jobs").mkdir(parents=True)
    for name in ("sonneteer.db", "sonneteer.db-wal", "guilds/10/dunes.txt", "letter"):
        (data / name).write_text("")
    for path in (data, *data.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o644)
    for _ in range(2):
        lock_folder(data).release()
    assert modes(data) == {"letter"}  # none of ours
    assert (data / "letter").stat().st_mode & 0o777 == 0o644
    [line] = caplog.messages
    assert line.startswith("8 files and folders in ")


@unix
def test_what_a_link_leads_to_stays_as_it_is(tmp_path: Path) -> None:
    kept = precious(tmp_path)
    kept.chmod(0o755)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "guilds").symlink_to(kept, target_is_directory=True)
    close_to_others(tmp_path / "data", ("guilds",))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o755


@unix
def test_a_folder_that_all_share_is_not_closed(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    close_to_others(shared, ())
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777


@unix
def test_what_is_made_in_the_folder_is_for_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        lock_folder(tmp_path / "data").release()
        (tmp_path / "data" / "books").mkdir()
        (tmp_path / "data" / "books" / "book.txt").write_text("a book")
        assert modes(tmp_path / "data") == set()
    finally:
        os.umask(before)


@unix
async def test_of_all_that_a_bot_keeps_other_users_see_nothing(tmp_path: Path) -> None:
    """The database with its log, a model, a job that is under way, a book that waits."""
    before = os.umask(0o022)
    try:
        trainer = FakeTrainer()
        async with open_test_app(make_config(tmp_path), trainer) as app:
            training_requests, long = app.training_requests, attached(quatrains(200))
            assert (
                await trained(training_requests, await training_requests.propose(ADMIN, long))
                is JobState.DONE
            )
            trainer.gate = asyncio.Event()
            found = await training_requests.propose(ADMIN, long, name="harbour")
            await training_requests.accept(ADMIN, found.job.id)
            await training_requests.propose(ADMIN, long, name="orchard")
            names = {path.name for path in (tmp_path / "data").rglob("*")}
            assert {f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", "lock", "_book.txt"} < names
            assert "walks.safetensors" in names
            assert modes(tmp_path / "data") == set()
            back_up(tmp_path / "data", tmp_path / "models", tmp_path / "backup.tar")
        restore(tmp_path / "backup.tar", tmp_path / "data", tmp_path / "models")
        assert "before-restore" in str(sorted((tmp_path / "data").iterdir()))
        assert modes(tmp_path / "data") == set()
        assert modes(tmp_path / "backup.tar") == set()
    finally:
        os.umask(before)
