"""Work off the event loop: one thing at a time, in turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from bot.core.fairness import FairThread


@pytest.fixture
async def worker() -> AsyncIterator[FairThread]:
    worker = FairThread("test")
    yield worker
    worker.close()


async def test_work_is_done_on_one_other_thread(worker: FairThread) -> None:
    idents = await asyncio.gather(*(worker.run(str(n), threading.get_ident) for n in range(5)))
    assert len(set(idents)) == 1
    assert threading.get_ident() not in idents


async def test_who_has_much_to_do_does_not_keep_out_who_has_little(worker: FairThread) -> None:
    done: list[str] = []
    begin = threading.Event()
    first = asyncio.create_task(worker.run("a", begin.wait))
    await asyncio.sleep(0)
    much = [asyncio.create_task(worker.run("a", done.append, f"a{n}")) for n in range(3)]
    await asyncio.sleep(0)
    little = asyncio.create_task(worker.run("b", done.append, "b"))
    await asyncio.sleep(0)
    assert worker.waiting == 4
    begin.set()
    await asyncio.gather(first, *much, little)
    assert done == ["a0", "b", "a1", "a2"]


async def test_who_goes_while_waiting_is_passed_over(worker: FairThread) -> None:
    begin = threading.Event()
    first = asyncio.create_task(worker.run("a", begin.wait))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(worker.run("a", int)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    begin.set()
    assert await waiting[1] == 0
    assert await first
    assert waiting[0].cancelled()


async def test_who_goes_as_the_turn_comes_passes_it_on(worker: FairThread) -> None:
    begin = threading.Event()
    first = asyncio.create_task(worker.run("a", begin.wait))
    await asyncio.sleep(0)
    second, third = (asyncio.create_task(worker.run("a", int)) for _ in range(2))
    await asyncio.sleep(0)
    first.add_done_callback(lambda _: second.cancel())  # has its turn by then
    begin.set()
    assert await third == 0
    assert second.cancelled()


async def test_what_fails_is_told_and_the_next_has_its_turn(worker: FairThread) -> None:
    with pytest.raises(ValueError, match="rubbish"):
        await worker.run("a", int, "rubbish")
    assert await worker.run("a", int, "7") == 7


async def test_what_comes_after_the_end_is_done_at_once(worker: FairThread) -> None:
    worker.close()
    assert await worker.run("a", threading.get_ident) == threading.get_ident()
