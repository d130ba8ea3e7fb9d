"""A training queue on a real data folder, with a trainer that only pretends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.core.errors import BotError, DatabaseBusyError, DataNotKept
from bot.core.guilds import Guilds
from bot.core.jobs import Job, JobState, JobView
from bot.core.metrics import Metrics
from bot.core.model_library import GuildModels, ModelLibrary
from bot.core.store.books import AddedModel, BookStore
from bot.core.store.database import Database
from bot.core.store.guilds import GuildStore
from bot.core.training.queue import BOOK_NAME, InstallResult, TrainingQueue
from tests.apps import GUILD, FakeTrainer
from tests.timeouts import HANG_SECONDS

JOB = Job(0, GUILD, "walks", "Walks", "an attachment", 5_000, JobState.PROPOSED, "discord:1")


class FlakyRows(BookStore):
    """Rows whose disk is full for the next `failures` changes of a job."""

    failures = 0
    shelve_failures = 0  # for the next models that are put on the shelf

    async def update_job(self, job_id: int, **changes: object) -> None:
        if self.failures:
            self.failures -= 1
            raise DataNotKept("database or disk is full")
        await super().update_job(job_id, **changes)

    async def add_model(self, added_models: AddedModel, job_id: int) -> None:
        if self.shelve_failures:
            self.shelve_failures -= 1
            raise DatabaseBusyError(10.0)
        await super().add_model(added_models, job_id)


class Workshop:
    """A training queue on a real data folder; `open` it again for a second start of the bot."""

    def __init__(self, job_folder: Path) -> None:
        self.job_folder = job_folder
        self.trainer = FakeTrainer()

    async def open(self) -> None:
        self.database = await Database.open(self.job_folder / "data")
        self.rows = FlakyRows(self.database)
        self.library = ModelLibrary(
            [self.job_folder / "models"],
            shipped=self.job_folder / "shipped",
            default="",
            private=self.job_folder / "data" / "guilds",
        )
        self.guilds = await Guilds.read(GuildStore(self.database))
        guild_models = GuildModels(self.library, self.guilds, self.rows)
        self.training_queue = TrainingQueue(
            self.rows,
            self.trainer,
            self.job_folder / "data" / "jobs",
            Metrics(),
            install=guild_models.install,
            withdraw=guild_models.withdraw,
            now=lambda: "2026-11-26T12:00:00+00:00",
            max_seconds=600.0,
            retry_seconds=0.0,
        )
        await self.training_queue.start()

    async def close(self) -> None:
        await self.training_queue.close()
        await self.database.close()

    @property
    def waits_to_install(self) -> bool:
        """Whether a finished model waits for the disk or the database."""
        return any(run.called_off for run in self.training_queue._runs.values())

    async def propose(self, **changes: str) -> Job:
        job = replace(JOB, **changes)  # type: ignore[arg-type]
        job = replace(job, id=await self.rows.add_job(job))
        job_folder = self.training_queue.job_folder(job.id)
        job_folder.mkdir(parents=True)
        (job_folder / BOOK_NAME).write_text("a book")
        return job

    async def submit(self, **changes: str) -> Job:
        return (await self.training_queue.submit(await self.propose(**changes))).job

    async def end_of(self, job: Job) -> JobView:
        async with asyncio.timeout(HANG_SECONDS):
            views = [view async for view in self.training_queue.watch(job.id)]
        return views[-1]

    async def kept(self, job: Job) -> Job:
        kept = await self.rows.job(job.id)
        assert kept is not None
        return kept

    def fail_to_install(self, *errors: BotError | OSError) -> list[BotError | OSError]:
        """Let the next tries fail with `errors`; return those that are still to come."""
        install, left = self.training_queue._install, list(errors)

        async def failing(job: Job, made: Path) -> InstallResult:
            if left:
                raise left.pop(0)
            return await install(job, made)

        self.training_queue._install = failing
        return left

    def hold_installs(self) -> tuple[asyncio.Event, asyncio.Event]:
        """Let models wait to be installed; return what says that one does, and what lets it go."""
        install = self.training_queue._install
        installing, go = asyncio.Event(), asyncio.Event()

        async def slowly(job: Job, made: Path) -> InstallResult:
            installing.set()
            await go.wait()
            return await install(job, made)

        self.training_queue._install = slowly
        return installing, go

    async def until_kept(self, job: Job, **values: Any) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            while (kept := await self.kept(job)) != replace(kept, **values):
                await asyncio.sleep(0.001)
