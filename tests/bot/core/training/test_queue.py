"""The queue of trainings, and what it survives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.core.jobs import JobState
from bot.core.training.process import TrainingEvent, TrainingExit, TrainingSpec
from bot.core.training.queue import ATTEMPTS, BOOK_NAME
from tests.apps import GUILD, FakeTrainer, epoch
from tests.bot.core.training.workshop import Workshop
from tests.conftest import LogLines
from tests.timeouts import HANG_SECONDS

KILLED = TrainingExit(-9, "")
PATHS = ["../../precious", "/etc", "..", "", "a/b", "con"]


async def test_a_training_ends_with_its_model_in_the_guilds_folder_and_in_use(
    workshop: Workshop,
) -> None:
    job = await workshop.submit()
    view = await workshop.end_of(job)
    assert view.job.state is JobState.DONE
    assert view.progress.sample == "a line of verse"
    model = workshop.library.find("walks", GUILD)
    assert workshop.guilds.choice(GUILD).sha256 == model.sha256
    assert model.chart is not None
    kept = await workshop.kept(job)
    assert (kept.state, kept.loss, kept.seconds) == (JobState.DONE, 1.25, 20.0)


async def test_of_a_training_that_has_ended_nothing_else_is_left(workshop: Workshop) -> None:
    job = await workshop.submit()
    await workshop.end_of(job)
    assert not workshop.training_queue.job_folder(job.id).exists()


async def test_progress_is_told_while_it_trains(workshop: Workshop) -> None:
    workshop.trainer.gate = asyncio.Event()
    job = await workshop.submit()
    async for view in workshop.training_queue.watch(job.id):
        if view.progress.sample:
            assert view.job.state is JobState.RUNNING
            assert (view.progress.epoch, view.progress.epochs) == (1, 2)
            assert view.progress.held_out_loss == 2.5
            break
    workshop.trainer.gate.set()
    await workshop.end_of(job)


async def test_one_trains_at_a_time_and_the_others_see_their_places(workshop: Workshop) -> None:
    workshop.trainer.gate = asyncio.Event()
    jobs = [await workshop.submit(name=name) for name in ("one", "two", "three")]
    await workshop.trainer.began.wait()
    assert [(view.job.name, view.place) for view in workshop.training_queue.views()] == [
        ("one", 0),
        ("two", 1),
        ("three", 2),
    ]
    assert len(workshop.trainer.specs) == 1
    workshop.trainer.gate.set()
    ends = [(await workshop.end_of(job)).job.state for job in jobs]
    assert ends == [JobState.DONE] * 3
    assert [spec.name for spec in workshop.trainer.specs] == ["one", "two", "three"]


async def test_a_killed_training_goes_on_from_its_checkpoint(workshop: Workshop) -> None:
    workshop.trainer.endings = [KILLED]
    assert (await workshop.end_of(await workshop.submit())).job.state is JobState.DONE
    assert [spec.resume for spec in workshop.trainer.specs] == [False, True]


async def test_a_training_that_is_killed_again_and_again_is_given_up(workshop: Workshop) -> None:
    workshop.trainer.endings = [KILLED] * 10
    view = await workshop.end_of(await workshop.submit())
    assert view.job.state is JobState.FAILED
    assert "memory ran out" in view.job.sentence
    assert len(workshop.trainer.specs) == ATTEMPTS + 1  # the second one got further


async def test_lines_of_a_training_have_its_job_for_a_number(
    workshop: Workshop, log_lines: LogLines
) -> None:
    workshop.trainer.endings = [KILLED]
    job = await workshop.submit()
    await workshop.end_of(job)
    (line,) = [line for line in log_lines() if "ended with status -9" in line["message"]]
    assert line["request"] == f"job {job.id}"


@pytest.mark.parametrize("status", [-9, -15, 137])
async def test_who_is_killed_is_told_of_the_memory(workshop: Workshop, status: int) -> None:
    workshop.trainer.endings = [TrainingExit(status, "")] * 10
    view = await workshop.end_of(await workshop.submit())
    assert f"stopped from outside 3 times without progress (status {status})" in (view.job.sentence)


async def test_a_training_that_breaks_off_by_itself_is_told_of_the_log(
    workshop: Workshop,
) -> None:
    """It was told of the memory, whatever was wrong."""
    workshop.trainer.endings = [TrainingExit(1, "Traceback: a bug")] * 10
    job = await workshop.submit()
    view = await workshop.end_of(job)
    assert view.job.sentence == (
        "The training failed 3 times without progress (status 1). "
        f"Give the bot's admin this ID: job {job.id}"
    )


async def test_to_come_back_to_where_it_was_is_not_to_get_further(workshop: Workshop) -> None:
    """A training resumes some way back; one that fell back and rose again went on for ever."""

    class Wavering(FakeTrainer):
        async def train(
            self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
        ) -> TrainingExit:
            self.specs.append(spec)
            tell(epoch((3, 1, 2)[len(self.specs) % 3 - 1], epochs=4))
            return KILLED

    workshop.training_queue._trainer = trainer = Wavering()
    assert (await workshop.end_of(await workshop.submit())).job.state is JobState.FAILED
    assert len(trainer.specs) == ATTEMPTS


async def test_a_refused_book_fails_with_train_pys_sentence_and_no_path(
    workshop: Workshop,
) -> None:
    job = await workshop.propose()
    where = workshop.training_queue.job_folder(job.id) / "walks.safetensors"
    complaint = f"train.py: The model file {where} could not be written: No space left."
    workshop.trainer.endings = [TrainingExit(2, complaint)]
    await workshop.training_queue.submit(job)
    view = await workshop.end_of(job)
    assert view.job.state is JobState.FAILED
    told = "The model file walks.safetensors could not be written: No space left."
    assert view.job.sentence == told


async def test_a_cancelled_training_is_stopped_and_the_next_one_begins(
    workshop: Workshop,
) -> None:
    workshop.trainer.gate = asyncio.Event()
    first, second = await workshop.submit(name="one"), await workshop.submit(name="two")
    await workshop.trainer.began.wait()
    assert await workshop.training_queue.cancel(first.id, "It was cancelled.")
    assert (await workshop.end_of(first)).job.state is JobState.CANCELLED
    assert workshop.trainer.stopped == 1
    workshop.trainer.gate.set()
    assert (await workshop.end_of(second)).job.state is JobState.DONE


async def test_a_waiting_training_is_cancelled_without_having_begun(workshop: Workshop) -> None:
    workshop.trainer.gate = asyncio.Event()
    await workshop.submit(name="one")
    second = await workshop.submit(name="two")
    await workshop.trainer.began.wait()
    assert await workshop.training_queue.cancel(second.id, "It was cancelled.")
    assert (await workshop.end_of(second)).job.state is JobState.CANCELLED
    assert [view.job.name for view in workshop.training_queue.views()] == ["one"]
    assert not await workshop.training_queue.cancel(second.id, "again")


async def test_a_training_that_is_stopped_twice_saves_in_peace_before_the_next_begins(
    workshop: Workshop,
) -> None:
    """The second press broke off the wait, and two trained at a time."""
    workshop.trainer.gate, workshop.trainer.saving = asyncio.Event(), asyncio.Event()
    first, second = await workshop.submit(name="one"), await workshop.submit(name="two")
    await workshop.trainer.began.wait()
    assert await workshop.training_queue.cancel(first.id, "It was cancelled.")
    await workshop.trainer.stopping.wait()
    assert await workshop.training_queue.cancel(first.id, "It was cancelled again.")
    for _ in range(10):
        await asyncio.sleep(0)
    assert (len(workshop.trainer.specs), workshop.trainer.saved) == (1, 0)
    workshop.trainer.saving.set()
    assert (await workshop.end_of(first)).job.sentence == "It was cancelled."
    assert (workshop.trainer.stopped, workshop.trainer.saved) == (1, 1)
    workshop.trainer.gate.set()
    assert (await workshop.end_of(second)).job.state is JobState.DONE


async def test_a_bot_stops_while_a_training_is_being_stopped(workshop: Workshop) -> None:
    """It waited for ever, and the next training began."""
    workshop.trainer.gate, workshop.trainer.saving = asyncio.Event(), asyncio.Event()
    first, second = await workshop.submit(name="one"), await workshop.submit(name="two")
    await workshop.trainer.began.wait()
    await workshop.training_queue.cancel(first.id, "It was cancelled.")
    await workshop.trainer.stopping.wait()
    closing = asyncio.create_task(workshop.close())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    workshop.trainer.saving.set()
    async with asyncio.timeout(HANG_SECONDS):
        await closing
    assert (len(workshop.trainer.specs), workshop.trainer.saved) == (1, 1)
    workshop.trainer.gate.set()
    await workshop.open()
    assert (await workshop.end_of(second)).job.state is JobState.DONE
    assert (await workshop.kept(first)).state is JobState.CANCELLED


async def test_what_was_cancelled_is_so_after_a_kill_too(workshop: Workshop) -> None:
    """Before it has saved, that is: the next start would have gone on with it."""
    workshop.trainer.gate, workshop.trainer.saving = asyncio.Event(), asyncio.Event()
    job = await workshop.submit()
    await workshop.trainer.began.wait()
    await workshop.training_queue.cancel(job.id, "It was cancelled.")
    kept = await workshop.kept(job)
    assert (kept.state, kept.sentence) == (JobState.CANCELLED, "It was cancelled.")
    workshop.trainer.saving.set()


async def test_a_training_is_cancelled_just_before_its_process_begins(
    workshop: Workshop,
) -> None:
    """While the bot looks for a checkpoint: it was told that it stops, and went on."""
    go, busy = threading.Event(), ThreadPoolExecutor(1)
    busy.submit(go.wait)
    asyncio.get_running_loop().set_default_executor(busy)
    try:
        job = await workshop.submit()
        await workshop.until_kept(job, state=JobState.RUNNING)
        assert await workshop.training_queue.cancel(job.id, "It was cancelled.")
    finally:
        go.set()
    assert (await workshop.end_of(job)).job.state is JobState.CANCELLED
    assert workshop.trainer.specs == []


async def test_how_long_a_training_has_learnt_is_kept_after_each_epoch(
    workshop: Workshop,
) -> None:
    workshop.trainer.gate = asyncio.Event()
    await workshop.until_kept(await workshop.submit(), seconds=10.0)


async def test_a_restart_gives_a_training_no_more_time(workshop: Workshop) -> None:
    """Its minutes began anew."""
    workshop.trainer.gate = asyncio.Event()
    job = await workshop.submit()
    await workshop.trainer.began.wait()
    await workshop.close()
    workshop.trainer.gate.set()
    await workshop.open()
    await workshop.end_of(job)
    assert [spec.seconds for spec in workshop.trainer.specs] == [600.0, 590.0]


async def test_a_bot_that_starts_again_takes_up_its_trainings_the_running_one_first(
    workshop: Workshop,
) -> None:
    workshop.trainer.gate = asyncio.Event()
    jobs = [await workshop.submit(name=name) for name in ("one", "two")]
    await workshop.trainer.began.wait()
    await workshop.close()
    assert workshop.trainer.stopped == 1
    workshop.trainer.gate.set()
    await workshop.open()
    assert [(await workshop.end_of(job)).job.state for job in jobs] == [JobState.DONE] * 2
    assert [(o.name, o.resume) for o in workshop.trainer.specs] == [
        ("one", False),
        ("one", True),
        ("two", False),
    ]


async def test_a_kill_between_the_model_and_the_database_is_made_good(workshop: Workshop) -> None:
    """Installed already, and still running as far as the database knows."""
    job = await workshop.submit()
    await workshop.end_of(job)
    await workshop.rows.update_job(job.id, state=JobState.RUNNING)
    job_folder = workshop.training_queue.job_folder(job.id)
    job_folder.mkdir(parents=True)
    (job_folder / BOOK_NAME).write_text("a book")
    await workshop.close()
    await workshop.open()
    assert (await workshop.end_of(job)).job.state is JobState.DONE
    assert len(await workshop.rows.added_models(GUILD)) == 1


async def test_folders_that_belong_to_no_training_are_swept_at_the_start(
    workshop: Workshop,
) -> None:
    proposed = await workshop.propose()
    stray = workshop.training_queue.job_folder(4711)
    stray.mkdir()
    await workshop.close()
    await workshop.open()
    assert not stray.exists()
    assert workshop.training_queue.job_folder(proposed.id).exists()


async def test_a_trainer_that_breaks_does_not_stop_the_queue(workshop: Workshop) -> None:
    class Broken(FakeTrainer):
        async def train(self, *_: object) -> TrainingExit:
            raise RuntimeError("a bug")

    working = workshop.trainer
    workshop.training_queue._trainer = Broken()
    view = await workshop.end_of(await workshop.submit(name="one"))
    assert view.job.state is JobState.FAILED
    assert f"this ID: job {view.job.id}" in view.job.sentence
    workshop.training_queue._trainer = working
    assert (await workshop.end_of(await workshop.submit(name="two"))).job.state is JobState.DONE


@pytest.mark.parametrize("name", PATHS)
async def test_a_job_whose_name_is_a_path_fails_and_touches_nothing(
    workshop: Workshop, name: str, log_lines: LogLines
) -> None:
    """A database that an earlier version restored may have one."""
    precious = workshop.job_folder / "precious" / "letter"
    precious.parent.mkdir()
    precious.write_text("dear")
    before = {path for path in workshop.job_folder.rglob("*") if "jobs" not in path.parts}
    job = await workshop.submit(name=name)
    assert (await workshop.end_of(job)).job.state is JobState.FAILED
    assert workshop.trainer.specs == []
    after = {path for path in workshop.job_folder.rglob("*") if "jobs" not in path.parts}
    assert {path for path in after ^ before if "sonneteer.db" not in path.name} == set()
    assert precious.read_text() == "dear"
