"""How a PostgreSQL server is spoken to, and what its failures mean."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from bot.core.errors import BotError
from bot.core.languages import sentence
from bot.core.retry import backoff
from bot.core.store.connection import describe_error

RETRY_SECONDS = 8.0  # in which a server may restart and nobody notices
LONGEST_PAUSE_SECONDS = 1.0  # between two attempts
LOST = (
    OSError,  # and so TimeoutError and errors of TLS
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
FINAL = (asyncpg.ClientConfigurationError, ssl.SSLCertVerificationError)  # of LOST: never better
BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

Answer = TypeVar("Answer")


async def persist(call: Callable[[], Awaitable[Answer]], seconds: float) -> Answer:
    """Do what is safe to do again until the server is there, for so many seconds."""
    loop, tried = asyncio.get_running_loop(), 0
    until = loop.time() + seconds
    while True:
        try:
            return await call()
        except LOST as error:
            tried += 1
            pause = backoff(0.05, tried, LONGEST_PAUSE_SECONDS)
            if isinstance(error, FINAL) or loop.time() + pause > until:
                raise
        await asyncio.sleep(pause)


def reason(error: BaseException) -> str:
    """Say what is wrong, in the server's words where it has some."""
    if isinstance(error, BotError):
        return error.sentence
    if isinstance(error, TimeoutError):
        return sentence("the database server does not answer")
    if isinstance(error, OSError):
        said = describe_error(error.strerror or error)
        return sentence("the database server cannot be reached: {reason}", reason=said)
    said = describe_error(error)
    if isinstance(error, LOST):
        return sentence("the connection to the database server was lost: {reason}", reason=said)
    if isinstance(error, asyncpg.QueryCanceledError):
        return sentence("the database server took too long")
    return sentence("the database server refuses: {reason}", reason=said)
