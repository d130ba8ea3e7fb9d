"""Model files for machines that do not have them, in NATS's object store, by their hashes."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from pathlib import Path

from nats.errors import Error as NatsError

from bot.cluster.bus import Bus
from bot.cluster.file_store import FileNotFetched, FileStore
from bot.core.errors import ModelUnusable, UnknownModel
from bot.core.languages import sentence
from bot.core.model_library import SUFFIX, ModelLibrary
from bot.core.records import ModelRecord
from model import write_durably

log = logging.getLogger(__name__)

MAX_BYTES = 200_000_000  # of a model that is fetched
MAX_FILES = 50  # that are kept of each kind
SHARED, STRANGERS = "shared", "strangers"  # folders of what was fetched


class ModelFiles:
    """Offers the models of this machine to others, and fetches what it lacks into `folder`."""

    def __init__(self, bus: Bus, library: ModelLibrary, folder: Path, cluster: str) -> None:
        self._library = library
        self._folder = folder
        self._store = FileStore(bus, f"sonneteer-{cluster}-models")
        self._offered: set[str] = set()
        self._turn = asyncio.Lock()

    async def offer(self, record: ModelRecord) -> None:
        """Have the file of a model where others find it; those that ship are everywhere.

        Where that cannot be, only machines that have the file can write with it.
        """
        if record.shipped or record.sha256 in self._offered:
            return
        async with self._turn:
            if record.sha256 in self._offered:
                return
            try:
                await self._upload(record)
                self._offered.add(record.sha256)
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("the model %s cannot be offered to workers: %s", record.name, error)

    async def _upload(self, record: ModelRecord) -> None:
        if await self._store.has(record.sha256):
            return
        data = await asyncio.to_thread(record.path.read_bytes)
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise ModelUnusable(record.name, sentence("Its file was replaced just now. Try again."))
        await self._store.put(record.sha256, data)

    async def find(self, sha256: str, name: str, *, from_stranger: bool) -> ModelRecord:
        """Return a model of this machine, fetched if need be; raise ModelUnusable."""
        try:
            return await asyncio.to_thread(self._library.find, sha256)
        except UnknownModel:
            pass
        async with self._turn:
            # The library looks more closely at what is in a folder of STRANGERS.
            path = self._folder / (STRANGERS if from_stranger else SHARED) / f"{sha256}{SUFFIX}"
            if not path.exists():
                data = await self._fetch(sha256, name)
                await asyncio.to_thread(_keep, path, data)
            return await asyncio.to_thread(self._library.add_file, path)

    async def _fetch(self, sha256: str, name: str) -> bytes:
        try:
            return await self._store.fetch(sha256, sha256, MAX_BYTES)
        except FileNotFetched as error:
            why = sentence(
                "This machine does not have it, and cannot fetch it. {reason}",
                reason=error.sentence,
            )
            raise ModelUnusable(name, why) from error


def _keep(path: Path, data: bytes) -> None:
    """Write a file that was fetched; the oldest makes room where there are many."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(path, [data])
    files = sorted(path.parent.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime)
    for old in files[:-MAX_FILES]:
        old.unlink(missing_ok=True)
