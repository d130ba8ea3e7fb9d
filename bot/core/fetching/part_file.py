"""A file while it arrives, under a name that cannot be guessed: it becomes a book or is deleted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.core.errors import SourceFailed
from bot.core.languages import sentence

log = logging.getLogger(__name__)


class PartFile:
    """Is written, finished, and kept as `into`; raises SourceFailed where the disk fails."""

    def __init__(self, into: Path, source: str) -> None:
        self.into = into
        self._source = source

    def __enter__(self) -> Self:
        try:
            descriptor, name = tempfile.mkstemp(
                prefix=f".{self.into.name}.", suffix=".part", dir=self.into.parent
            )
        except OSError as error:
            raise self._unwritable(error) from error
        self._path = Path(name)
        self._file = os.fdopen(descriptor, "wb")
        return self

    async def write(self, block: bytes) -> None:
        await self._in_thread(lambda: self._file.write(block))

    async def finish(self) -> None:
        """Write every byte to the disk, still under the temporary name."""
        await self._in_thread(self._sync)

    def keep(self) -> None:
        """Take the name; this cannot be cancelled half-way, so that no file is left behind."""
        try:
            self._path.replace(self.into)
        except OSError as error:
            raise self._unwritable(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Only a file that is thrown away is still open; on a full disk, closing it fails once more.
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    async def _in_thread(self, step: Callable[[], object]) -> None:
        """Run a step beside the loop; when cancelled, wait for it, as it works on our file."""
        task = asyncio.ensure_future(asyncio.to_thread(step))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            while not task.done():
                with contextlib.suppress(asyncio.CancelledError):  # the first one is raised below
                    await asyncio.wait((task,))
            task.exception()
            raise
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SourceFailed:
        log.error("%s cannot be written: %s", self.into, error)
        return SourceFailed(self._source, sentence("it could not be stored here"))
