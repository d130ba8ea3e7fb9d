"""Turns for the identifies of all gateways, and which of them has which shards.

Both are keys in NATS's key-value store that vanish by themselves: the server's clock counts, so
gateways whose clocks differ agree.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress

from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from bot.cluster.bus import Bus
from bot.core.errors import BadConfig
from bot.core.shards import ALL_SHARDS, ShardRange
from bot.core.tasks import cancel_tasks

log = logging.getLogger(__name__)

IDENTIFY_SECONDS = 5.0  # between two identifies of a bucket, as Discord demands
MARGIN_SECONDS = 1.0  # from the turn's renewal to the identify itself
CLAIM_SECONDS = 30.0  # that a claim lasts without its gateway
PROMPT_SECONDS = 0.5  # that the renewal may take of these
MAX_RENEWALS = 10  # in a row, on a bus that is slower
LOOK_SECONDS = 0.25


class ClusterTurns:
    """Lets one shard of a bucket identify at a time, among all gateways of a cluster."""

    def __init__(self, bus: Bus, cluster: str) -> None:
        self._bus = bus
        self._cluster = cluster
        self._claims: list[str] = []
        self._renewing: asyncio.Task[None] | None = None

    async def open(self, shard_range: ShardRange | None) -> None:
        """Claim the shards of this gateway; raise BadConfig where another one has some of them."""
        shards = shard_range or ALL_SHARDS
        try:
            claims = await self._bucket("shards", CLAIM_SECONDS)
            total = str(shards.total).encode()
            for shard in shards.ids:
                key = f"shard-{shard}"
                if not await self._create(claims, key, self._bus.id.encode()):
                    raise BadConfig(
                        f"Another gateway of the cluster {self._cluster!r} has shard {shard}. Give "
                        "each gateway shards of its own with --shards; those of a gateway that "
                        f"was killed are free after {CLAIM_SECONDS:.0f} seconds."
                    )
                self._claims.append(key)
            if not await self._create(claims, "total", total):
                known = (await claims.get("total")).value or b""
                if known != total:
                    raise BadConfig(
                        f"The gateways of the cluster {self._cluster!r} have "
                        f"{known.decode('ascii', 'replace')[:10]} shards in all, not "
                        f"{shards.total}. Give every gateway the same total with --shards."
                    )
        except NatsError as error:
            await self.close()
            raise BadConfig(
                f"NATS keeps no keys: {error}. Start it with JetStream (nats-server -js)."
            ) from error
        except BaseException:
            await self.close()
            raise
        self._renewing = asyncio.create_task(self._renew(claims, total))

    async def close(self) -> None:
        """Give the shards back."""
        if self._renewing is not None:
            await cancel_tasks([self._renewing])
        claimed, self._claims = self._claims, []
        if claimed and self._bus.is_up:
            try:
                claims = await self._bucket("shards", CLAIM_SECONDS)
                for key in claimed:
                    await claims.purge(key)
            except (NatsError, TimeoutError) as error:
                log.debug("shards are not given back: %s", error)

    async def take(self, bucket: int) -> ClusterTurn:
        """Return when a shard of `bucket` may identify; then no other may for some seconds.

        While NATS is away nobody identifies: gateways that cannot agree must wait.
        """
        turn = ClusterTurn(self, bucket)
        await turn.take()
        return turn

    async def _renew(self, claims: KeyValue, total: bytes) -> None:
        """Keep the claims alive."""
        while True:
            await asyncio.sleep(CLAIM_SECONDS / 6)
            try:
                for key in self._claims:
                    await claims.put(key, self._bus.id.encode())
                await claims.put("total", total)
            except (NatsError, TimeoutError) as error:
                log.debug("claims are not renewed: %s", error)

    async def turns(self) -> KeyValue:
        """Return where turns are."""
        return await self._bucket("identify", IDENTIFY_SECONDS + MARGIN_SECONDS)

    async def _bucket(self, name: str, seconds: float) -> KeyValue:
        bucket = f"sonneteer-{self._cluster}-{name}"
        jetstream = self._bus.jetstream
        try:
            return await jetstream.key_value(bucket)
        except BucketNotFoundError:
            config = KeyValueConfig(
                bucket=bucket, ttl=seconds, history=1, storage=StorageType.MEMORY
            )
            return await jetstream.create_key_value(config)

    @staticmethod
    async def _create(bucket: KeyValue, key: str, value: bytes) -> bool:
        """Write a key that is not there; return whether it was written."""
        return await _write(bucket.create(key, value)) is not None


class ClusterTurn:
    """A shard's turn: a key that is gone after some seconds."""

    def __init__(self, turns: ClusterTurns, bucket: int) -> None:
        self._turns = turns
        self._key = f"bucket-{bucket}"
        self._revision: int | None = None  # of the key, as we wrote it

    async def take(self) -> None:
        """Return when the turn has come."""
        told = False
        while True:
            try:
                keys = await self._turns.turns()
                self._revision = await _write(keys.create(self._key, b""))
                if self._revision is not None:
                    return
            except (NatsError, TimeoutError) as error:
                if not told:
                    log.warning("no turns from NATS (%s); identifies wait until it is back", error)
                told = True
            await asyncio.sleep(LOOK_SECONDS)

    async def renew(self) -> None:
        """Let the seconds begin anew; where the turn has passed, wait for another.

        The answer must come soon: they have begun when NATS wrote the key.
        """
        loop = asyncio.get_running_loop()
        for _ in range(MAX_RENEWALS):
            began = loop.time()
            if not await self._extend():
                await self.take()
            if loop.time() - began <= PROMPT_SECONDS:
                return

    async def _extend(self) -> bool:
        revision, self._revision = self._revision, None
        with suppress(NatsError, TimeoutError):
            keys = await self._turns.turns()
            self._revision = await _write(keys.update(self._key, b"", revision))
        return self._revision is not None


async def _write(writing: Awaitable[int]) -> int | None:
    """Return the new revision of a key, None where it is not as it was to be."""
    try:
        return await writing
    except (KeyWrongLastSequenceError, KeyNotFoundError):
        return None
