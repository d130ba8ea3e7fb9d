"""Who may use a data folder at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.core.errors import DataFolderUnusable
from bot.core.shards import ShardRange
from bot.core.store import lock
from bot.core.store.lock import lock_folder


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "START_SECONDS", 0.05)


def _share(folder: Path, text: str) -> lock.FolderLock:
    held = lock_folder(folder, ShardRange.read(text))
    held.let_others_start()
    return held


def test_shards_that_are_dealt_alike_share_a_folder(tmp_path: Path) -> None:
    held = [_share(tmp_path, text) for text in ("0-3/8", "4-6/8", "7/8")]
    for each in held:
        each.release()
    lock_folder(tmp_path).release()


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (None, None, "another Sonneteer is using it"),
        (None, "0/2", "another Sonneteer is using it"),
        ("0/2", None, "it has shard 0/2"),
        ("0-1/2", "1/2", "another process has shard 1/2 already"),
        ("1/2", "0-3/4", "it has shard 1/2"),
    ],
)
def test_others_are_kept_out(
    tmp_path: Path, first: str | None, second: str | None, reason: str
) -> None:
    held = _share(tmp_path, first) if first else lock_folder(tmp_path)
    with pytest.raises(DataFolderUnusable, match=reason):
        lock_folder(tmp_path, ShardRange.read(second) if second else None)
    held.release()
    lock_folder(tmp_path, ShardRange.read(second) if second else None).release()


def test_only_one_starts_at_a_time(tmp_path: Path) -> None:
    starting = lock_folder(tmp_path, ShardRange.read("0/2"))
    with pytest.raises(DataFolderUnusable):
        lock_folder(tmp_path, ShardRange.read("1/2"))
    starting.let_others_start()
    lock_folder(tmp_path, ShardRange.read("1/2")).release()
    starting.release()
