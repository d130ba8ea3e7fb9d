"""Processes of one machine train one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from bot.core.training.events import TrainingEvent
from bot.core.training.exclusive import ExclusiveTrainer
from bot.core.training.process import TrainingExit, TrainingSpec
from tests.timeouts import HANG_SECONDS


class Slow:
    """Trains until it is let go."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.go = asyncio.Event()

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        self.began.set()
        await self.go.wait()
        return TrainingExit(0, "")


ORDER = TrainingSpec(Path("book"), "title", "name", Path("out"), 1.0, resume=False)


async def test_the_second_process_waits_for_the_first(tmp_path: Path) -> None:
    slow = [Slow(), Slow()]
    first, second = (
        ExclusiveTrainer(each, tmp_path / "training", look_seconds=0.01) for each in slow
    )
    async with asyncio.timeout(HANG_SECONDS):
        one = asyncio.create_task(first.train(ORDER, print))
        await slow[0].began.wait()
        two = asyncio.create_task(second.train(ORDER, print))
        await asyncio.sleep(0.05)
        assert not slow[1].began.is_set()
        slow[0].go.set()
        await one
        await slow[1].began.wait()
        slow[1].go.set()
        await two


async def test_who_is_cancelled_while_it_waits_leaves_the_turn_alone(tmp_path: Path) -> None:
    slow = [Slow(), Slow()]
    first, second = (
        ExclusiveTrainer(each, tmp_path / "training", look_seconds=0.01) for each in slow
    )
    async with asyncio.timeout(HANG_SECONDS):
        one = asyncio.create_task(first.train(ORDER, print))
        await slow[0].began.wait()
        two = asyncio.create_task(second.train(ORDER, print))
        await asyncio.sleep(0)
        two.cancel()
        await asyncio.wait([two])
        slow[0].go.set()
        await one
    assert two.cancelled()
