"""Rows about half poems."""

from __future__ import annotations

import pytest

from bot.core.shards import ShardRange
from bot.core.store.any_database import AnyDatabase
from bot.core.store.poems import HalfPoem, PoemStore

FIRST, SECOND = HalfPoem(5, 30, 1 << 22), HalfPoem(7, 31, None)


@pytest.fixture
def rows(any_database: AnyDatabase) -> PoemStore:
    return PoemStore(any_database)


async def test_half_poems_come_back_the_oldest_first_until_they_end(rows: PoemStore) -> None:
    await rows.keep([SECOND, FIRST], [])
    assert await rows.halves() == [FIRST, SECOND]
    await rows.keep([], [FIRST, FIRST])
    assert await rows.halves() == [SECOND]


async def test_each_process_has_those_of_its_own_guilds(any_database: AnyDatabase) -> None:
    await PoemStore(any_database).keep([FIRST, SECOND], [])
    shares = (ShardRange(0, 0, 2), ShardRange(1, 1, 2))
    found = [await PoemStore(any_database, shard_range).halves() for shard_range in shares]
    assert found == [[SECOND], [FIRST]]


@pytest.mark.parametrize("odd", ["", "-1", "1.5", "../x", "٣", "1" * 21])
@pytest.mark.parametrize("column", ["message", "channel", "guild"])
async def test_what_is_no_number_is_passed_over(
    any_database: AnyDatabase, column: str, odd: str
) -> None:
    if column == "guild" and not odd:
        return
    values = {"message": "5", "channel": "30", "guild": "10", column: odd}
    await any_database.execute("INSERT INTO unfinished VALUES (?, ?, ?)", *values.values())
    assert await PoemStore(any_database).halves() == []
