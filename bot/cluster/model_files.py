"""Model files for machines that do not have them, in NATS's object store, by their hashes."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import suppress
from pathlib import Path

from nats.errors import Error as NatsError
from nats.js.api import ObjectMeta, ObjectStoreConfig
from nats.js.errors import BucketNotFoundError, ObjectNotFoundError
from nats.js.object_store import ObjectStore

from bot.cluster.bus import Bus
from bot.core.errors import ModelUnusable, UnknownModel
from bot.core.model_library import SUFFIX, ModelLibrary
from bot.core.records import ModelRecord
from model import write_durably

log = logging.getLogger(__name__)

MAX_BYTES = 200_000_000  # of a model that is fetched
FETCH_SECONDS = 60.0
MAX_FILES = 50  # that are kept of each kind
SHARED, STRANGERS = "shared", "strangers"  # folders of what was fetched


class ModelFiles:
    """Offers the models of this machine to others, and fetches what it lacks into `folder`."""

    def __init__(self, bus: Bus, library: ModelLibrary, folder: Path, cluster: str) -> None:
        self._bus = bus
        self._library = library
        self._folder = folder
        self._bucket = f"sonneteer-{cluster}-models"
        self._offered: set[str] = set()
        self._store: ObjectStore | None = None
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
        store = await self._open()
        with suppress(ObjectNotFoundError):
            await store.get_info(record.sha256)
            return
        data = await asyncio.to_thread(record.path.read_bytes)
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise ModelUnusable(record.name, "Its file was replaced just now. Try again.")
        await store.put(record.sha256, data, ObjectMeta(name=record.sha256))

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
            async with asyncio.timeout(FETCH_SECONDS):
                store = await self._open()
                info = await store.get_info(sha256)
                if (size := info.size or 0) > MAX_BYTES:
                    raise ModelUnusable(name, f"It has {size:,} bytes, more than is fetched.")
                found = await store.get(sha256)
        except (NatsError, OSError, TimeoutError) as error:
            why = "This machine does not have it, and cannot fetch it"
            raise ModelUnusable(name, f"{why}: {error or type(error).__name__}.") from error
        data = found.data or b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ModelUnusable(name, "What came from the object store is another file.")
        return data

    async def _open(self) -> ObjectStore:
        if self._store is None:
            try:
                self._store = await self._bus.jetstream.object_store(self._bucket)
            except BucketNotFoundError:
                config = ObjectStoreConfig(bucket=self._bucket)
                self._store = await self._bus.jetstream.create_object_store(
                    self._bucket, config=config
                )
        return self._store


def _keep(path: Path, data: bytes) -> None:
    """Write a file that was fetched; the oldest makes room where there are many."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(path, [data])
    files = sorted(path.parent.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime)
    for old in files[:-MAX_FILES]:
        old.unlink(missing_ok=True)
