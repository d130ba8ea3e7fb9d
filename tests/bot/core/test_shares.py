"""Several processes over one data folder, each for the guilds of its shards."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.core.jobs import JobState
from bot.core.records import Asker
from bot.core.share import Share
from tests.offices import FakeTrainer, attached, make_config, open_office
from tests.patience import HANG_SECONDS
from tests.texts import VERSES

HERE, THERE = Asker("discord:1", "10", manages=True), Asker("discord:2", str(1 << 22), manages=True)
FIRST, SECOND = Share(0, 0, 2), Share(1, 1, 2)


async def test_each_trains_its_own_guilds_books_and_leaves_the_others_alone(tmp_path: Path) -> None:
    config, gate = make_config(tmp_path), asyncio.Event()
    mine, theirs = FakeTrainer(gate=gate), FakeTrainer()
    async with (
        asyncio.timeout(HANG_SECONDS),
        open_office(config, mine, FIRST) as one,
    ):
        desk = one.office.desk
        proposal = await desk.propose(HERE, attached(VERSES * 20))
        waiting = await desk.propose(HERE, attached(VERSES * 20, "other.txt"))
        await desk.accept(HERE, proposal.job.id)
        await mine.began.wait()
        async with open_office(config, theirs, SECOND) as other:
            assert not other.office.desk.jobs(HERE)
            book = await other.office.desk.propose(THERE, attached(VERSES * 20, "hills.txt"))
            await other.office.desk.accept(THERE, book.job.id)
            assert not theirs.orders, "two trainings at once on one machine"
        gate.set()
        ended = [view async for view in desk.watch(proposal.job.id)][-1]
        assert ended.job.state is JobState.DONE
        assert (await desk.proposed(HERE, waiting.job.id)).name == "other"
    async with asyncio.timeout(HANG_SECONDS), open_office(config, theirs, SECOND) as other:
        await theirs.began.wait()
        last = [view async for view in other.office.desk.watch(book.job.id)][-1]
        assert last.job.state is JobState.DONE
    assert [len(trainer.orders) for trainer in (mine, theirs)] == [1, 1]


async def test_what_one_settles_is_there_when_the_shards_are_dealt_anew(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    async with (
        open_office(config, FakeTrainer(), FIRST) as one,
        open_office(config, FakeTrainer(), SECOND) as other,
    ):
        await one.office.household.change(HERE, "lines", 9)
        await other.office.household.change(THERE, "lines", 7)
    async with open_office(config, FakeTrainer()) as whole:
        assert whole.office.household.customs(HERE).lines == 9
        assert whole.office.household.customs(THERE).lines == 7
