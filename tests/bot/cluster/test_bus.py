"""Who is let onto the bus, and who may have which shards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from nats.js.kv import KeyValue

from bot.cluster.bus import Bus, BusConfig
from bot.cluster.identify import ClusterTurns
from bot.cluster.messages import GatewayBeat
from bot.core.errors import BadConfig
from bot.core.shards import ShardRange
from tests.nats_server import NATS_SERVER, WITHOUT, NatsServer
from tests.timeouts import HANG_SECONDS

ID = "0" * 32


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(BusConfig(server.address, "tests"), "one")
    yield bus
    await bus.close()


async def test_where_nobody_answers_a_sentence_says_so() -> None:
    with pytest.raises(BadConfig, match=r"NATS at nats://127\.0\.0\.1:9 cannot be used"):
        await Bus.connect(BusConfig("nats://127.0.0.1:9"), "one")


async def test_a_wrong_password_is_refused_and_not_shown(tmp_path: Path) -> None:
    if NATS_SERVER is None:
        pytest.skip(WITHOUT)
    server = NatsServer(tmp_path, "--user", "bot", "--pass", "right-password")
    await server.start()
    try:
        right = await Bus.connect(
            BusConfig(server.address, user="bot", password="right-password"), "one"
        )
        await right.close()
        wrong = BusConfig(server.address, user="bot", password="wrong-password")
        with pytest.raises(BadConfig, match="Authorization") as refused:
            await Bus.connect(wrong, "one")
        assert "wrong-password" not in str(refused.value)
    finally:
        await server.stop(kill=True)


async def test_what_cannot_be_read_is_left_out(
    bus: Bus, server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(beat: GatewayBeat) -> None:
        heard.put_nowait(beat.gateway)

    await bus.listen("gateway", GatewayBeat, hear)
    for data in (b"", b"{}", b"\xff" * 70_000, b'{"gateway":"../../etc"}'):
        await bus._client.publish("sonneteer.tests.v1.gateway", data)
    await bus.publish("gateway", GatewayBeat(gateway=ID))
    async with asyncio.timeout(HANG_SECONDS):
        assert await heard.get() == ID
    assert heard.empty()
    assert "left out" in caplog.text


async def test_clusters_on_one_server_do_not_hear_each_other(bus: Bus, server: NatsServer) -> None:
    other = await Bus.connect(BusConfig(server.address, "others"), "two")
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(beat: GatewayBeat) -> None:
        heard.put_nowait(beat.gateway)

    await other.listen("gateway", GatewayBeat, hear)
    await bus.publish("gateway", GatewayBeat(gateway=ID))
    await other.publish("gateway", GatewayBeat(gateway="1" * 32))
    async with asyncio.timeout(HANG_SECONDS):
        assert await heard.get() == "1" * 32
    assert heard.empty()
    await other.close()


async def test_shards_of_one_bucket_identify_one_after_another(
    bus: Bus, server: NatsServer
) -> None:
    other = await Bus.connect(BusConfig(server.address, "tests"), "two")
    turns = [ClusterTurns(each, "tests") for each in (bus, other)]
    at: dict[int, list[float]] = {0: [], 1: []}

    async def identify(turn: ClusterTurns, bucket: int) -> None:
        await turn.take(bucket)
        at[bucket].append(time.monotonic())

    async with asyncio.timeout(HANG_SECONDS):
        await asyncio.gather(*(identify(turn, bucket) for turn in turns for bucket in (0, 0, 1)))
    gaps = [b - a for times in at.values() for a, b in pairwise(times)]
    assert len(gaps) == 4
    assert min(gaps) >= 0.3
    await other.close()


async def test_a_turn_lasts_from_the_identify_on_and_one_that_has_passed_is_taken_again(
    bus: Bus, server: NatsServer
) -> None:
    """Turns were counted from before the handshake: with a slow one two came within 3.3 s."""
    other = await Bus.connect(BusConfig(server.address, "tests"), "two")
    slow, quick = ClusterTurns(bus, "tests"), ClusterTurns(other, "tests")
    async with asyncio.timeout(HANG_SECONDS):
        late = await slow.take(0)
        turn = await quick.take(0)  # meanwhile that of the slow one has passed
        await turn.renew()
        began = time.monotonic()
        await late.renew()
        assert time.monotonic() - began >= 0.3
        began = time.monotonic()
        await late.renew()
        assert time.monotonic() - began < 0.3
        await quick.take(0)
        assert time.monotonic() - began >= 0.3
    await other.close()


class SlowAnswers(ClusterTurns):
    """Turns of a machine that is so busy that it reads NATS's first answer late."""

    late_seconds = 0.0

    async def turns(self) -> KeyValue:
        keys = await super().turns()
        update = keys.update

        async def update_slowly(*values: Any) -> int:
            revision = await update(*values)
            late, self.late_seconds = self.late_seconds, 0.0
            await asyncio.sleep(late)
            return revision

        keys.update = update_slowly  # type: ignore[assignment,method-assign]
        return keys


async def test_a_turn_that_is_renewed_too_slowly_is_renewed_again(
    bus: Bus, server: NatsServer
) -> None:
    """On a machine that was very busy, two identifies came within 4.9 s."""
    other = await Bus.connect(BusConfig(server.address, "tests"), "two")
    slow, quick = SlowAnswers(bus, "tests"), ClusterTurns(other, "tests")
    async with asyncio.timeout(HANG_SECONDS):
        turn = await slow.take(0)
        slow.late_seconds = 0.3
        await turn.renew()
        began = time.monotonic()
        await quick.take(0)
    assert time.monotonic() - began >= 0.3
    await other.close()


async def test_two_gateways_cannot_have_one_shard(bus: Bus, server: NatsServer) -> None:
    other = await Bus.connect(BusConfig(server.address, "tests"), "two")
    first, second = ClusterTurns(bus, "tests"), ClusterTurns(other, "tests")
    await first.open(ShardRange(0, 3, 8))
    with pytest.raises(BadConfig, match="has shard 3"):
        await second.open(ShardRange(3, 5, 8))
    with pytest.raises(BadConfig, match="have 8 shards in all, not 16"):
        await second.open(ShardRange(8, 11, 16))
    await second.open(ShardRange(4, 7, 8))
    await first.close()
    third = ClusterTurns(bus, "tests")
    await third.open(ShardRange(0, 3, 8))
    await third.close()
    await second.close()
    await other.close()
