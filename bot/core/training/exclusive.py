"""One training at a time on a machine on which several processes serve shards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from bot.core.training.events import TrainingEvent
from bot.core.training.process import Trainer, TrainingExit, TrainingSpec

LOOK_SECONDS = 1.0  # between two looks whether it is our turn


class ExclusiveTrainer:
    """Trains once no other process does; who waits longest need not be the next."""

    def __init__(self, trainer: Trainer, file: Path, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._trainer = trainer
        self._file = file
        self._look_seconds = look_seconds

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        lock = FileLock(self._file, timeout=0, thread_local=False)
        while True:
            try:
                lock.acquire()
                break
            except Timeout:
                await asyncio.sleep(self._look_seconds)
        try:
            return await self._trainer.train(spec, tell)
        finally:
            lock.release()
