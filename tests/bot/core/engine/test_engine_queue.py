"""Poems that wait for the engine: turns, limits and the expected wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.core.engine_client import EngineClient
from bot.core.errors import MemberFull, QueueFull
from bot.core.metrics import Metrics
from bot.core.records import Asker, ModelRecord
from tests.bot.core.engine.requests import (
    ENDLESS,
    LIMITS,
    engine_request,
    read,
)
from tests.fakes import Clock


async def test_guilds_take_turns_and_members_of_one_wait_for_one_another(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    flood = [
        client.write(engine_request(apples, ENDLESS, asker=Asker("d:1", "10"))) for _ in range(3)
    ]
    other = client.write(engine_request(apples, asker=Asker("d:2", "20")))
    assert [draft.place for draft in [*flood, other]] == [0, 0, 2, 1]


async def test_who_writes_to_the_bot_alone_counts_as_a_guild(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    first = [client.write(engine_request(apples, ENDLESS, asker=Asker("d:1"))) for _ in range(3)]
    other = client.write(engine_request(apples, asker=Asker("d:2")))
    assert (first[2].place, other.place) == (2, 1)


async def test_a_poem_that_has_to_leave_the_line_tells_its_reader_why(
    apples: ModelRecord,
) -> None:
    client = EngineClient(Metrics(), limits=replace(LIMITS, max_rows=1, max_waiting=2))
    await client.load(apples)
    flood = [
        client.write(engine_request(apples, ENDLESS, asker=Asker("d:1", "10"))) for _ in range(3)
    ]
    other = client.write(engine_request(apples, asker=Asker("d:2", "20")))
    with pytest.raises(QueueFull, match="2 poems waiting"):
        await read(flood[2])
    flood[0].cancel()
    await read(other)
    flood[1].cancel()
    await asyncio.gather(*map(read, flood[:2]))
    assert (client.running, client.waiting) == (0, 0)
    await client.close()


async def test_a_member_with_too_many_poems_is_refused_and_others_are_not(
    apples: ModelRecord,
) -> None:
    client = EngineClient(Metrics(), limits=replace(LIMITS, max_per_member=1))
    await client.load(apples)
    draft = client.write(engine_request(apples))
    with pytest.raises(MemberFull):
        client.check(Asker("test:"))
    with pytest.raises(MemberFull):
        client.write(engine_request(apples))
    client.check(Asker("test:2"))
    await read(draft)
    await read(client.write(engine_request(apples)))
    await client.close()


async def test_the_wait_is_not_known_until_a_poem_has_been_finished(apples: ModelRecord) -> None:
    clock = Clock(0.0)
    client = EngineClient(Metrics(), limits=LIMITS, clock=clock)
    await client.load(apples)
    drafts = [client.write(engine_request(apples, ENDLESS)) for _ in range(3)]
    assert [draft.expected_wait for draft in drafts] == [0.0, 0.0, None]
    for draft in drafts:
        draft.cancel()
    await client.close()


async def test_the_wait_is_what_poems_took_less_what_the_oldest_has_had(
    apples: ModelRecord,
) -> None:
    clock = Clock(0.0)
    client = EngineClient(Metrics(), limits=replace(LIMITS, max_waiting=8), clock=clock)
    await client.load(apples)
    first = client.write(engine_request(apples))
    clock.now = 10.0
    await read(first)
    drafts = [client.write(engine_request(apples, ENDLESS))]
    clock.now = 13.0
    drafts += [client.write(engine_request(apples, ENDLESS)) for _ in range(4)]
    clock.now = 14.0
    assert [draft.expected_wait for draft in drafts] == [0.0, 0.0, 6.0, 9.0, 16.0]
    clock.now = 50.0
    assert [draft.expected_wait for draft in drafts[2:]] == [0.0, 0.0, 10.0]
    await client.close()
