"""The trainings of a cluster, each one value in NATS's key-value store that is compared and set.

Who changes an order names the revision that they have seen, and of two that name the same one is
refused: so a training has one machine, and one end. The values are on the server's disk.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass

from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig
from nats.js.errors import (
    APIError,
    BucketNotFoundError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NotFoundError,
)
from nats.js.kv import KeyValue

from bot.cluster.bus import Bus
from bot.cluster.file_store import FileStore
from bot.cluster.messages import MAX_BYTES, BadMessage, TrainingOrder, decode

log = logging.getLogger(__name__)

KEPT_SECONDS = 7 * 86_400.0  # that an order is kept which nobody changes; its gateway gives it anew
MAX_ORDERS = 500  # that are looked at
KEY = re.compile(r"[0-9a-f]{32}")  # it becomes the name of a folder
WRONG_LAST = 10_071  # the server's number for a revision that is not the last


@dataclass(frozen=True, slots=True)
class Entry:
    """An order as it stood; None where what is there is no order of ours."""

    key: str
    revision: int
    order: TrainingOrder | None


class TrainingOrders:
    """All orders of a cluster, with the files that belong to them.

    Every method raises NatsError or TimeoutError where NATS cannot be asked.
    """

    def __init__(self, bus: Bus, cluster: str) -> None:
        self._bus = bus
        self._bucket = f"sonneteer-{cluster}-trainings"
        self._stream, self._prefix = f"KV_{self._bucket}", f"$KV.{self._bucket}."
        self._values: KeyValue | None = None
        self.files = FileStore(bus, f"{self._bucket}-files", ttl_seconds=KEPT_SECONDS)

    async def get(self, key: str) -> Entry | None:
        """Return an order, None where there is none."""
        try:
            value = await (await self._open()).get(key)
        except KeyNotFoundError:
            return None
        return _entry(value)

    async def create(self, key: str, order: TrainingOrder) -> int | None:
        """Put a new order; return its revision, None where there is one already."""
        try:
            return await (await self._open()).create(key, order.encode())
        except KeyWrongLastSequenceError:
            return None
        except NatsError:
            self._values = None  # the server may have lost the bucket
            raise

    async def change(self, key: str, order: TrainingOrder, revision: int) -> int | None:
        """Change an order; return its new revision, None where `revision` is not the last."""
        try:
            return await (await self._open()).update(key, order.encode(), last=revision)
        except KeyWrongLastSequenceError:
            return None

    async def remove(self, key: str, revision: int) -> bool:
        """Remove an order; return whether `revision` was the last."""
        try:
            await (await self._open()).delete(key, last=revision)
        except APIError as error:
            if error.err_code != WRONG_LAST:
                raise
            return False
        # The mark that it leaves would be looked at for days.
        await self._bus.jetstream.purge_stream(self._stream, subject=f"{self._prefix}{key}")
        return True

    async def look(self) -> list[Entry]:
        """Return all orders, those that were not changed for longest first."""
        await self._open()
        try:
            info = await self._bus.jetstream.stream_info(
                self._stream, subjects_filter=f"{self._prefix}*"
            )
        except NotFoundError:
            self._values = None  # the server has lost the bucket
            raise
        subjects = info.state.subjects or {}
        keys = [subject.removeprefix(self._prefix) for subject in subjects]
        keys = [key for key in keys if KEY.fullmatch(key)][:MAX_ORDERS]
        entries = await asyncio.gather(*map(self.get, keys))
        return sorted(filter(None, entries), key=lambda entry: entry.revision)

    async def _open(self) -> KeyValue:
        if self._values is None:
            jetstream = self._bus.jetstream
            try:
                self._values = await jetstream.key_value(self._bucket)
            except BucketNotFoundError:
                config = KeyValueConfig(
                    bucket=self._bucket, history=1, ttl=KEPT_SECONDS, max_value_size=MAX_BYTES
                )
                self._values = await jetstream.create_key_value(config)
        return self._values


def file_name(key: str, sha256: str) -> str:
    """Return what a file of an order is called."""
    return f"{key}-{sha256}"


def _entry(value: KeyValue.Entry) -> Entry:
    order = None
    try:
        order = decode(TrainingOrder, value.value or b"")
    except BadMessage as error:
        log.debug("an order of a training cannot be read: %s", error)
    return Entry(value.key, value.revision or 0, order)
