"""Who may use a data folder: one bot, or the processes that serve different shards of it.

A bot alone holds `lock`. Processes with shards hold a file for each shard, and `lock` only while
they start, one after another: so that the database is brought to the newest schema once.
"""

from __future__ import annotations

import re
from pathlib import Path

from filelock import FileLock, Timeout

from bot.core.errors import DataFolderUnusable
from bot.core.paths import close_to_others, stay_private
from bot.core.shards import ShardRange

LOCK_NAME = "lock"
# What there may be in a data folder, the rest of which may be anything.
OURS = (
    *(LOCK_NAME, "shard-*-of-*", "training", "sonneteer.db*", "discord-commands.json"),
    *("guilds", "jobs", "books", "incoming*", "before-restore-*", ".restoring"),
)
SHARD_LOCK = re.compile(r"shard-(\d+)-of-(\d+)")
START_SECONDS = 15.0  # that another process may take to start
RUNNING = "another Sonneteer is running on it. Stop that one first"


class FolderLock:
    """What a process holds of a data folder."""

    def __init__(self, whole: FileLock, shards: list[FileLock]) -> None:
        self._whole = whole
        self._shards = shards

    def let_others_start(self) -> None:
        """Say that this process has started, where it is one of several."""
        if self._shards:
            self._whole.release()

    def release(self) -> None:
        for lock in (*self._shards, self._whole):
            lock.release()


def lock_folder(folder: Path, shard_range: ShardRange | None = None) -> FolderLock:
    """Make a data folder and keep others out of it, or of a share; raise DataFolderUnusable."""
    try:
        stay_private()
        folder.mkdir(parents=True, exist_ok=True)
        whole = _lock(folder / LOCK_NAME, START_SECONDS if shard_range else 0.0)
        close_to_others(folder, OURS)
    except Timeout as error:
        raise DataFolderUnusable(folder, RUNNING) from error
    except OSError as error:
        raise DataFolderUnusable(folder, error.strerror or str(error)) from error
    held = FolderLock(whole, [])
    try:
        for path in sorted(folder.glob("shard-*")):
            match = SHARD_LOCK.fullmatch(path.name)
            dealt_alike = match and shard_range is not None and int(match[2]) == shard_range.total
            if match and not dealt_alike and is_locked(path):
                seen = f"{RUNNING}: it has shard {match[1]}/{match[2]}"
                raise DataFolderUnusable(folder, seen)
        if shard_range is not None:
            shards = [_lock_shard(folder, number, shard_range.total) for number in shard_range.ids]
            held = FolderLock(whole, shards)
    except BaseException:
        held.release()
        raise
    return held


def is_locked(path: Path) -> bool:
    """Whether another process has a lock file."""
    try:
        _lock(path, 0.0).release()
    except Timeout:
        return True
    return False


def _lock_shard(folder: Path, number: int, total: int) -> FileLock:
    try:
        return _lock(folder / f"shard-{number}-of-{total}", 0.0)
    except Timeout as error:
        reason = f"another process has shard {number}/{total} already. Give this one others"
        raise DataFolderUnusable(folder, reason) from error


def _lock(path: Path, seconds: float) -> FileLock:
    lock = FileLock(path, timeout=seconds, thread_local=False)
    lock.acquire()
    return lock
