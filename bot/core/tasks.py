"""Ending asyncio's tasks, and waiting for their ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


async def cancel_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until each has ended, however it ends."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


@contextmanager
def counted_in(tasks: set[asyncio.Task[Any]]) -> Iterator[None]:
    """Count the running task among `tasks` meanwhile, so that others can wait for it."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - coroutines run in tasks
    tasks.add(task)
    try:
        yield
    finally:
        tasks.discard(task)


async def wait_uninterrupted(task: asyncio.Task[Any]) -> None:
    """Wait until a task has ended; a cancellation of the caller takes effect only then."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
