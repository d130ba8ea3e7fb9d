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
from bot.core.library import Library
from bot.core.records import ModelRecord
from bot.core.shelf import Shelf, give_heap_back
from model import NetworkConfig
from tests.conftest import write_header

MakeModel = Callable[..., Path]
Record = Callable[[str], ModelRecord]


@pytest.fixture
def record(tmp_path: Path, model_file: MakeModel) -> Record:
    """Return a function that writes a model of its own for each name and describes it."""
    library = Library([tmp_path / "models"], shipped=tmp_path / "shipped", default="")

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
async def shelf(tidied: Tidied) -> AsyncIterator[Shelf]:
    shelf = Shelf(max_models=2, max_bytes=10**9, max_rows=2, give_back=tidied)
    yield shelf
    await shelf.close()


async def test_a_model_that_nobody_uses_makes_room_before_one_that_is_older(
    shelf: Shelf, record: Record
) -> None:
    apples, pears = record("apples"), record("pears")
    await shelf.load(apples)
    lent = shelf.borrow(apples.sha256)
    await shelf.load(pears)
    await shelf.load(record("plums"))
    assert shelf[apples.sha256] is lent
    with pytest.raises(KeyError):
        shelf[pears.sha256]
    assert len(shelf) == 2


async def test_the_memory_of_a_model_is_free_when_its_last_poem_ends(
    shelf: Shelf, record: Record, tidied: Tidied
) -> None:
    apples = record("apples")
    await shelf.load(apples)
    lent = [shelf.borrow(apples.sha256), shelf.borrow(apples.sha256)]
    for name in ("pears", "plums"):
        await shelf.load(record(name))
        shelf.borrow(record(name).sha256)
    assert len(shelf) == 3
    engine = weakref.ref(lent[0].engine)
    shelf.bring_back(lent.pop())
    gc.collect()
    assert engine() is not None
    shelf.bring_back(lent.pop())
    gc.collect()
    assert engine() is None
    assert len(shelf) == 2
    await asyncio.sleep(0)  # the heap is looked at when whoever let go has done so
    await shelf.close()
    assert tidied.times == 1


async def test_a_model_whose_file_was_replaced_makes_room_at_once(
    shelf: Shelf, record: Record, model_file: MakeModel, tmp_path: Path
) -> None:
    old = record("apples")
    await shelf.load(old)
    model_file("apples", seed=99)
    library = Library([tmp_path / "models"], shipped=tmp_path / "shipped", default="")
    new = library.find("apples")
    await shelf.load(new)
    assert len(shelf) == 1
    assert shelf[new.sha256].record == new


async def test_models_that_still_write_are_as_many_as_may_be_loaded_and_then_a_load_waits(
    shelf: Shelf, record: Record
) -> None:
    lent = []
    for name in ("apples", "pears", "plums", "quinces"):
        await shelf.load(record(name))
        lent.append(shelf.borrow(record(name).sha256))
    fifth = asyncio.create_task(shelf.load(record("medlars")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(shelf) == 4
    assert not fifth.done()
    shelf.bring_back(lent[0])
    await fifth
    assert len(shelf) == 4


async def test_a_retired_model_that_is_wanted_again_is_read_anew(
    shelf: Shelf, record: Record
) -> None:
    """The old engine still writes its poems; the new one takes the new poems."""
    names = ("apples", "pears", "plums")
    records = [record(name) for name in names]
    for each in records:
        await shelf.load(each)
        shelf.borrow(each.sha256)
    await shelf.load(records[0])
    assert len(shelf) == 4


async def test_who_asks_for_a_damaged_file_together_is_refused_together(
    shelf: Shelf, record: Record
) -> None:
    apples = record("apples")
    apples.path.write_bytes(apples.path.read_bytes()[:-10])
    results = await asyncio.gather(*(shelf.load(apples) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ModelUnusable] * 3


async def test_a_closed_shelf_loads_nothing(shelf: Shelf, record: Record) -> None:
    await shelf.close()
    with pytest.raises(ShuttingDown):
        await shelf.load(record("apples"))


def test_giving_memory_back_does_no_harm_wherever_it_runs() -> None:
    give_heap_back()


async def test_models_that_take_too_much_together_make_room(record: Record) -> None:
    apples, pears = record("apples"), record("pears")
    files = apples.size_bytes + pears.size_bytes
    small = Shelf(max_models=9, max_bytes=files, max_rows=2)  # in memory they are larger
    await small.load(apples)
    await small.load(pears)
    assert small.find(apples.sha256) is None
    assert small.find(pears.sha256) is not None  # one alone may have more
    await small.close()


async def test_a_load_waits_while_models_that_made_room_still_take_too_much(
    record: Record,
) -> None:
    small = Shelf(max_models=9, max_bytes=1, max_rows=2)
    lent = []
    for name in ("apples", "pears"):
        model = record(name)
        await small.load(model)
        lent.append(small.borrow(model.sha256))
    waits = asyncio.create_task(small.load(record("plums")))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waits.done()
    assert len(small) == 2  # apples, which made room, and pears
    small.bring_back(lent[0])
    await waits
    await small.close()


async def test_a_guilds_own_model_that_is_too_large_is_not_loaded_either(
    tmp_path: Path, shelf: Shelf, record: Record
) -> None:
    path = tmp_path / "guilds" / "10" / "dunes.safetensors"
    write_header(path, NetworkConfig(vocabulary_size=20_000, hidden_size=256))
    with pytest.raises(ModelUnusable, match=r"dunes\.safetensors takes 81,920,000 bytes"):
        await shelf.load(replace(record("apples"), path=path, sha256="", guild="10"))
