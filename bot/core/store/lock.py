"""Who may use a data folder: one bot, or the processes that serve different shards of it.

A bot alone holds `lock`. Processes with shards hold a file for each shard, and `lock` only while
they start, one after another: so that the database is brought to the newest schema once.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from filelock import FileLock, Timeout

from bot.core.errors import DataFolderUnusable
from bot.core.paths import close_to_others, stay_private
from bot.core.shards import ShardRange

LOCK_NAME, TRAINER_LOCK = "lock", "trainer"
# What there may be in a data folder, the rest of which may be anything.
OURS = (
    *(LOCK_NAME, "shard-*-of-*", "training", "sonneteer.db*", "discord-commands.json"),
    *("guilds", "jobs", "books", "incoming*", "before-restore-*", ".restoring"),
    *("cluster-*", TRAINER_LOCK),
)
SHARD_LOCK = re.compile(r"shard-(\d+)-of-(\d+)")
START_SECONDS = 15.0  # that another process may take to start
RUNNING = "another Sonneteer is using it. Stop that one first"


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
            if match and not dealt_alike:
                _take(path, folder, f"{RUNNING}: it has shard {match[1]}/{match[2]}").release()
        if shard_range is not None:
            total = shard_range.total
            shards = [
                _take(
                    folder / f"shard-{number}-of-{total}",
                    folder,
                    f"another process has shard {number}/{total} already. Give this one others",
                )
                for number in shard_range.ids
            ]
            held = FolderLock(whole, shards)
    except BaseException:
        held.release()
        raise
    return held


def lock_for_trainer(folder: Path) -> FileLock:
    """Make a data folder and keep other trainers out of it; raise DataFolderUnusable."""
    try:
        stay_private()
        folder.mkdir(parents=True, exist_ok=True)
        return _take(
            folder / TRAINER_LOCK,
            folder,
            "another trainer is using it, and a machine trains one book at a time",
        )
    except OSError as error:
        raise DataFolderUnusable(folder, error.strerror or str(error)) from error


def is_in_use(folder: Path) -> bool | None:
    """Whether a bot has the data folder; None where that cannot be told. Nothing is written.

    The lock is tried with a share for an instant: a bot that starts in that very instant would be
    refused, and start at the second try.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        for lock in (folder / LOCK_NAME, *folder.glob("shard-*")):
            with lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


async def wait_for_lock(path: Path, look_seconds: float) -> FileLock:
    """Take a lock file once no other process has it; who waits longest need not be the next.

    `look_seconds` pass between two looks. Raises OSError where the file cannot be written.
    """
    lock = FileLock(path, timeout=0, thread_local=False)
    while True:
        try:
            lock.acquire()
            return lock
        except Timeout:
            await asyncio.sleep(look_seconds)


def _take(path: Path, folder: Path, reason: str) -> FileLock:
    """Take a lock file of a data folder; raise DataFolderUnusable where another process has it."""
    try:
        return _lock(path, 0.0)
    except Timeout as error:
        raise DataFolderUnusable(folder, reason) from error


def _lock(path: Path, seconds: float) -> FileLock:
    lock = FileLock(path, timeout=seconds, thread_local=False)
    lock.acquire()
    return lock
