"""Backups: what the bot stores, as one file; made while it runs, restored while it does not.

A backup has the database, the guilds' own models and the shared ones, with their charts. Trainings
under way are not in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.core.errors import BackupUnusable, CannotWrite, DataFolderUnusable
from bot.core.paths import (
    read_blocks,
    remove_file,
    remove_folder,
)
from bot.core.store.backup_file import (
    CHUNK_BYTES,
    GUILDS,
    MAX_INDEX_BYTES,
    MODEL,
    MODELS,
    SUFFIXES,
    BackupEntry,
    BackupIndex,
    describe_file,
    is_member,
    read_index,
    unpack,
    write_backup,
    write_file,
)
from bot.core.store.connection import GuardedConnection, describe_error, open_read_only
from bot.core.store.database import BUSY_SECONDS, FILE_NAME, LOCKED, is_busy
from bot.core.store.lock import lock_folder
from bot.core.store.rebuild import Unsound, rebuild
from model import sync_folder, write_durably

ATTEMPTS = 3  # at a file that is being written to
STAGED = ".restoring"
SNAPSHOT = "snapshot"  # of a database, whose rows then go into a new one
# What goes aside when a backup takes its place. The jobs are those of the old database: one of the
# new must not find the folder of another that had its number.
LIVE = (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", GUILDS, "jobs")
LIVE_BESIDE_SERVER = (GUILDS, "jobs")


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a backup holds."""

    guild_models: int
    shared_models: int
    size_bytes: int  # of the file
    left_out: tuple[str, ...] = ()  # links, and files that vanished or were being written to


@dataclass(frozen=True, slots=True)
class RestoreSummary:
    """What a backup brought back."""

    created: str  # when it was made, ISO 8601
    guild_models: int
    shared_models: int  # installed; models that were there already do not count
    aside: Path | None  # where the previous data was moved


PutDatabase = Callable[[Path, Path], None]  # a rebuilt file; where to move what was there


def back_up(data: Path, models: Path, file: Path, rows: Path | None = None) -> BackupSummary:
    """Write a data folder and the shared models to a new `file`; a running bot is not disturbed.

    With `rows`, a file of SQLite's that nobody writes to, the database is that: a server's. Raises
    CannotWrite, and DataFolderUnusable where there is no sound database.
    """
    if file.resolve().is_relative_to(data.resolve()):
        raise CannotWrite(file, "it lies in the data folder, which a backup must outlast")
    if os.path.lexists(file):
        raise CannotWrite(file, "that file already exists")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as name:
            return _back_up(data, models, file, Path(name), rows)
    except OSError as error:
        raise CannotWrite(file, error.strerror or str(error)) from error


def _back_up(
    data: Path, models: Path, file: Path, folder: Path, rows: Path | None
) -> BackupSummary:
    """Copy everything into `folder` first: the index needs the hash of what will be written."""
    contents = {FILE_NAME: folder / FILE_NAME}
    if rows is None:
        snapshot(data, folder / SNAPSHOT)
    try:
        rebuild(rows or folder / SNAPSHOT, contents[FILE_NAME])  # or it would be refused one day
    except Unsound as error:
        raise DataFolderUnusable(data, str(error)) from error
    remove_file(folder, SNAPSHOT)
    entries = {FILE_NAME: describe_file(contents[FILE_NAME])}
    left_out = []
    for number, (name, source) in enumerate(_sources(data, models)):
        content = folder / str(number)
        entry = _copy(source, content) if is_member(name) else None
        if entry is None:
            left_out.append(name)
        else:
            entries[name], contents[name] = entry, content
    index = BackupIndex(datetime.now(UTC).isoformat(timespec="seconds"), entries)
    if len(index.as_json()) > MAX_INDEX_BYTES:
        raise CannotWrite(file, f"{len(entries):,} files are more than a backup can hold")
    written = folder / "written"
    write_backup(written, index, contents)
    size = written.stat().st_size
    written.replace(file)
    sync_folder(file.parent)
    return BackupSummary(index.count(GUILDS), index.count(MODELS), size, tuple(left_out))


def snapshot(data: Path, into: Path) -> None:
    """Copy the database as it is at one moment, with what only its write-ahead log has yet."""
    path = data / FILE_NAME
    if not path.is_file():
        raise DataFolderUnusable(data, f"there is no {FILE_NAME} in it")
    try:
        copy = sqlite3.connect(into, factory=GuardedConnection)
        with closing(open_read_only(path, BUSY_SECONDS)) as source, closing(copy):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    except sqlite3.Error as error:
        raise DataFolderUnusable(
            data, LOCKED if is_busy(error) else describe_error(error)
        ) from error


def _sources(data: Path, models: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of models and their charts, each with its name in a backup."""
    folders = [(MODELS, models)]
    for own in sorted((data / GUILDS).glob("[0-9]*")):
        if own.is_symlink():
            yield f"{GUILDS}/{own.name}", own
        else:
            folders.append((f"{GUILDS}/{own.name}", own))
    for prefix, folder in folders:
        for path in sorted(folder.glob("[!.]*")):
            if path.suffix in SUFFIXES[prefix.partition("/")[0]]:
                yield f"{prefix}/{path.name}", path


def _copy(source: Path, into: Path) -> BackupEntry | None:
    """Copy a file as it is at one moment; None for a link, and where there is no such moment."""
    for _ in range(ATTEMPTS):
        digest = hashlib.sha256()
        try:
            if source.is_symlink() or not source.is_file():
                return None
            reading = source.open("rb")
        except OSError:
            return None
        with reading, into.open("wb") as writing:
            before = os.fstat(reading.fileno())
            try:
                for block in iter(lambda: reading.read(CHUNK_BYTES), b""):  # noqa: B023
                    digest.update(block)
                    writing.write(block)
            except OSError:
                return None
            after = os.fstat(reading.fileno())
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
            return BackupEntry(digest.hexdigest(), into.stat().st_size)
    return None


def restore(
    file: Path, data: Path, models: Path, put_database: PutDatabase | None = None
) -> RestoreSummary:
    """Replace the data of a folder by a backup; the previous data is moved aside.

    With `put_database`, that is called with the rebuilt database: it belongs on a server.
    All of it is checked first. A restore that is killed is completed by a second one. Raises
    BackupUnusable, DataFolderUnusable while a bot runs on the folder, and CannotWrite.
    """
    lock = lock_folder(data)
    staged = data / STAGED
    try:
        if os.path.lexists(staged):  # of a restore that was killed
            remove_folder(data, STAGED)
        (staged / GUILDS).mkdir(parents=True)
        index = _check(file, staged)
        return _put_in_place(index, staged, data, models, put_database)
    except OSError as error:
        raise CannotWrite(data, error.strerror or str(error)) from error
    finally:
        remove_folder(data, STAGED)
        lock.release()


def _check(file: Path, staged: Path) -> BackupIndex:
    """Unpack a backup that is altogether sound; raise BackupUnusable for any other."""
    if not file.is_file():
        raise BackupUnusable(file, "there is no such file")
    try:
        archive = file.open("rb")
    except OSError as error:
        raise BackupUnusable(file, error.strerror or str(error)) from error
    with archive:
        index = read_index(file, archive)
        if index.size > os.fstat(archive.fileno()).st_size:
            raise BackupUnusable(file, "it is smaller than what it lists")
        room = index.size + index.files[FILE_NAME].size  # the database is rebuilt beside it
        if room > shutil.disk_usage(staged).free:
            raise CannotWrite(staged, f"the disk has no room for {room:,} bytes")
        unpack(file, archive, index, staged)
    (staged / FILE_NAME).rename(staged / SNAPSHOT)
    try:
        rebuild(staged / SNAPSHOT, staged / FILE_NAME)
    except Unsound as error:
        raise BackupUnusable(file, str(error)) from error
    return index


def _put_in_place(
    index: BackupIndex, staged: Path, data: Path, models: Path, put_database: PutDatabase | None
) -> RestoreSummary:
    """Move the previous data aside and the staged data in, the database last.

    At each moment a second restore, which begins with the backup again, comes to the same end.
    """
    aside = _unused_folder(data)
    models.mkdir(parents=True, exist_ok=True)
    placed = 0
    for path in sorted((staged / MODELS).glob("*")):
        placed += _place_model(path, models / path.name, aside / MODELS)
    if put_database is None:
        _checkpoint(data / FILE_NAME)
    else:
        put_database(staged / FILE_NAME, aside)
    for name in LIVE if put_database is None else LIVE_BESIDE_SERVER:
        if os.path.lexists(data / name):
            aside.mkdir(exist_ok=True)
            (data / name).rename(aside / name)
    for name in (GUILDS,) if put_database else (GUILDS, FILE_NAME):
        sync_folder(data)  # no old file beside a new one, even after a power cut
        (staged / name).rename(data / name)
    sync_folder(data)
    kept = aside if aside.exists() else None
    return RestoreSummary(index.created, index.count(GUILDS), placed, kept)


def _unused_folder(data: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder, number = data / f"before-restore-{stamp}", 1
    while os.path.lexists(folder):
        number += 1
        folder = data / f"before-restore-{stamp}-{number}"
    return folder


def _place_model(fresh: Path, target: Path, aside: Path) -> bool:
    """Put a shared model or chart where it belongs; return whether it is a model that was not
    there. It is copied, as the shared models may lie on another disk."""
    if target.is_file():
        if describe_file(target) == describe_file(fresh):
            return False
        aside.mkdir(parents=True, exist_ok=True)
        write_file(aside / target.name, read_blocks(target))
        sync_folder(aside)
    write_durably(target, read_blocks(fresh))
    return target.suffix == MODEL


def _checkpoint(database: Path) -> None:
    """Put the previous database into one file, if it can still be read."""
    if database.is_file():
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(database, timeout=0, factory=GuardedConnection)) as connection,
        ):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
