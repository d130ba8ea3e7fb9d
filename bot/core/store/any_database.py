"""What the stores need of a database: one file of SQLite's, or a PostgreSQL server.

The stores write one SQL for both: `?` for values, ON CONFLICT for what may be there, RETURNING for
numbers that the database gives, and whole numbers for what is true or false.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

KEEP_GUILD = "INSERT INTO guilds VALUES (?) ON CONFLICT (guild) DO NOTHING"

# What is called when another process has changed settings or choices: with the guild, or None
# where changes of any guild may have been missed.
Heard = Callable[[str | None], Awaitable[None]]


class Row(Protocol):
    """A row: its columns by name or in their order."""

    def __getitem__(self, column: str | int, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True)
class Ran:
    """What a statement did."""

    count: int  # of rows that it changed or returned
    rows: Sequence[Row] = ()  # of a SELECT, or after RETURNING


class Run(Protocol):
    """Runs a statement within a transaction."""

    async def __call__(self, sql: str, *values: object) -> Ran: ...


class AnyDatabase(Protocol):
    """Where rows are; all methods raise DataNotKept, and its child DatabaseBusyError."""

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        """Return the rows of a question."""
        ...

    async def execute(self, sql: str, *values: object) -> int:
        """Run and commit one statement; return how many rows it changed."""
        ...

    def transaction(
        self, guild: str | None = None, *, tells: bool = False
    ) -> AbstractAsyncContextManager[Run]:
        """Yield a function that runs a statement; all of them count, or none.

        Transactions of one `guild` come one after another, whichever process they are of. With
        `tells`, other processes hear that the guild's settings or choices have changed.
        """
        ...

    def watch(self, heard: Heard) -> None:
        """Call `heard` when another process may have changed settings or choices."""
        ...

    async def close(self) -> None: ...
