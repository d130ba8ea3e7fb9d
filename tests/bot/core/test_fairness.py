"""What everybody shares: places and turns, attempts within an hour, a thread off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from bot.core.errors import TooMuch
from bot.core.fairness import MAX_REMEMBERED, WINDOW_SECONDS, AttemptLimit, FairThread, Slots
from tests.fakes import Clock
from tests.simulated_time import simulated

# Places and turns


class Guild:
    """Asks for a place again and again, works so long, and notes when it had one."""

    def __init__(self, slots: Slots, name: str, seconds: float) -> None:
        self._slots, self._name, self._seconds = slots, name, seconds
        self.began: list[float] = []
        self.refusals: list[str] = []

    async def ask(self) -> None:
        try:
            async with self._slots.turn(self._name):
                self.began.append(asyncio.get_running_loop().time())
                await asyncio.sleep(self._seconds)
        except TooMuch as error:
            self.refusals.append(str(error))

    async def ask_for_ever(self) -> None:
        while True:
            await self.ask()


@simulated
async def test_a_dozen_guilds_that_drip_make_another_wait_half_a_minute_at_most() -> None:
    """They made it wait three minutes, and again each time."""
    slots = Slots(4)
    dripping = [Guild(slots, f"drip {n}", 60.0) for n in range(12)]
    tasks = [asyncio.create_task(guild.ask_for_ever()) for guild in dripping]
    await asyncio.sleep(1)
    honest = Guild(slots, "honest", 2.0)
    for asked_at in (1.0, 100.0, 200.0):
        await asyncio.sleep(asked_at - asyncio.get_running_loop().time())
        await honest.ask()
        assert honest.began[-1] - asked_at <= 30
    assert len(honest.began) == 3
    assert not honest.refusals
    assert all("longer than 10 s" in said for guild in dripping for said in guild.refusals)
    for task in tasks:
        task.cancel()


@simulated
async def test_who_had_a_turn_longest_ago_is_next() -> None:
    slots = Slots(1)
    order: list[str] = []

    async def ask(name: str) -> None:
        async with slots.turn(name):
            order.append(name)
            await asyncio.sleep(1)

    await ask("a")
    await ask("b")
    tasks = [asyncio.create_task(ask(name)) for name in ("c", "b", "a", "d")]
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", "d", "a", "b"]


@simulated
async def test_a_member_of_many_guilds_has_one_turn_in_all() -> None:
    slots = Slots(1)
    order: list[str] = []

    async def ask(guild: str, member: str) -> None:
        async with slots.turn(guild, member):
            order.append(guild)
            await asyncio.sleep(1)

    asked = [("g1", "eve"), ("g2", "eve"), ("g3", "eve"), ("g4", "adam")]
    await asyncio.gather(*(ask(*each) for each in asked))
    assert order[:2] == ["g1", "g4"]


@simulated
async def test_alone_a_turn_may_last() -> None:
    slots = Slots(2)
    patient = [Guild(slots, str(n), 500.0) for n in range(2)]
    await asyncio.gather(*(guild.ask() for guild in patient))
    assert not any(guild.refusals for guild in patient)


@simulated
async def test_only_as_many_turns_end_as_others_wait_for() -> None:
    slots = Slots(3)
    long = [Guild(slots, str(n), 40.0) for n in range(3)]
    tasks = [asyncio.create_task(guild.ask()) for guild in long]
    await asyncio.sleep(20)
    await Guild(slots, "another", 1.0).ask()
    await asyncio.gather(*tasks)
    assert [len(guild.refusals) for guild in long] == [1, 0, 0]


@simulated
async def test_nobody_waits_longer_than_the_bound() -> None:
    slots = Slots(1, turn_seconds=1000)
    task = asyncio.create_task(Guild(slots, "a", 900).ask())
    await asyncio.sleep(0)
    with pytest.raises(TooMuch, match=r"did not come within 60 s\. Try again"):
        async with slots.turn("b"):
            raise AssertionError("there was no place")
    assert asyncio.get_running_loop().time() == pytest.approx(60)
    task.cancel()


@simulated
async def test_whoever_leaves_the_line_leaves_no_trace() -> None:
    slots = Slots(1)
    first = asyncio.create_task(Guild(slots, "a", 5).ask())
    waiting = [asyncio.create_task(Guild(slots, str(n), 5).ask()) for n in range(5)]
    await asyncio.sleep(1)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await first
    for _ in range(3):
        async with slots.turn("z"):
            pass


@simulated
async def test_a_place_that_is_granted_to_whoever_has_just_left_is_free() -> None:
    slots = Slots(1)
    async with slots.turn("a"):
        task = asyncio.create_task(Guild(slots, "b", 5).ask())
        await asyncio.sleep(1)
    task.cancel()  # the place was granted, and the task has not run since
    await asyncio.wait([task])
    async with asyncio.timeout(1), slots.turn("c"):
        pass


@simulated
async def test_whoever_leaves_while_a_place_becomes_free_does_not_take_it_along() -> None:
    slots = Slots(1)
    async with slots.turn("a"):
        tasks = [asyncio.create_task(Guild(slots, str(n), 5).ask()) for n in range(3)]
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()  # they have not run since
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    async with asyncio.timeout(1), slots.turn("b"):
        pass


@simulated
async def test_an_error_within_frees_the_place_and_comes_through() -> None:
    slots = Slots(1)
    for error in (ValueError, TimeoutError):
        with pytest.raises(error):
            async with slots.turn("a"):
                raise error
    async with slots.turn("b"):
        pass


# How often within an hour


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


def test_a_budget_is_used_up_and_comes_back(clock: Clock) -> None:
    attempts = AttemptLimit(3, clock)
    for clock.now in (0.0, 600.0, 1200.0):
        attempts.spend("guild", "member")
    with pytest.raises(TooMuch, match=r"add 3 books an hour.*Try again in 40 min"):
        attempts.spend("guild", "member")
    clock.now = WINDOW_SECONDS
    attempts.spend("guild", "member")
    with pytest.raises(TooMuch, match="in 10 min"):
        attempts.spend("guild", "member")


def test_a_member_has_one_budget_for_all_guilds(clock: Clock) -> None:
    attempts = AttemptLimit(3, clock)
    for guild in ("a", "b", "c"):
        attempts.spend(guild, "eve")
    with pytest.raises(TooMuch):
        attempts.spend("d", "eve")
    attempts.spend("d", "adam")


def test_a_guild_has_one_budget_for_all_members(clock: Clock) -> None:
    attempts = AttemptLimit(3, clock)
    for member in ("a", "b", "c"):
        attempts.spend("guild", member)
    with pytest.raises(TooMuch):
        attempts.spend("guild", "d")


def test_an_attempt_that_is_refused_costs_nothing(clock: Clock) -> None:
    attempts = AttemptLimit(1, clock)
    attempts.spend("a", "eve")
    for _ in range(5):
        with pytest.raises(TooMuch):
            attempts.spend("b", "eve")
    attempts.spend("b", "adam")


def test_no_budget_is_no_attempt(clock: Clock) -> None:
    with pytest.raises(TooMuch, match="add 0 books"):
        AttemptLimit(0, clock).spend("a")


def test_it_remembers_so_many_at_most(clock: Clock) -> None:
    attempts = AttemptLimit(1, clock)
    for number in range(MAX_REMEMBERED + 10):
        attempts.spend(str(number))
    assert len(attempts._attempts) == MAX_REMEMBERED


# Work off the event loop: one thing at a time, in turns


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
