"""The database file: who may open it, how it comes to the newest schema, and how it is written."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiosqlite

from bot.core.errors import DatabaseBusyError, DataFolderUnusable, DataNotKept
from bot.core.languages import recognise, sentence
from bot.core.retry import FULL
from bot.core.shards import ShardRange
from bot.core.store.any_database import Heard, Ran, Run
from bot.core.store.connection import GuardedConnection, describe_error
from bot.core.store.lock import FolderLock, lock_folder
from bot.core.store.schema import MIGRATIONS, OBJECTS, fault_of_schema, migration_script

log = logging.getLogger(__name__)

FILE_NAME = "sonneteer.db"
BUSY_SECONDS = 10.0  # for a backup that reads, or another process that writes

ROOM_BYTES = 100_000  # what a new database takes, or so
LOCKED = "another program has its database locked"
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
SQLITE_SAYS = (  # where the disk fails; what else it says stays English
    sentence("database or disk is full"),
    sentence("disk I/O error"),
    sentence("attempt to write a readonly database"),
    sentence("unable to open database file"),
    sentence("database disk image is malformed"),
)


class Database:
    """A file of SQLite's: one connection, whose statements and transactions come one after another.

    The folder is locked while it is open: a second bot on the same data is refused, or on the same
    shards of it.
    """

    def __init__(self, connection: aiosqlite.Connection, lock: FolderLock) -> None:
        self._connection = connection
        self._lock = lock
        self._turn = asyncio.Lock()
        self._busy = False  # whether the log has it

    @classmethod
    async def open(cls, folder: Path, shard_range: ShardRange | None = None) -> Database:
        """Open the database of a data folder, made if need be; raise DataFolderUnusable."""
        lock = await asyncio.to_thread(lock_folder, folder, shard_range)
        try:
            connection = await aiosqlite.connect(
                folder / FILE_NAME,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                factory=GuardedConnection,
            )
        except sqlite3.Error as error:
            lock.release()
            raise DataFolderUnusable(folder, _explain(folder, error)) from error
        database = cls(connection, lock)
        try:
            connection.row_factory = sqlite3.Row
            for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL"):
                await connection.execute(f"PRAGMA {pragma}")
            await database._migrate(folder)
        except BaseException as error:
            await database.close()
            if isinstance(error, sqlite3.Error):
                reason = LOCKED if is_busy(error) else _explain(folder, error)
                raise DataFolderUnusable(folder, reason) from error
            raise
        lock.let_others_start()
        return database

    async def close(self) -> None:
        await self._connection.close()
        self._lock.release()

    async def fetch(self, sql: str, *values: object) -> Sequence[sqlite3.Row]:
        """Return the rows of a question; raise DataNotKept where the file cannot be read.

        It waits for the transaction under way: within one, ask with what that yields.
        """
        async with self._to_itself():  # or it would see rows that may still be rolled back
            return list(await self._connection.execute_fetchall(sql, values))

    async def execute(self, sql: str, *values: object) -> int:
        """Run and commit one statement; return how many rows it changed, or raise DataNotKept."""
        async with self.transaction() as run:
            ran = await run(sql, *values)
        return ran.count

    @asynccontextmanager
    async def transaction(
        self, guild: str | None = None, *, tells: bool = False
    ) -> AsyncIterator[Run]:
        """Yield a function that runs a statement; all of them count, or none.

        All transactions come one after another, those of a `guild` too. Nobody is told: a guild has
        one process on a data folder. Raises DataNotKept where the disk is full, say, and its child
        DatabaseBusyError.
        """

        async def run(sql: str, *values: object) -> Ran:
            cursor = await self._connection.execute(sql, values)
            rows = () if cursor.description is None else tuple(await cursor.fetchall())
            return Ran(cursor.rowcount, rows)

        async with self._to_itself():
            try:
                # A task that is cancelled during BEGIN has begun: it is rolled back, too.
                await self._connection.execute("BEGIN IMMEDIATE")
                yield run
                await self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled it back already
                    await self._connection.execute("ROLLBACK")
                raise

    def watch(self, heard: Heard) -> None:
        """Do nothing: the other processes on a data folder serve other guilds."""

    @asynccontextmanager
    async def _to_itself(self) -> AsyncIterator[None]:
        """Use the connection alone; raise DataNotKept for an error of SQLite's.

        Waiting for it takes BUSY_SECONDS at most, and a lock of another program as long again.
        """
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._turn.acquire()
        except TimeoutError as error:
            raise self._is_busy() from error
        try:
            yield
        except sqlite3.Error as error:
            if is_busy(error):
                raise self._is_busy() from error
            raise DataNotKept(recognise(describe_error(error), SQLITE_SAYS)) from error
        else:
            if self._busy:
                self._busy = False
                log.info("the database can be used again")
        finally:
            self._turn.release()

    def _is_busy(self) -> DatabaseBusyError:
        """Return the error to raise; its cause is logged once, however many callers get it."""
        error = DatabaseBusyError(BUSY_SECONDS)
        if not self._busy:
            self._busy = True
            log.warning("%s Until it is free, commands that need it fail.", error)
        return error

    async def _migrate(self, folder: Path) -> None:
        """Take the steps of the schema that this file has not had."""
        [[version]] = await self._connection.execute_fetchall("PRAGMA user_version")
        if version > len(MIGRATIONS):
            reason = f"its database has version {version}; this Sonneteer knows {len(MIGRATIONS)}"
            raise DataFolderUnusable(folder, f"{reason}. Update Sonneteer")
        await self._require_schema(folder, version)
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            await self._connection.executescript(migration_script(number, script))
        if version == 0:
            log.info("the database was made")
        elif version < len(MIGRATIONS):
            log.info("the database was brought to version %d", len(MIGRATIONS))

    async def _require_schema(self, folder: Path, version: int) -> None:
        """Raise DataFolderUnusable for a database in which something else might run than ours."""
        found = await self._connection.execute_fetchall(OBJECTS)
        if (fault := fault_of_schema(map(tuple, found), MIGRATIONS[:version])) is not None:
            raise DataFolderUnusable(folder, f"{fault}. Restore a backup, or move {FILE_NAME} away")


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another program, or another process of ours, has the database locked."""
    # The low byte is the kind, what is above it the details: https://sqlite.org/rescode.html
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in BUSY


def _explain(folder: Path, error: sqlite3.Error) -> str:
    """Say why a database cannot be opened; SQLite says little of a disk that is full."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM_BYTES))
    except OSError as fault:
        if fault.errno in FULL:
            return f"{fault.strerror}. Free some space"
    return describe_error(error)
