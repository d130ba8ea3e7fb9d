"""Several processes over one data folder, each for the guilds of its shards."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.core.jobs import JobState
from bot.core.records import Asker
from bot.core.shards import ShardRange
from tests.apps import FakeTrainer, attached, make_config, open_test_app
from tests.texts import VERSES
from tests.timeouts import HANG_SECONDS

HERE, THERE = Asker("discord:1", "10", manages=True), Asker("discord:2", str(1 << 22), manages=True)
FIRST, SECOND = ShardRange(0, 0, 2), ShardRange(1, 1, 2)


async def test_each_trains_its_own_guilds_books_and_leaves_the_others_alone(tmp_path: Path) -> None:
    config, gate = make_config(tmp_path), asyncio.Event()
    mine, theirs = FakeTrainer(gate=gate), FakeTrainer()
    async with (
        asyncio.timeout(HANG_SECONDS),
        open_test_app(config, mine, FIRST) as one,
    ):
        training_requests = one.training_requests
        proposal = await training_requests.propose(HERE, attached(VERSES * 20))
        waiting = await training_requests.propose(HERE, attached(VERSES * 20, "other.txt"))
        await training_requests.accept(HERE, proposal.job.id)
        await mine.began.wait()
        async with open_test_app(config, theirs, SECOND) as other:
            assert not other.training_requests.jobs(HERE)
            book = await other.training_requests.propose(THERE, attached(VERSES * 20, "hills.txt"))
            await other.training_requests.accept(THERE, book.job.id)
            assert not theirs.specs, "two trainings at once on one machine"
        gate.set()
        ended = [view async for view in training_requests.queue.watch(proposal.job.id)][-1]
        assert ended.job.state is JobState.DONE
        assert (await training_requests.proposed(HERE, waiting.job.id)).name == "other"
    async with asyncio.timeout(HANG_SECONDS), open_test_app(config, theirs, SECOND) as other:
        await theirs.began.wait()
        last = [view async for view in other.training_requests.queue.watch(book.job.id)][-1]
        assert last.job.state is JobState.DONE
    assert [len(trainer.specs) for trainer in (mine, theirs)] == [1, 1]


async def test_what_one_settles_is_there_when_the_shards_are_dealt_anew(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    async with (
        open_test_app(config, FakeTrainer(), FIRST) as one,
        open_test_app(config, FakeTrainer(), SECOND) as other,
    ):
        await one.guilds.change(HERE, "lines", 9)
        await other.guilds.change(THERE, "lines", 7)
    async with open_test_app(config, FakeTrainer()) as whole:
        assert whole.guilds.settings_for(HERE).lines == 9
        assert whole.guilds.settings_for(THERE).lines == 7
