"""Places that everybody shares: whose turn it is, for how long, and how long somebody waits."""

from __future__ import annotations

import asyncio

import pytest

from bot.core.errors import TooMuch
from bot.core.fairness import Slots
from tests.simulated_time import simulated


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
