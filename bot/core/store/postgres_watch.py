"""The connection that holds what a process claims, and hears what other processes change.

It is made anew when it breaks, with the claims; what was changed meanwhile is then read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from bot.core.errors import BotError, DatabaseUnusable
from bot.core.retry import backoff
from bot.core.shards import MAX_SHARDS, ShardRange
from bot.core.store.any_database import Heard
from bot.core.store.postgres_connection import (
    LONGEST_PAUSE_SECONDS,
    LOST,
    reason,
)
from bot.core.store.postgres_schema import LOCKS, USE, Connection
from bot.core.store.server_address import CONNECT_SECONDS, Login
from bot.core.tasks import cancel_tasks

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0  # between two looks at the connection
COMMITS_MINUTES = 60  # that tokens stay: far longer than anybody asks for one
CHANNEL = "sonneteer"
SHARD_LOCKS = 0x50E80000  # and the total, with the number of the shard, name a lock

_OURS = (
    "FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
    "WHERE datname = current_database() AND locktype = 'advisory' AND objsubid = 2"
)
_TOTALS = f"classid::bigint BETWEEN {SHARD_LOCKS} AND {SHARD_LOCKS + MAX_SHARDS}"
SERVED = f"SELECT EXISTS (SELECT {_OURS} AND {_TOTALS})"
OTHER_TOTAL = (
    f"SELECT EXISTS (SELECT {_OURS} AND {_TOTALS} AND classid::bigint <> {SHARD_LOCKS} + $1::int)"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a process wants of the database."""

    serves: bool = False  # as a bot, whose shards no other process may have
    shard_range: ShardRange | None = None  # None: all
    alone: bool = False  # while no other process has it open: to replace what is in it

    @property
    def total(self) -> int:
        return self.shard_range.total if self.shard_range else 0

    @property
    def numbers(self) -> Sequence[int]:
        if not self.serves:
            return ()
        return self.shard_range.ids if self.shard_range else (0,)


class Watch:
    """A process's claims, while it has a database open."""

    def __init__(self, login: Login, claim: Claim, sender: str) -> None:
        self._login = login
        self._claim = claim
        self._sender = sender  # in what this process tells others
        self._connection: Connection = None
        self._watching: asyncio.Task[None] | None = None
        self._changed: set[str | None] = set()  # guilds that others have changed; None: any
        self._stir = asyncio.Event()
        self.heard: Heard | None = None

    async def open(self) -> Connection:
        """Take the claims and return the connection that has them; raise DatabaseUnusable."""
        self._connection = await self._hold()
        return self._connection

    def start(self) -> None:
        self._watching = asyncio.create_task(self._stay(), name="database")

    async def close(self) -> None:
        if self._watching is not None:
            await cancel_tasks([self._watching])
        if self._connection is not None:
            with suppress(Exception):
                await self._connection.close(timeout=CONNECT_SECONDS)

    async def _hold(self) -> Connection:
        """Return a new connection with this process's claims; raise DatabaseUnusable."""
        connection = await asyncpg.connect(**self._login.options())
        try:
            await self._take_claims(connection)
            await connection.add_listener(CHANNEL, self._hear)
            connection.add_termination_listener(lambda _: self._stir.set())
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _take_claims(self, connection: Connection) -> None:
        claim = self._claim
        function = "pg_try_advisory_lock" if claim.alone else "pg_try_advisory_lock_shared"
        if not await connection.fetchval(f"SELECT {function}($1, $2)", LOCKS, USE):
            reason = (
                "another Sonneteer is using it. Stop every process of the cluster first"
                if claim.alone
                else "it is being copied or restored. Wait until that is done"
            )
            raise DatabaseUnusable(self._login.address, reason)
        for number in claim.numbers:
            took = "SELECT pg_try_advisory_lock($1, $2)"
            if not await connection.fetchval(took, SHARD_LOCKS + claim.total, number):
                taken = f"shard {number}/{claim.total}" if claim.total else "all shards"
                reason = f"another process has {taken} already. Give this one others"
                raise DatabaseUnusable(self._login.address, reason)
        if claim.serves and await connection.fetchval(OTHER_TOTAL, claim.total):
            reason = "another process counts the shards otherwise. Give all the same total"
            raise DatabaseUnusable(self._login.address, reason)

    def _hear(self, connection: object, pid: int, channel: str, payload: object) -> None:
        sender, _, guild = str(payload).partition(" ")
        if sender != self._sender:
            self._changed.add(guild)
            self._stir.set()

    async def _stay(self) -> None:
        """Keep the holding connection alive, and pass on what others have changed."""
        loop = asyncio.get_running_loop()
        tidied = loop.time() - COMMITS_MINUTES * 60
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stir.wait()
            self._stir.clear()
            try:
                await self._connection.fetchval("SELECT 1", timeout=CONNECT_SECONDS)
                if loop.time() - tidied >= COMMITS_MINUTES * 60:
                    tidied = loop.time()
                    age = f"kept < now() - interval '{COMMITS_MINUTES} minutes'"
                    await self._connection.execute(f"DELETE FROM commits WHERE {age}")  # noqa: S608
            except (*LOST, asyncpg.PostgresError):
                await self._hold_again()
            await self._pass_on()

    async def _hold_again(self) -> None:
        self._connection.terminate()
        tried = 0
        while True:
            try:
                self._connection = await self._hold()
            except (*LOST, asyncpg.PostgresError, BotError) as error:
                tried += 1
                if tried == 1:
                    log.warning("the connection to the database was lost: %s", reason(error))
                await asyncio.sleep(backoff(0.05, tried, LONGEST_PAUSE_SECONDS))
            else:
                if tried:
                    log.info("the database is there again")
                self._changed.add(None)  # what was changed meanwhile nobody has heard
                return

    async def _pass_on(self) -> None:
        changed, self._changed = self._changed, set()
        if self.heard is None:
            return
        try:
            for guild in [None] if None in changed else sorted(map(str, changed)):
                await self.heard(guild)
        except BotError as error:
            log.warning("what another process has changed cannot be read: %s", error)
            self._changed.add(None)  # at the next look
        except Exception:
            log.exception("what another process has changed cannot be used")
