"""Files in NATS's object store; each is compared with its hash when it is fetched."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
from typing import Any

from nats.errors import Error as NatsError
from nats.js.api import ObjectMeta, ObjectStoreConfig
from nats.js.errors import BucketNotFoundError, ObjectNotFoundError
from nats.js.object_store import ObjectStore

from bot.cluster.bus import Bus
from bot.core.errors import BotError
from bot.core.languages import sentence

TRANSFER_SECONDS = 60.0


class FileNotFetched(BotError):
    """The sentence tells why; it follows another one."""

    too_long = False


class FileTooLong(FileNotFetched):
    too_long = True

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            sentence("It is longer than the {most:,} bytes that are taken.", most=max_bytes)
        )


class FileStore:
    """A bucket of files; after `ttl_seconds` without a change each vanishes, None: never."""

    def __init__(self, bus: Bus, bucket: str, *, ttl_seconds: float | None = None) -> None:
        self._bus = bus
        self._bucket = bucket
        self._ttl_seconds = ttl_seconds
        self._store: ObjectStore | None = None

    async def put(self, name: str, data: bytes) -> None:
        """Keep a file, unless there is one of that name; raise NatsError and TimeoutError."""
        async with asyncio.timeout(TRANSFER_SECONDS):
            store = await self._open()
            try:
                await store.get_info(name)
            except ObjectNotFoundError:
                self._store = None  # until it works: a server may have lost the bucket
                await store.put(name, data, ObjectMeta(name=name))
                self._store = store

    async def has(self, name: str) -> bool:
        """Return whether there is a file of that name; raise NatsError and TimeoutError."""
        try:
            await (await self._open()).get_info(name)
        except ObjectNotFoundError:
            return False
        return True

    async def fetch(self, name: str, sha256: str, max_bytes: int) -> bytes:
        """Return a file; raise FileNotFetched where it is not there, too long or another one."""
        content = _Bounded(max_bytes)
        try:
            async with asyncio.timeout(TRANSFER_SECONDS):
                store = await self._open()
                info = await store.get_info(name)
                if (info.size or 0) > max_bytes:
                    raise FileTooLong(max_bytes)
                if info.is_link():
                    raise FileNotFetched(sentence("The object store has a link in its place."))
                await store.get(name, writeinto=content)
        except (NatsError, OSError, TimeoutError) as error:
            raise FileNotFetched(
                sentence(
                    "The object store does not give it: {reason}.",
                    reason=str(error) or type(error).__name__,
                )
            ) from error
        data = content.getvalue()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise FileNotFetched(sentence("What came from the object store is another file."))
        return data

    async def remove(self, name: str) -> None:
        """Remove a file if there is one; raise NatsError and TimeoutError."""
        with contextlib.suppress(ObjectNotFoundError):
            await (await self._open()).delete(name)

    async def _open(self) -> ObjectStore:
        if self._store is None:
            jetstream = self._bus.jetstream
            try:
                self._store = await jetstream.object_store(self._bucket)
            except BucketNotFoundError:
                config = ObjectStoreConfig(bucket=self._bucket, ttl=self._ttl_seconds)
                self._store = await jetstream.create_object_store(self._bucket, config=config)
        return self._store


class _Bounded(io.BytesIO):
    """Takes what comes, up to so many bytes: the size that was told may not be the size."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._max_bytes:
            raise FileTooLong(self._max_bytes)
        return super().write(data)
