"""Rows between a server and a SQLite file: backups of a server, and copies from one to the other.

A file is what both have in common. What comes from a server is written to one, as a backup has it;
what goes to a server comes from one that was rebuilt, each value checked by its rule.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from bot.core.errors import CannotWrite, DatabaseUnusable, DataFolderUnusable
from bot.core.store.any_database import Run
from bot.core.store.archive import snapshot
from bot.core.store.column_rules import COLUMN_RULES, NOT_KEPT, NUMBERED
from bot.core.store.connection import GuardedConnection
from bot.core.store.database import FILE_NAME
from bot.core.store.lock import lock_folder
from bot.core.store.postgres import PostgresDatabase
from bot.core.store.rebuild import MAX_ROWS, Unsound, rebuild
from bot.core.store.schema import MIGRATIONS, migration_script
from model import sync_folder

TABLES = tuple(COLUMN_RULES)
PAGE_ROWS = 5_000  # read at once
MAX_VALUES = 20_000  # of a statement; the server takes 65,535
NOT_EMPTY = "it has rows already, and only an empty database is copied into"

Values = tuple[Any, ...]
Counts = Mapping[str, int]  # rows by table


# Copies


async def copy_rows(source: Path | PostgresDatabase, target: Path | PostgresDatabase) -> Counts:
    """Copy all rows into an empty database, compare them, and return how many there are.

    Either is a data folder or a server's database that no other process has open. The target has
    all rows or none. Raises DataFolderUnusable, DatabaseUnusable, CannotWrite, and DataNotKept.
    """
    with ExitStack() as stack:
        into = None
        if isinstance(source, Path):
            if not (source / FILE_NAME).is_file():
                raise DataFolderUnusable(source, f"there is no {FILE_NAME} in it")
            stack.callback(lock_folder(source).release)
        if isinstance(target, Path):
            stack.callback(lock_folder(target).release)
            if (target / FILE_NAME).exists():
                raise DataFolderUnusable(target, f"it has a {FILE_NAME} already. Choose another")
            into = target
        else:
            await require_empty(target)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".copy-", dir=into)))
        try:
            file = await _staged(source, folder)
            if isinstance(target, Path):
                file.replace(target / FILE_NAME)
                sync_folder(target)
            else:
                await load(file, target)
                return counts_of(file)
        except OSError as error:
            raise CannotWrite(folder, error.strerror or str(error)) from error
        return counts_of(target / FILE_NAME)


async def _staged(source: Path | PostgresDatabase, folder: Path) -> Path:
    """Return a sound file with the rows of `source`, of the newest schema."""
    found, file = folder / "found", folder / FILE_NAME
    try:
        if isinstance(source, Path):
            snapshot(source, found)
        else:
            await dump(source, found)
        rebuild(found, file)
    except Unsound as error:
        if isinstance(source, Path):
            raise DataFolderUnusable(source, str(error)) from error
        raise DatabaseUnusable(source.login.address, str(error)) from error
    return file


# A server's rows to a file


async def dump(server: PostgresDatabase, into: Path) -> None:
    """Write the rows of a server as of one moment to a new SQLite file.

    Raises DataNotKept, Unsound for too many rows, and OSError.
    """
    try:
        with closing(_new_file(into)) as file:
            async with server.snapshot() as run:
                await _require_few(run)
                for table in TABLES:
                    columns = _columns(file, table)
                    insert = f"INSERT INTO {table} VALUES ({_marks(len(columns))})"  # noqa: S608
                    async for page in _pages(run, table, columns):
                        file.executemany(insert, page)
                for table in NUMBERED:
                    given = "CASE WHEN is_called THEN last_value ELSE last_value - 1 END"
                    [(last,)] = (await run(f"SELECT {given} FROM {table}_id_seq")).rows  # noqa: S608
                    file.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
                    file.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))
                file.execute("COMMIT")
                expected = await _sums_of_server(run, file)
        if sums_of_file(into) != expected:
            raise OSError("what was written is not what was read")
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


def _new_file(into: Path) -> sqlite3.Connection:
    file = sqlite3.connect(into, isolation_level=None, factory=GuardedConnection)
    for number, script in enumerate(MIGRATIONS, start=1):
        file.executescript(migration_script(number, script))
    file.execute("BEGIN")
    return file


async def _require_few(run: Run) -> None:
    rows = sum([(await run(f"SELECT count(*) FROM {table}")).rows[0][0] for table in TABLES])  # noqa: S608
    if rows > MAX_ROWS:
        raise Unsound(f"it has {rows:,} rows, more than {MAX_ROWS:,}: use the server's own pg_dump")


async def _pages(run: Run, table: str, columns: Sequence[str]) -> Any:
    """Yield the rows of a table, page by page, in the order of its key."""
    number = 0
    key = ", ".join(columns[:2])  # of all tables the first column, or the first two
    question = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {key} LIMIT ? OFFSET ?"  # noqa: S608
    while rows := (await run(question, PAGE_ROWS, number)).rows:
        yield [tuple(row) for row in rows]
        number += len(rows)


# A file's rows to a server


async def require_empty(server: PostgresDatabase) -> None:
    """Raise DatabaseUnusable for a database that has rows."""
    if not await is_empty(server):
        raise DatabaseUnusable(server.login.address, NOT_EMPTY)


async def is_empty(server: PostgresDatabase) -> bool:
    async with server.snapshot() as run:
        return not any([await _has_rows(run, table) for table in (*TABLES, *NOT_KEPT)])


async def _has_rows(run: Run, table: str) -> bool:
    return bool((await run(f"SELECT EXISTS (SELECT FROM {table})")).rows[0][0])  # noqa: S608


async def load(file: Path, server: PostgresDatabase, *, replace: bool = False) -> None:
    """Put the rows of a rebuilt file on a server, compared there, in one transaction.

    `replace` takes the place of what is there. Raises DatabaseUnusable and DataNotKept.
    """
    with closing(_reading(file)) as rows:
        async with server.transaction() as run:
            if replace:
                await run(f"TRUNCATE {', '.join((*TABLES, *NOT_KEPT))}")
            for table in TABLES:
                if await _has_rows(run, table):
                    raise DatabaseUnusable(server.login.address, NOT_EMPTY)
                columns = _columns(rows, table)
                for page in _batches(_rows(rows, table, columns), MAX_VALUES // len(columns)):
                    places = ", ".join([f"({_marks(len(columns))})"] * len(page))
                    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {places}"  # noqa: S608
                    await run(insert, *(value for row in page for value in row))
            for table in NUMBERED:
                named = "SELECT max(seq) FROM sqlite_sequence WHERE name = ?"
                [(last,)] = rows.execute(named, (table,))
                await run(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {(last or 0) + 1:d}")
            if await _sums_of_server(run, rows) != _sums(rows):
                reason = "the rows there are not those that were sent. Nothing was changed"
                raise DatabaseUnusable(server.login.address, reason)


async def replace_rows(file: Path, server: PostgresDatabase, aside: Path) -> None:
    """Put the rows of a rebuilt file in the place of a server's, which go to a file in `aside`."""
    if not await is_empty(server):
        await asyncio.to_thread(aside.mkdir, exist_ok=True)
        await dump(server, aside / FILE_NAME)
    await load(file, server, replace=True)


# Comparing


def sums_of_file(file: Path) -> dict[str, str]:
    """Return a hash of the rows of each table, whatever their order."""
    with closing(_reading(file)) as rows:
        return _sums(rows)


def counts_of(file: Path) -> dict[str, int]:
    with closing(_reading(file)) as rows:
        counts = {t: rows.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}  # noqa: S608
        return {table: int(count) for table, count in counts.items()}


def _sums(file: sqlite3.Connection) -> dict[str, str]:
    return {table: _sum(_rows(file, table, _columns(file, table))) for table in TABLES}


async def _sums_of_server(run: Run, file: sqlite3.Connection) -> dict[str, str]:
    found = {}
    for table in TABLES:
        digests = [
            _digest(row) async for page in _pages(run, table, _columns(file, table)) for row in page
        ]
        found[table] = _joined(digests)
    return found


def _sum(rows: Iterable[Values]) -> str:
    return _joined([_digest(row) for row in rows])


def _digest(row: Values) -> bytes:
    return hashlib.sha256(json.dumps(row).encode()).digest()


def _joined(digests: list[bytes]) -> str:
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


# Files


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, factory=GuardedConnection)


def _columns(file: sqlite3.Connection, table: str) -> list[str]:
    return [name for _, name, *_ in file.execute(f"PRAGMA table_info({table})")]


def _rows(file: sqlite3.Connection, table: str, columns: Sequence[str]) -> Iterator[Values]:
    return iter(file.execute(f"SELECT {', '.join(columns)} FROM {table}"))  # noqa: S608


def _batches(rows: Iterator[Values], size: int) -> Iterator[list[Values]]:
    batch: list[Values] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _marks(count: int) -> str:
    return ", ".join("?" * count)
