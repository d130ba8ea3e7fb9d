"""A finished model on its way from the queue to its guild, and what may come between."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from contextlib import closing

import pytest

from bot.core.errors import BotError, DatabaseBusyError, DataNotKept, NothingThere, UnknownModel
from bot.core.jobs import JobState
from bot.core.store.database import FILE_NAME
from tests.apps import GUILD
from tests.bot.core.training.workshop import Workshop
from tests.conftest import LogLines
from tests.timeouts import HANG_SECONDS


async def test_a_training_whose_model_is_being_put_in_its_place_is_not_cancelled(
    workshop: Workshop,
) -> None:
    """Whoever cancelled it then was told that it stops, and it was done."""
    installing, go = workshop.hold_installs()
    job = await workshop.submit()
    await installing.wait()
    assert not await workshop.training_queue.cancel(job.id, "It was cancelled.")
    go.set()
    assert (await workshop.end_of(job)).job.state is JobState.DONE


async def test_while_the_disk_is_full_the_end_of_a_training_waits(workshop: Workshop) -> None:
    workshop.trainer.gate = asyncio.Event()
    job = await workshop.submit()
    await workshop.trainer.began.wait()
    workshop.rows.failures = 5
    workshop.trainer.gate.set()
    assert (await workshop.end_of(job)).job.state is JobState.DONE
    assert (await workshop.kept(job)).state is JobState.DONE


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "error",
    [DataNotKept("database or disk is full"), DatabaseBusyError(10.0), FULL],
    ids=["not kept", "busy", "no space left"],
)
async def test_a_finished_model_is_put_in_its_place_again_and_again_until_it_is_kept(
    workshop: Workshop, error: BotError | OSError, log_lines: LogLines
) -> None:
    """The training failed, and the result of hours was lost."""
    workshop.fail_to_install(error, error, error)
    job = await workshop.submit()
    assert (await workshop.end_of(job)).job.state is JobState.DONE
    model = workshop.library.find("walks", GUILD)
    assert workshop.guilds.choice(GUILD).sha256 == model.sha256
    assert (await workshop.kept(job)).state is JobState.DONE
    lines = [line["message"] for line in log_lines() if str(error) in line["message"]]
    assert len(lines) == 3
    assert len(workshop.trainer.specs) == 1


async def test_a_model_whose_files_lie_there_already_is_put_on_the_shelf_once_that_can_be_kept(
    workshop: Workshop,
) -> None:
    workshop.rows.shelve_failures = 3
    view = await workshop.end_of(await workshop.submit())
    assert view.job.state is JobState.DONE
    assert [kept.name for kept in await workshop.rows.added_models(GUILD)] == ["walks"]


@pytest.mark.parametrize(
    "error",
    [NothingThere("It is gone."), PermissionError(errno.EACCES, "Permission denied")],
    ids=["a sentence", "no permission"],
)
async def test_what_does_not_pass_by_itself_fails_the_training_at_once(
    workshop: Workshop, error: BotError | OSError
) -> None:
    left = workshop.fail_to_install(error, error)
    view = await workshop.end_of(await workshop.submit())
    assert view.job.state is JobState.FAILED
    assert view.job.sentence == f"The model could not be installed: {error}"
    assert len(left) == 1


async def until_failed(left: list[BotError | OSError]) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while left:
            await asyncio.sleep(0.001)


async def test_a_bot_stops_while_a_finished_model_waits_and_the_next_start_installs_it(
    workshop: Workshop,
) -> None:
    workshop.training_queue._retry_seconds = 600.0
    left = workshop.fail_to_install(DatabaseBusyError(10.0))
    job = await workshop.submit()
    await until_failed(left)
    async with asyncio.timeout(HANG_SECONDS):
        await workshop.close()
    await workshop.open()
    assert (await workshop.end_of(job)).job.state is JobState.DONE
    assert [spec.resume for spec in workshop.trainer.specs] == [False, True]


async def test_a_training_whose_finished_model_waits_can_be_cancelled_and_leaves_nothing(
    workshop: Workshop,
) -> None:
    """Whoever cancelled it was told that it had just ended, for as long as the disk was full."""
    workshop.training_queue._retry_seconds = 600.0
    workshop.rows.shelve_failures = 1
    job = await workshop.submit()
    async with asyncio.timeout(HANG_SECONDS):
        while not workshop.waits_to_install:
            await asyncio.sleep(0.001)
    assert workshop.library.find("walks", GUILD).guild == GUILD  # half of it is done
    assert await workshop.training_queue.cancel(job.id, "It was cancelled.")
    view = await workshop.end_of(job)
    assert (view.job.state, view.job.sentence) == (JobState.CANCELLED, "It was cancelled.")
    with pytest.raises(UnknownModel):
        workshop.library.find("walks", GUILD)
    assert list((workshop.job_folder / "data" / "guilds" / GUILD).iterdir()) == []
    assert not workshop.training_queue.job_folder(job.id).exists()
    assert (await workshop.end_of(await workshop.submit())).job.state is JobState.DONE


async def test_what_is_cancelled_during_the_try_that_works_is_taken_away_again(
    workshop: Workshop,
) -> None:
    installing, go = workshop.hold_installs()
    workshop.fail_to_install(DatabaseBusyError(10.0))
    job = await workshop.submit()
    await installing.wait()
    assert await workshop.training_queue.cancel(job.id, "It was cancelled.")
    go.set()
    assert (await workshop.end_of(job)).job.state is JobState.CANCELLED
    assert await workshop.rows.added_models(GUILD) == []
    assert workshop.guilds.choice(GUILD).name == ""
    with pytest.raises(UnknownModel):
        workshop.library.find("walks", GUILD)


async def test_while_another_program_locks_the_database_a_finished_model_waits(
    workshop: Workshop,
) -> None:
    """With SQLite's own lock, and not a fake's error."""
    workshop.trainer.gate = asyncio.Event()
    job = await workshop.submit()
    await workshop.until_kept(job, seconds=10.0)
    await workshop.database.fetch("PRAGMA busy_timeout = 1")
    path = workshop.job_folder / "data" / FILE_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("BEGIN EXCLUSIVE")
        workshop.trainer.go()
        async with asyncio.timeout(HANG_SECONDS):
            while not workshop.waits_to_install:
                await asyncio.sleep(0.001)
    assert (await workshop.end_of(job)).job.state is JobState.DONE
    assert [kept.name for kept in await workshop.rows.added_models(GUILD)] == ["walks"]
