"""The database on a PostgreSQL server, for several machines; imported only where one is named.

A few connections run transactions. One more holds this process's claims, and hears what other
processes change. All of them are made anew when they break.

No write is lost or doubled. What fails before its COMMIT has changed nothing. Each COMMIT leaves a
token in `commits`: where its answer is lost, the same token is written once more. If that does not
go, the transaction was kept; if it goes, the transaction was not, and never will be.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import asyncpg

from bot.core.errors import DatabaseBusyError, DatabaseUnusable, DataNotKept, DataUncertain
from bot.core.store.any_database import Heard, Ran, Row, Run
from bot.core.store.postgres_connection import (
    BUSY,
    LOST,
    RETRY_SECONDS,
    persist,
    reason,
)
from bot.core.store.postgres_schema import Connection, fault_of, migrate, version_of
from bot.core.store.postgres_watch import CHANNEL, SERVED, Claim, Watch
from bot.core.store.server_address import BUSY_SECONDS, CONNECT_SECONDS, Login
from bot.core.tasks import wait_uninterrupted

log = logging.getLogger(__name__)

CONNECTIONS = 5  # that run transactions
RETURNS = re.compile(r"\s*SELECT\b|.*\bRETURNING\b", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What was seen of a database that was only looked at."""

    server: str  # the version of PostgreSQL
    version: int  # of the schema, 0 for an empty database
    fault: str | None  # what is not ours in it
    encrypted: bool
    in_use: bool  # by a bot


class PostgresDatabase:
    """A database on a server, while this process has it open."""

    def __init__(
        self, login: Login, claim: Claim | None = None, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self.login = login
        self._retry_seconds = retry_seconds
        self._sender = secrets.token_hex(8)
        self._watch = Watch(login, claim or Claim(), self._sender)
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._pool: Any = None
        self._fails = False  # whether the log has it

    @classmethod
    async def open(
        cls,
        login: Login,
        claim: Claim | None = None,
        *,
        migrates: bool = True,
        retry_seconds: float = RETRY_SECONDS,
    ) -> PostgresDatabase:
        """Open a database; raise DatabaseUnusable.

        Its tables are made if need be, and brought to the newest version, unless `migrates` is
        False: then a database of another version is refused.
        """
        database = cls(login, claim, retry_seconds)
        try:
            connection = await persist(database._watch.open, retry_seconds)
            if (fault := await migrate(connection, may=migrates)) is not None:
                raise DatabaseUnusable(login.address, fault)
            database._pool = await asyncpg.create_pool(
                min_size=0, max_size=CONNECTIONS, reset=_leave_as_it_is, **login.options()
            )
        except BaseException as error:
            await database.close()
            if isinstance(error, (*LOST, asyncpg.PostgresError)):
                raise DatabaseUnusable(login.address, reason(error)) from error
            raise
        database._watch.start()
        return database

    async def close(self) -> None:
        if self._pool is not None:
            with suppress(Exception):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._pool.close()
        await self._watch.close()

    # What stores ask for

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        """Return the rows of a question, asked again while the server restarts."""

        async def ask() -> Sequence[Row]:
            connection = await self._pool.acquire(timeout=CONNECT_SECONDS)
            async with self._given_back(connection):
                return tuple(await connection.fetch(_numbered(sql), *map(_storable, values)))

        async with self._turn():
            return await persist(ask, self._retry_seconds)

    async def execute(self, sql: str, *values: object) -> int:
        """Run and commit one statement, again while the server restarts."""

        async def change() -> int:
            async with self._one_transaction(None, tells=False) as run:
                return (await run(sql, *values)).count

        async with self._turn():
            return await persist(change, self._retry_seconds)

    @asynccontextmanager
    async def transaction(
        self, guild: str | None = None, *, tells: bool = False
    ) -> AsyncIterator[Run]:
        """Yield a function that runs a statement; all of them count, or none.

        While the server restarts, the beginning waits for it. What breaks later is DataNotKept,
        or DataUncertain where the server cannot be asked whether the end was kept.
        """
        async with self._turn(), self._one_transaction(guild, tells=tells) as run:
            yield run

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Run]:
        """Yield a function that asks questions, all answered as of one moment."""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        async with self._turn():
            connection = await persist(lambda: self._begin(begin), self._retry_seconds)
            async with self._given_back(connection):
                yield _runner(connection)

    def watch(self, heard: Heard) -> None:
        self._watch.heard = heard

    # Transactions

    @asynccontextmanager
    async def _one_transaction(self, guild: str | None, *, tells: bool) -> AsyncIterator[Run]:
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
        if guild is not None:
            begin = f"{begin}; SELECT pg_advisory_xact_lock({_number_of(guild)})"
        connection = await persist(lambda: self._begin(begin), self._retry_seconds)
        async with self._given_back(connection):
            yield _runner(connection)
            if tells:
                heard = f"{self._sender} {guild}"
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, heard)
            committing = asyncio.create_task(self._commit(connection))
            try:
                await wait_uninterrupted(committing)
            finally:
                failure = committing.exception() if committing.done() else None
            if failure is not None:
                raise failure

    async def _begin(self, begin: str) -> Connection:
        connection = await self._pool.acquire(timeout=CONNECT_SECONDS)
        try:
            await connection.execute(begin)
        except BaseException:
            _end(connection)
            with suppress(Exception):
                await self._pool.release(connection)
            raise
        return connection

    @asynccontextmanager
    async def _given_back(self, connection: Connection) -> AsyncIterator[None]:
        """Roll back what has not ended, and give the connection back.

        What goes wrong with that changes nothing: it is never a reason to do anything again.
        """
        try:
            yield
        except BaseException as error:
            if isinstance(error, LOST) or not isinstance(error, Exception):
                _end(connection)
            raise
        finally:
            with suppress(Exception):  # a connection that was ended is out of the pool already
                if connection.is_in_transaction():
                    try:
                        await connection.execute("ROLLBACK")
                    except BaseException:
                        _end(connection)
                        raise
            with suppress(Exception):
                await self._pool.release(connection)

    async def _commit(self, connection: Connection) -> None:
        """Commit; where the answer is lost, find out whether it was kept."""
        token = secrets.token_hex(16)
        try:
            # In one message, and of our own signs alone.
            await connection.execute(f"INSERT INTO commits (token) VALUES ('{token}'); COMMIT")  # noqa: S608
        except LOST as error:
            _end(connection)
            try:
                kept = await persist(lambda: self._was_kept(token), self._retry_seconds)
            except (*LOST, asyncpg.PostgresError) as further:
                raise DataUncertain(reason(further)) from error
            if not kept:
                raise

    async def _was_kept(self, token: str) -> bool:
        connection = await self._pool.acquire(timeout=CONNECT_SECONDS)
        async with self._given_back(connection):
            taken = "INSERT INTO commits (token) VALUES ($1) ON CONFLICT DO NOTHING"
            return bool(await connection.execute(taken, token) == "INSERT 0 0")

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for one of the connections; raise DataNotKept for an error of the server's."""
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise self._noted(DatabaseBusyError(BUSY_SECONDS)) from error
        try:
            yield
        except (*LOST, asyncpg.PostgresError) as error:
            if isinstance(error, BUSY):
                raise self._noted(DatabaseBusyError(BUSY_SECONDS)) from error
            raise self._noted(DataNotKept(reason(error), on_server=True)) from error
        else:
            if self._fails:
                self._fails = False
                log.info("the database can be used again")
        finally:
            self._turns.release()

    def _noted(self, error: DataNotKept) -> DataNotKept:
        """Return the error to raise; a server that fails is logged once, however many get it."""
        if not self._fails:
            self._fails = True
            log.warning("%s Until the database can be used, commands that need it fail.", error)
        return error


async def look_at(login: Login) -> ServerReport:
    """Look at a database and change nothing; raise DatabaseUnusable."""
    try:
        connection = await asyncpg.connect(**login.options())
        try:
            version = await version_of(connection)
            async with connection.transaction():
                fault = await fault_of(connection, version)
            encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            return ServerReport(
                server=await connection.fetchval("SHOW server_version"),
                version=version,
                fault=fault,
                encrypted=await connection.fetchval(encrypted),
                in_use=await connection.fetchval(SERVED),
            )
        finally:
            await connection.close(timeout=CONNECT_SECONDS)
    except (*LOST, asyncpg.PostgresError) as error:
        raise DatabaseUnusable(login.address, reason(error)) from error


def _runner(connection: Connection) -> Run:
    async def run(sql: str, *values: object) -> Ran:
        own, plain = _numbered(sql), map(_storable, values)
        if RETURNS.match(sql):
            rows = await connection.fetch(own, *plain)
            return Ran(len(rows), rows)
        return Ran(_count(await connection.execute(own, *plain)))

    return run


def _end(connection: Connection) -> None:
    """End a connection at once; the pool may have taken notice that it has ended already."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _leave_as_it_is(_: Connection) -> None:
    """Ask the server for nothing when a connection is given back: its transaction has ended."""


@lru_cache(maxsize=256)
def _numbered(sql: str) -> str:
    """Number the marks of values.

    >>> _numbered("DELETE FROM models WHERE guild = ? AND name = ?")
    'DELETE FROM models WHERE guild = $1 AND name = $2'
    """
    first, *others = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, start=1))


def _storable(value: object) -> object:
    """Return a value as the server can keep it: no text there has the character 0."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def _count(status: str) -> int:
    """Read how many rows a statement changed.

    >>> _count("INSERT 0 3"), _count("SET")
    (3, 0)
    """
    last = status.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0


def _number_of(guild: str) -> int:
    """Return the number of a guild's lock; two guilds that share one only wait for each other."""
    return int.from_bytes(hashlib.sha256(guild.encode()).digest()[:8], "big", signed=True)
