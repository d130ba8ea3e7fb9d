"""The models in memory, on tiny untrained ones."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.errors import ModelUnusable, ShuttingDown
from bot.core.model_cache import ModelCache
from bot.core.model_library import ModelLibrary
from bot.core.records import ModelRecord
from model import NetworkConfig
from tests.conftest import write_header

MakeModel = Callable[..., Path]
Record = Callable[[str], ModelRecord]


@pytest.fixture
def record(tmp_path: Path, model_file: MakeModel) -> Record:
    """Return a function that writes a model of its own for each name and describes it."""
    library = ModelLibrary([tmp_path / "models"], shipped=tmp_path / "shipped", default="")

    def make(name: str) -> ModelRecord:
        model_file(name, seed=sum(map(ord, name)))
        return library.find(name)

    return make


class Tidied:
    """Counts how often memory was given back."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def tidied() -> Tidied:
    return Tidied()


@pytest.fixture
async def cache(tidied: Tidied) -> AsyncIterator[ModelCache]:
    cache = ModelCache(max_models=2, max_bytes=10**9, max_rows=2, give_back=tidied)
    yield cache
    await cache.close()


async def test_a_model_that_nobody_uses_makes_room_before_one_that_is_older(
    cache: ModelCache, record: Record
) -> None:
    apples, pears = record("apples"), record("pears")
    await cache.load(apples)
    lent = cache.acquire(apples.sha256)
    await cache.load(pears)
    await cache.load(record("plums"))
    assert cache[apples.sha256] is lent
    with pytest.raises(KeyError):
        cache[pears.sha256]
    assert len(cache) == 2


async def test_the_memory_of_a_model_is_free_when_its_last_poem_ends(
    cache: ModelCache, record: Record, tidied: Tidied
) -> None:
    apples = record("apples")
    await cache.load(apples)
    lent = [cache.acquire(apples.sha256), cache.acquire(apples.sha256)]
    for name in ("pears", "plums"):
        await cache.load(record(name))
        cache.acquire(record(name).sha256)
    assert len(cache) == 3
    engine = weakref.ref(lent[0].engines[0])
    cache.release(lent.pop())
    gc.collect()
    assert engine() is not None
    cache.release(lent.pop())
    gc.collect()
    assert engine() is None
    assert len(cache) == 2
    await asyncio.sleep(0)  # the heap is looked at when whoever let go has done so
    await cache.close()
    assert tidied.times == 4  # once for each load, too


async def test_a_model_whose_file_was_replaced_makes_room_at_once(
    cache: ModelCache, record: Record, model_file: MakeModel, tmp_path: Path
) -> None:
    old = record("apples")
    await cache.load(old)
    model_file("apples", seed=99)
    library = ModelLibrary([tmp_path / "models"], shipped=tmp_path / "shipped", default="")
    new = library.find("apples")
    await cache.load(new)
    assert len(cache) == 1
    assert cache[new.sha256].record == new


async def test_models_that_still_write_are_as_many_as_may_be_loaded_and_then_a_load_waits(
    cache: ModelCache, record: Record
) -> None:
    lent = []
    for name in ("apples", "pears", "plums", "quinces"):
        await cache.load(record(name))
        lent.append(cache.acquire(record(name).sha256))
    fifth = asyncio.create_task(cache.load(record("medlars")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(cache) == 4
    assert not fifth.done()
    cache.release(lent[0])
    await fifth
    assert len(cache) == 4


async def test_a_retired_model_that_is_wanted_again_is_read_anew(
    cache: ModelCache, record: Record
) -> None:
    """The old engine still writes its poems; the new one takes the new poems."""
    names = ("apples", "pears", "plums")
    records = [record(name) for name in names]
    for each in records:
        await cache.load(each)
        cache.acquire(each.sha256)
    await cache.load(records[0])
    assert len(cache) == 4


async def test_who_asks_for_a_damaged_file_together_is_refused_together(
    cache: ModelCache, record: Record
) -> None:
    apples = record("apples")
    apples.path.write_bytes(apples.path.read_bytes()[:-10])
    results = await asyncio.gather(*(cache.load(apples) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ModelUnusable] * 3


async def test_a_closed_shelf_loads_nothing(cache: ModelCache, record: Record) -> None:
    await cache.close()
    with pytest.raises(ShuttingDown):
        await cache.load(record("apples"))


async def test_models_that_take_too_much_together_make_room(record: Record) -> None:
    apples, pears = record("apples"), record("pears")
    files = apples.size_bytes + pears.size_bytes
    small = ModelCache(max_models=9, max_bytes=files, max_rows=2)  # in memory they are larger
    await small.load(apples)
    await small.load(pears)
    assert small.find(apples.sha256) is None
    assert small.find(pears.sha256) is not None  # one alone may have more
    await small.close()


async def test_a_load_waits_while_models_that_made_room_still_take_too_much(
    record: Record,
) -> None:
    small = ModelCache(max_models=9, max_bytes=1, max_rows=2)
    lent = []
    for name in ("apples", "pears"):
        model = record(name)
        await small.load(model)
        lent.append(small.acquire(model.sha256))
    waits = asyncio.create_task(small.load(record("plums")))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waits.done()
    assert len(small) == 2  # apples, which made room, and pears
    small.release(lent[0])
    await waits
    await small.close()


async def test_a_guilds_own_model_that_is_too_large_is_not_loaded_either(
    tmp_path: Path, cache: ModelCache, record: Record
) -> None:
    path = tmp_path / "guilds" / "10" / "dunes.safetensors"
    write_header(path, NetworkConfig(vocabulary_size=20_000, hidden_size=256))
    with pytest.raises(ModelUnusable, match=r"dunes\.safetensors needs 40,960,000 bytes"):
        await cache.load(replace(record("apples"), path=path, sha256="", guild="10"))
