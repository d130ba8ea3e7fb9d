"""Repeating what may fail until it works, and the pauses between two attempts."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.core.errors import DataNotKept

FULL = (errno.ENOSPC, errno.EDQUOT)  # of the disk, and of what its user may have of it
MAX_PAUSE_SECONDS = 30.0  # between two attempts, while a reader waits

Answer = TypeVar("Answer")


async def until_kept(
    call: Callable[[], Awaitable[Answer]],
    *,
    failed: Callable[[Exception], object],
    pause: Callable[[int], Awaitable[object]],
) -> Answer:
    """Do what is safe to do again until the disk and the database have taken it.

    `failed` is called with each failure, then `pause` with how many there were. Raises what `call`
    does, except for DataNotKept and an OSError that says that the disk is full.
    """
    tried = 0
    while True:
        try:
            return await call()
        except (DataNotKept, OSError) as error:
            if isinstance(error, OSError) and error.errno not in FULL:
                raise
            tried += 1
            failed(error)
        await pause(tried)


def backoff(pause_seconds: float, tried: int, longest: float = MAX_PAUSE_SECONDS) -> float:
    """Return how long to wait after so many attempts.

    >>> [backoff(1.0, tried) for tried in (1, 2, 3, 99)]
    [1.0, 2.0, 4.0, 30.0]
    """
    return min(pause_seconds * 2.0 ** min(tried - 1, 16), longest)


def growing_pause(seconds: float) -> Callable[[int], Awaitable[None]]:
    """Return a pause that begins with `seconds` and is longer after each attempt."""

    async def pause(tried: int) -> None:
        await asyncio.sleep(backoff(seconds, tried))

    return pause
