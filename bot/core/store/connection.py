"""How every SQLite file is opened: what lies in it is data, and none of it runs.

A file may come from a stranger by way of a backup. Three walls, each enough by itself for what is
known: the schema is compared with ours (`schema`), what only a stranger's schema does is refused
while a statement is compiled, and no statement runs for ever.

Python 3.11 cannot set SQLITE_DBCONFIG_DEFENSIVE; 3.12 can. What that flag forbids, writing to the
schema and to a virtual table's own tables, takes SQL of the connection's own, which is ours alone,
or a trigger, which is refused here. Neither version can take memory from SQLite's parser: a file
is as large as `rebuild` lets it be.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from bot.core.names import one_line

MAX_VALUE_BYTES = 2**20  # of a value, a row or a statement; the longest of ours is some kilobytes
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,  # a row that goes takes others along: two steps of ours
}
PRAGMAS = (
    "trusted_schema = OFF",  # no function with a side effect in a view, an index or a default
    "cell_size_check = ON",  # damaged pages are found when they are read
    "mmap_size = 0",  # a file that shrinks while it is read is an error, not a crash
    "writable_schema = OFF",
)
REFUSED = {
    *(sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_RECURSIVE),
    *(sqlite3.SQLITE_CREATE_TRIGGER, sqlite3.SQLITE_CREATE_TEMP_TRIGGER),
    *(sqlite3.SQLITE_CREATE_VIEW, sqlite3.SQLITE_CREATE_TEMP_VIEW),
    *(sqlite3.SQLITE_CREATE_VTABLE, sqlite3.SQLITE_DROP_VTABLE),
}
REFUSED_PRAGMAS = {"writable_schema", "trusted_schema"}
MAX_SHOWN = 200  # characters of what SQLite says
STEPS = 100_000  # of SQLite's machine between two looks at the clock; a millisecond or so


class GuardedConnection(sqlite3.Connection):
    """A connection for files that may be a stranger's; give it to `connect` as its factory."""

    SECONDS: ClassVar[float] = 120.0  # of a statement with all its rows

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._until = time.monotonic() + self.SECONDS
        for limit, most in LIMITS.items():
            self.setlimit(limit, most)
        for pragma in PRAGMAS:
            super().execute(f"PRAGMA {pragma}")
        if sys.version_info >= (3, 12):
            self.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        self.set_progress_handler(self._is_late, STEPS)
        self.set_authorizer(_authorize)

    def execute(self, *args: Any) -> sqlite3.Cursor:
        with self._in_time():
            return super().execute(*args)

    def executescript(self, script: str) -> sqlite3.Cursor:
        with self._in_time():
            return super().executescript(script)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        self._until = time.monotonic() + self.SECONDS
        try:
            yield
        except UnicodeDecodeError as error:  # of SQLite's own sentence, which quotes the file
            raise sqlite3.DatabaseError("a name in it is not text") from error

    def _is_late(self) -> bool:
        return time.monotonic() > self._until


def open_read_only(path: Path, seconds: float, *, alone: bool = False) -> GuardedConnection:
    """Open a file for reading; wait `seconds` for a writer's lock.

    `alone`: no program writes to it, so no log beside it counts, and no file is made there.
    """
    mode = "mode=ro&immutable=1" if alone else "mode=ro"
    address = f"{path.resolve().as_uri()}?{mode}"
    return sqlite3.connect(address, uri=True, timeout=seconds, factory=GuardedConnection)


def describe_error(error: object) -> str:
    """Return what SQLite says, which may quote the file: one line, and nothing invisible."""
    return one_line(str(error))[:MAX_SHOWN]


def _authorize(
    action: int, one: str | None, other: str | None, database: str | None, within: str | None
) -> int:
    """Refuse what no statement of ours does; `within` is the trigger or view that has it."""
    refused = within is not None or action in REFUSED
    refused = refused or (action == sqlite3.SQLITE_PRAGMA and one in REFUSED_PRAGMAS)
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK
