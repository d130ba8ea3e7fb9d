"""What is done again and again: a full disk or a locked database passes."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.core.errors import DataNotKept

FULL = (errno.ENOSPC, errno.EDQUOT)  # of the disk, and of what its user may have of it

Answer = TypeVar("Answer")


async def until_kept(
    call: Callable[[], Awaitable[Answer]],
    *,
    failed: Callable[[Exception], object],
    pause: Callable[[int], Awaitable[object]],
) -> Answer:
    """Do what is safe to do again until the disk and the database have taken it.

    `failed` is told of each failure, then `pause` of how many there were. Raises what `call` does,
    but for DataNotKept and an OSError that says that the disk is full.
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
