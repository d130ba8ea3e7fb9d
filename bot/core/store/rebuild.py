"""A database of a backup, rebuilt: the tables are ours, and the rows are copied one by one.

Nothing of the other file is kept but values that pass `rules`. It may be of an earlier version: its
rows are copied into tables of that version, and these brought to the newest.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bot.core.store.column_rules import COLUMN_RULES, MAX_ID, NUMBERED, setting
from bot.core.store.connection import GuardedConnection, describe_error, open_read_only
from bot.core.store.schema import (
    MIGRATIONS,
    NOT_OURS,
    OBJECTS,
    fault_of_schema,
    migration_script,
)

log = logging.getLogger(__name__)

MAX_BYTES = 2**29  # of the file; a server's training takes some 500
MAX_ROWS = 1_000_000
MAX_SHOWN = 60  # characters of a value that is refused

Values = tuple[object, ...]


class Unsound(Exception):
    """A database that is not ours or not sound; `str(error)` says in words why."""


def rebuild(source: Path, into: Path) -> None:
    """Make a new database at `into` from the rows of another, which no program has open.

    Raises Unsound, and OSError where the disk is full.
    """
    if source.stat().st_size > MAX_BYTES:
        raise Unsound(f"its database has more than {MAX_BYTES:,} bytes")
    try:
        with closing(open_read_only(source, 0, alone=True)) as found:
            version = _inspect(found)
            fresh = sqlite3.connect(into, isolation_level=None, factory=GuardedConnection)
            with closing(fresh):
                _build(fresh, 0, version)
                fresh.execute("PRAGMA foreign_keys = ON")
                fresh.execute("BEGIN")
                _copy(found, fresh)
                fresh.execute("COMMIT")
                _build(fresh, version, len(MIGRATIONS))
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, "the disk is full") from error
        raise Unsound(f"its database is damaged: {describe_error(error)}") from error


def _inspect(found: sqlite3.Connection) -> int:
    """Return the version of a database that is sound and has our schema; raise Unsound."""
    [(version,)] = found.execute("PRAGMA user_version").fetchall()
    known = len(MIGRATIONS)
    if version > known:
        reason = f"its database has version {version}; this Sonneteer knows {known}"
        raise Unsound(f"{reason}. Update Sonneteer")
    if version < 1:
        raise Unsound(NOT_OURS)
    # Before anything else is asked: to check a table is to work out its checks and its indexes.
    if (fault := fault_of_schema(found.execute(OBJECTS), MIGRATIONS[:version])) is not None:
        raise Unsound(fault)
    [(answer,), *_] = found.execute("PRAGMA integrity_check(1)").fetchall()
    if answer != "ok":
        raise Unsound(f"its database is damaged: {describe_error(answer)}")
    return int(version)


def _build(fresh: sqlite3.Connection, version: int, target: int) -> None:
    for number, script in enumerate(MIGRATIONS[version:target], start=version + 1):
        fresh.executescript(migration_script(number, script))


def _copy(found: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    left = MAX_ROWS
    for table in COLUMN_RULES:
        columns = [name for _, name, *_ in fresh.execute(f"PRAGMA table_info({table})")]
        if not columns:
            continue  # an earlier version has no such table
        marks = ", ".join("?" * len(columns))
        for values in _rows(found, table, columns):
            if (left := left - 1) < 0:
                raise Unsound(f"its database has more than {MAX_ROWS:,} rows")
            fresh.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608
    for table in NUMBERED:
        _copy_sequence(found, fresh, table)


def _rows(found: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[Values]:
    """Yield the rows of a table as they are stored; raise Unsound at a forbidden value."""
    names = ", ".join(columns)
    left_out: list[str] = []
    for row in found.execute(f"SELECT {names} FROM {table}"):  # noqa: S608 - names of our own
        values = tuple(map(_checked, [table] * len(columns), columns, row))
        if table != "settings":
            yield values
            continue
        guild, name, value = values
        try:
            yield (guild, *setting(name, value))
        except ValueError:
            left_out.append(f"{name!a} of server {guild}")
    if left_out:
        log.warning(
            "%d settings are not known to this Sonneteer and are left out, such as %s",
            *(len(left_out), left_out[0]),
        )


def _checked(table: str, column: str, value: object) -> object:
    try:
        return COLUMN_RULES[table][column](value)
    except (ValueError, TypeError, OverflowError) as error:
        shown = ascii(value[:MAX_SHOWN] if isinstance(value, str | bytes) else value)
        raise Unsound(
            f"in its database a row of {table} has {shown} as {column}; Sonneteer never writes that"
        ) from error


def _copy_sequence(found: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> None:
    """Let numbers go on where they were: messages of trainings that are gone still have theirs."""
    question = "SELECT max(seq) FROM sqlite_sequence WHERE name = ?"
    [(last,)] = found.execute(question, (table,))
    if last is None:
        return
    if type(last) is not int or not 0 <= last <= MAX_ID:
        raise Unsound(f"its database has given {table} numbers that Sonneteer never gives")
    [(copied,)] = fresh.execute(question, (table,))
    fresh.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
    last = max(last, copied or 0)
    fresh.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))
