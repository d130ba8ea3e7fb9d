"""Folders, examined."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.doctor.results import CheckStatus
from bot.doctor.system import check_folder, try_writing
from tests.bot.doctor.conftest import shows

MB = 1_000_000


def read_only(folder: Path) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def full(folder: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("room", "state", "words"),
    [
        (5_000 * MB, CheckStatus.OK, "5.0 GB free"),
        (999 * MB, CheckStatus.WARNING, "999 MB free"),
        (99 * MB, CheckStatus.WRONG, "99 MB free"),
        (0, CheckStatus.WRONG, "Free some space"),
    ],
)
def test_little_room_is_told(tmp_path: Path, room: int, state: CheckStatus, words: str) -> None:
    found = check_folder("data", tmp_path, setting="data", needed=True, free=lambda _: room)
    shows(found, state, words)


@pytest.mark.parametrize(
    ("needed", "write", "state", "words"),
    [
        (True, read_only, CheckStatus.WRONG, "Read-only file system"),
        (False, read_only, CheckStatus.WARNING, "Read-only file system"),
        (True, full, CheckStatus.WRONG, "No space left"),
        (True, full, CheckStatus.WRONG, "Free some space"),
    ],
)
def test_a_folder_that_takes_no_files_is_told(
    tmp_path: Path, needed: bool, write: Callable[[Path], None], state: CheckStatus, words: str
) -> None:
    found = check_folder("data", tmp_path, setting="data", needed=needed, write=write)
    shows(found, state, words)


def test_a_folder_that_is_to_be_made_is_looked_at_where_it_would_be(tmp_path: Path) -> None:
    asked: list[Path] = []
    folder = tmp_path / "a" / "b"
    found = check_folder("data", folder, setting="data", needed=True, write=asked.append)
    assert asked == [tmp_path]
    assert found.state is CheckStatus.OK
    assert "will be created" in found.seen
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_a_folder_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    found = check_folder("data", tmp_path / "data", setting="data", needed=True)
    shows(found, CheckStatus.WRONG, "is a file, not a folder")


def test_trying_leaves_nothing(tmp_path: Path) -> None:
    try_writing(tmp_path)
    assert not list(tmp_path.iterdir())
