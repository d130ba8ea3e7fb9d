"""What the machine runs short of: the disk, a database that may be written, a training's memory.

Nobody needs a full disk for it: SQLite itself is told to take no further page, or no change, and
the training process gets its limit from prlimit as soon as it is there.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import psutil  # type: ignore[import-untyped]

from bench.during_training import begin_training, make_book
from bot.app import make_library, open_app
from bot.config import BooksConfig, Config, DiscordConfig
from bot.core.application import App
from bot.core.jobs import Job, JobState
from bot.core.records import Asker
from bot.core.store.database import Database
from bot.core.training.process import ProcessTrainer, TrainingEvent, TrainingExit, TrainingSpec
from tests.discord_payloads import GUILD
from tests.rigs.fault_trials import MAX_SECONDS, TrialResult, TrialRunner, TrialSetup
from tests.rigs.kills import BOOK_KILOBYTES
from tests.rigs.populated_discord import FIRST_MEMBER

ADMIN = Asker(f"discord:{FIRST_MEMBER}", str(GUILD), manages=True)
MB = 2**20
START_MB = 700  # of addresses, which the libraries alone take up
MANY_LONG_WORDS = " ".join(
    first + second + "ab" * 13 for first in "bcdfghjklmnp" for second in "aeiouybcdfghjk"
)  # more than the four kilobytes of a page
NOT_KEPT = "That could not be saved"
LOOK_SECONDS = 0.005

PLENTY = 2**30  # pages


class StarvedTrainer(ProcessTrainer):
    """Trains in a process that gets no more memory once it is there, or once it is `learning`."""

    def __init__(self, *, learning: bool) -> None:
        super().__init__(threads=1)
        self._learning = learning
        self.starved = 0

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        def hear(event: TrainingEvent) -> None:
            if self._learning and event.get("event") == "training":
                self._starve()
            tell(event)

        watching = asyncio.create_task(self._watch())
        try:
            return await super().train(spec, hear)
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while not self._learning:
            if self._starve():
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _starve(self) -> bool:
        """Give our training process its limit; return whether it was there."""
        for child in psutil.Process().children():
            with suppress(psutil.Error, ProcessLookupError):
                if any("train.py" in part for part in child.cmdline()):
                    limit = child.memory_info().vms if self._learning else START_MB * MB
                    resource.prlimit(child.pid, resource.RLIMIT_AS, (limit, limit))
                    self.starved += 1
                    return True
        return False


@asynccontextmanager
async def installation(trainer: ProcessTrainer | None = None) -> AsyncIterator[App]:
    with TemporaryDirectory() as folder:
        config = Config(
            home=Path(folder),
            discord=DiscordConfig(cooldown_seconds=0.0),
            books=BooksConfig(max_minutes=0.25),
        )
        async with open_app(config, make_library(config), trainer) as app:
            await app.service.warm_up()
            yield app


async def no_room() -> TrialResult:
    """Fill the disk while a setting is changed."""

    async def fill(connection: Any) -> None:
        [[pages]] = await connection.execute_fetchall("PRAGMA page_count")
        await connection.execute_fetchall(f"PRAGMA max_page_count = {pages}")

    async def empty(connection: Any) -> None:
        await connection.execute_fetchall(f"PRAGMA max_page_count = {PLENTY}")

    return await _database("disk full while a setting is changed", fill, empty)


async def no_writing() -> TrialResult:
    """Make the database read-only while a setting is changed."""

    async def forbid(connection: Any) -> None:
        await connection.execute("PRAGMA query_only = ON")

    async def allow(connection: Any) -> None:
        await connection.execute("PRAGMA query_only = OFF")

    return await _database("database read-only while a setting is changed", forbid, allow)


async def _database(
    name: str, breaks: Callable[[Any], Any], mends: Callable[[Any], Any]
) -> TrialResult:
    """Change a setting before, in and after a shortage; poems are written all the time."""
    result = TrialResult("machine", name)
    try:
        async with asyncio.timeout(MAX_SECONDS), installation() as app:
            connection = _connection(app)
            trial_runner = TrialRunner(app.service)
            async with trial_runner.open(app=app) as setup:
                await setup.stage.answered(await setup.stage.ask())
                settled = [await _settle(setup, "apple")]
                await breaks(connection)
                setup.stage.strike()
                settled.append(await _settle(setup, MANY_LONG_WORDS))
                result.seconds = await setup.stage.recover()
                await mends(connection)
                settled.append(await _settle(setup, MANY_LONG_WORDS))
            rows = trial_runner.rows_left()
    except Exception as error:
        result.wrong.append(repr(error))
        return result
    answers = [setup.discord.answers_to(command) for command in settled]
    result.counts = [*setup.stage.counts(), *((1, len(answer)) for answer in answers)]
    refused = [NOT_KEPT in answer[0]["content"] for answer in answers]
    if refused != [False, True, False]:
        result.wrong.append(f"settings refused: {refused}")
    return result.judge(rows=rows, restarts=len(setup.bots) - 1)


def _connection(app: App) -> Any:
    return cast(Database, app.books._database)._connection


async def _settle(setup: TrialSetup, words: str) -> int:
    """Let an admin add words to avoid; return the command once it is answered."""
    discord = setup.discord
    options = {"change": "add", "words": words}
    command = await discord.command("settings avoid", options, FIRST_MEMBER, GUILD, admin=True)
    await discord.until(lambda: discord.answers_to(command))
    return command


async def no_memory(*, learning: bool) -> TrialResult:
    """Let a training run out of memory at its start, or while it learns; poems go on."""
    when = "that learns" if learning else "that starts"
    result = TrialResult("machine", f"memory runs out for a training {when}")
    trainer = StarvedTrainer(learning=learning)
    try:
        async with asyncio.timeout(2 * MAX_SECONDS), installation(trainer) as app:
            trial_runner = TrialRunner(app.service)
            async with trial_runner.open(app=app) as setup:
                job = await _train(app, setup)
                result.seconds = await setup.stage.recover()
            rows = trial_runner.rows_left()
    except Exception as error:
        result.wrong.append(repr(error))
        return result
    result.counts = setup.stage.counts()
    if not trainer.starved:
        result.wrong.append("the training was never short of memory")
    if job.state is not JobState.FAILED or not job.sentence.startswith("The training "):
        result.wrong.append(f"the job ended as {job.state}, with {job.sentence!r}")
    return result.judge(rows=rows, restarts=len(setup.bots) - 1)


async def _train(app: App, setup: TrialSetup) -> Job:
    """Train on a small book, and write a poem meanwhile, until the job has ended."""
    job_id = await begin_training(app, ADMIN, make_book(BOOK_KILOBYTES, 1))
    await setup.stage.ask("during the training")
    views = [view async for view in app.training_requests.queue.watch(job_id)]
    setup.stage.strike()
    return views[-1].job


async def play_all(times: int, tell: Callable[[TrialResult], None], *, quick: bool) -> None:
    """Scenario every shortage; the `quick` ones are those of the disk."""
    for _ in range(times):
        tell(await no_room())
        tell(await no_writing())
        if not quick:
            tell(await no_memory(learning=False))
            tell(await no_memory(learning=True))
