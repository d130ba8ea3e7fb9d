"""The queue of trainings: one at a time on each machine; members can see which ones wait.

What must survive is in the database and in the job's folder, before it counts: a bot that is
killed takes up each training from its last checkpoint when it starts again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from bot.core import request_log
from bot.core.errors import BotError, DataNotKept
from bot.core.installation import has_extra
from bot.core.jobs import Job, JobState, JobView, Progress, TrainingLength, TrainingStage
from bot.core.languages import sentence
from bot.core.metrics import Metrics
from bot.core.paths import named, numbered, remove_folder
from bot.core.retry import until_kept
from bot.core.store.books import BookStore
from bot.core.tasks import cancel_tasks, wait_uninterrupted
from bot.core.training.process import (
    WRONG_USE,
    Trainer,
    TrainersElsewhere,
    TrainingEvent,
    TrainingExit,
    TrainingSpec,
    apply_event,
)

log = logging.getLogger(__name__)

BOOK_NAME = "_book.txt"  # no model can be called that, so nothing of it takes its place
SHORT_SECONDS = 300.0  # of learning, in a short training
ATTEMPTS = 3  # at a training that gets no further
MAX_REMEMBERED = 200  # trainings that have ended, for readers who still look
RETRY_SECONDS = 30.0  # before the database is tried again; the disk may be full
KILLED_IN_A_SHELL = 137  # the status of a wrapper whose child got SIGKILL
STOPPED = TrainingExit(0, "")  # a training that somebody cancelled


@dataclass(frozen=True, slots=True)
class InstallResult:
    """A finished model in its place."""

    sentence: str  # for the asker
    chart: Path | None


Install = Callable[[Job, Path], Awaitable[InstallResult]]
Withdraw = Callable[[Job], Awaitable[None]]
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Run:
    """A training under way."""

    training: asyncio.Task[TrainingExit] | None = None
    outcome_known: bool = False  # whether it is known how the job ends
    # While a finished model waits for the disk or the database: set when it is cancelled.
    called_off: asyncio.Event | None = None


class TrainingQueue:
    """Runs the trainings; `install(job, made)` puts a finished model in its place.

    `withdraw(job)` undoes that. Both are safe to do again. `folder` has a folder
    for each job; `max_seconds` is how long one may learn. `elsewhere` trains in the trainer's
    place, as many at once as it can.
    """

    def __init__(
        self,
        store: BookStore,
        trainer: Trainer,
        folder: Path,
        metrics: Metrics,
        *,
        install: Install,
        withdraw: Withdraw,
        now: Callable[[], str],
        max_seconds: float,
        retry_seconds: float = RETRY_SECONDS,
        elsewhere: TrainersElsewhere | None = None,
    ) -> None:
        self._store = store
        trains_here = has_extra("train")
        self.can_train = trains_here or elsewhere is not None  # else no book is taken
        if elsewhere is not None and trains_here:
            elsewhere.stand_in(trainer)
        self._trainer = elsewhere or trainer
        self._elsewhere = elsewhere
        self.folder = folder
        self._metrics = metrics
        self._install = install
        self._withdraw = withdraw
        self._now = now
        self._max_seconds = max_seconds
        self._retry_seconds = retry_seconds
        self._views: dict[int, JobView] = {}
        self._queue: list[int] = []  # of job ids; the first are those that run
        self._changed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._runs: dict[int, _Run] = {}  # by job id
        self._cancelled: dict[int, str] = {}  # the sentences of jobs that are being stopped

    async def start(self) -> None:
        """Continue the jobs of an earlier run, those that ran first; raise DataNotKept."""
        left = await self._store.jobs_in(JobState.RUNNING, JobState.WAITING)
        left.sort(key=lambda job: (job.state is not JobState.RUNNING, job.id))
        for job in left:
            self._views[job.id] = JobView(replace(job, state=JobState.WAITING))
            self._queue.append(job.id)
        await asyncio.to_thread(self._sweep, await self._store.live_jobs())
        self._work = asyncio.create_task(self._run(), name="trainings")
        self._wake_watchers()

    async def close(self) -> None:
        """Stop what is under way here, with everything saved, and leave it to the next start."""
        if self._work is not None:
            self._work.cancel()
            await wait_uninterrupted(self._work)

    # For others

    def limit_seconds(self, length: TrainingLength) -> float:
        """Return for how long a training may learn."""
        short = length is TrainingLength.SHORT
        return min(self._max_seconds, SHORT_SECONDS) if short else self._max_seconds

    def job_folder(self, job_id: int) -> Path:
        """Return the folder of a job's book and checkpoints; raise PathRefused for no number."""
        return numbered(self.folder, job_id)

    async def submit(self, job: Job) -> JobView:
        """Put a proposed job into the queue; raise DataNotKept."""
        await self._store.update_job(job.id, state=JobState.WAITING, created=self._now())
        self._views[job.id] = JobView(replace(job, state=JobState.WAITING))
        self._queue.append(job.id)
        self._wake_watchers()
        return self.view(job.id) or self._views[job.id]

    async def place(self, job_id: int, channel: str, message: str) -> None:
        """Keep which message shows a job, so that it is found again after a restart."""
        await self._store.update_job(job_id, channel=channel, message=message)
        view = self._views.get(job_id)
        if view is not None:
            job = replace(view.job, channel=channel, message=message)
            self._views[job_id] = replace(view, job=job)

    async def cancel(self, job_id: int, ending: str) -> bool:
        """End a job that waits or runs; return whether there was one, and it was not too late."""
        if job_id not in self._queue:
            return False
        run = self._runs.get(job_id)
        if run is None:
            self._queue.remove(job_id)
            await self._end(job_id, JobState.CANCELLED, ending)
        elif job_id not in self._cancelled:
            if run.outcome_known:
                return self._call_off(job_id, run, ending)
            self._cancelled[job_id] = ending
            if run.training is not None:
                run.training.cancel()  # once: it saves, which must not be interrupted
            with suppress(DataNotKept):  # for a bot that is killed now; the worker insists later
                state, ended = JobState.CANCELLED, self._now()
                await self._store.update_job(job_id, state=state, sentence=str(ending), ended=ended)
        return True

    def _call_off(self, job_id: int, run: _Run, ending: str) -> bool:
        """Give up a finished model that waits to be stored; return whether there was one.

        That is kept once nothing of the model is left: a bot that is killed before installs it.
        """
        if run.called_off is None:
            return False
        self._cancelled[job_id] = ending
        run.called_off.set()
        return True

    def view(self, job_id: int) -> JobView | None:
        """Return the state of a job, None for one that is no longer known."""
        view = self._views.get(job_id)
        if view is None:
            return None
        waits = view.job.state is JobState.WAITING and job_id in self._queue
        ahead = max(len(self._runs) - 1, 0)  # that do not count: they run beside the first
        return replace(view, place=max(self._queue.index(job_id) - ahead, 1) if waits else 0)

    def views(self) -> list[JobView]:
        """Return the trainings that run or wait, in their order."""
        return [view for job_id in self._queue if (view := self.view(job_id)) is not None]

    async def watch(self, job_id: int) -> AsyncIterator[JobView]:
        """Yield the state of a job, now and at each change, until it has ended."""
        seen: JobView | None = None
        while (view := self.view(job_id)) is not None:
            changed = self._changed
            if view != seen:
                seen = view
                yield view
            if view.job.state.is_final:
                return
            await changed.wait()

    # The work

    async def _run(self) -> None:
        """Begin one job after another, as many at once as there are machines."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                changed = self._changed
                room = 1 if self._elsewhere is None else self._elsewhere.at_once
                waiting = [job_id for job_id in self._queue if job_id not in self._runs]
                for job_id in waiting[: max(room - len(self._runs), 0)]:
                    self._runs[job_id] = _Run()
                    seconds = self._views[job_id].job.seconds
                    self._set(job_id, Progress(seconds=seconds), state=JobState.RUNNING)
                    task = asyncio.create_task(self._run_job(job_id), name=f"job {job_id}")
                    running.add(task)
                    task.add_done_callback(running.discard)
                await changed.wait()
        finally:
            await wait_uninterrupted(asyncio.create_task(cancel_tasks(running)))

    async def _run_job(self, job_id: int) -> None:
        try:
            with request_log.request(f"job {job_id}"):
                await self._train(self._views[job_id].job)
        except Exception:
            self._runs[job_id].outcome_known = True
            log.exception("the training of job %d failed unexpectedly", job_id)
            number = f"job {job_id}"
            told = sentence("Something went wrong. Give the bot's admin this ID: {id}", id=number)
            await self._end(job_id, JobState.FAILED, told)
        self._queue.remove(job_id)
        self._cancelled.pop(job_id, None)
        del self._runs[job_id]
        self._wake_watchers()

    async def _train(self, job: Job) -> None:
        """Run a job to its end, also when its process is killed."""
        await self._keep(job.id, state=JobState.RUNNING)
        timekeeper = asyncio.create_task(self._note_seconds(job.id))
        try:
            ended = await self._last_attempt(job)
        finally:
            timekeeper.cancel()
            await wait_uninterrupted(timekeeper)
            with suppress(DataNotKept):  # what was not stored yet when the bot stops
                await self._store.update_job(job.id, seconds=self._views[job.id].progress.seconds)
        self._runs[job.id].outcome_known = True
        if job.id in self._cancelled:
            await self._end(job.id, JobState.CANCELLED, self._cancelled[job.id])
        elif ended.status == 0:
            await self._finish(job)
        else:
            await self._end(job.id, JobState.FAILED, _reason(job, ended, self.job_folder(job.id)))

    async def _last_attempt(self, job: Job) -> TrainingExit:
        """Run the process until it ends well, fails, or has made no progress for a while."""
        failures, reached = 0, (0, 0.0)
        while True:
            ended = await self._attempt(job)
            if job.id in self._cancelled or ended.status in (0, WRONG_USE):
                return ended
            progress = self._views[job.id].progress
            now = (progress.epoch, progress.share)
            failures = 1 if now > reached else failures + 1
            reached = max(now, reached)  # it resumes at a checkpoint, some way back
            said = ended.complaint[-1000:]
            log.warning("job %d: the training ended with status %d %s", job.id, ended.status, said)
            if failures >= ATTEMPTS:
                return ended

    async def _attempt(self, job: Job) -> TrainingExit:
        """Run the process once, from the last checkpoint if there is one."""
        job_folder = self.job_folder(job.id)
        checkpoint = named(job_folder, job.name) / "resume.safetensors"
        resume = await asyncio.to_thread(checkpoint.exists)
        spent = self._views[job.id].progress.seconds if resume else 0.0
        spec = TrainingSpec(
            book=job_folder / BOOK_NAME,
            title=job.title,
            name=job.name,
            out=job_folder,
            seconds=self.limit_seconds(job.length) - spent,
            resume=resume,
        )
        if spec.resume:
            self._set(job.id, await asyncio.to_thread(self._with_chart, job))
        if job.id in self._cancelled:
            return STOPPED
        run = self._runs[job.id]
        training = run.training = asyncio.create_task(
            self._trainer.train(spec, lambda event: self._receive_event(job.id, event))
        )
        try:
            await asyncio.wait([training])
        except asyncio.CancelledError:  # the bot stops; the job goes on at the next start
            if job.id not in self._cancelled:
                training.cancel()
            await wait_uninterrupted(training)
            raise
        finally:
            run.training = None
        return STOPPED if job.id in self._cancelled else training.result()

    def _with_chart(self, job: Job) -> Progress:
        """Return a job's progress with the chart that an earlier run of the bot has left."""
        progress = self._views[job.id].progress
        chart = named(self.job_folder(job.id), f"{job.name}.png")
        if progress.chart is not None or not chart.exists():
            return progress
        return replace(progress, chart=chart, drawn=1)

    async def _note_seconds(self, job_id: int) -> None:
        """After each epoch, keep how long a job has learnt: a restart gives it no extra time."""
        kept = 0.0
        async for view in self.watch(job_id):
            if view.progress.seconds > kept:
                kept = view.progress.seconds
                await self._keep(job_id, seconds=kept)

    def _receive_event(self, job_id: int, event: TrainingEvent) -> None:
        view = self._views[job_id]
        try:
            progress = apply_event(view.progress, event)
        except (KeyError, TypeError, ZeroDivisionError) as error:
            log.warning("job %d: an event that cannot be read: %r", job_id, error)
            return
        if progress != view.progress:
            self._set(job_id, progress)

    async def _finish(self, job: Job) -> None:
        """Install the model, then say so; both are tried again, as it is the work of hours."""
        run, progress = self._runs[job.id], self._views[job.id].progress
        self._set(job.id, replace(progress, stage=TrainingStage.FINISHING))
        installed, reason = None, ""
        try:
            installed = await self._insist(
                job.id, lambda: self._put(job), lambda _: self._wait_to_install(run)
            )
        except (BotError, OSError) as error:
            told = error.sentence if isinstance(error, BotError) else str(error)
            reason = sentence("The model could not be installed: {reason}", reason=told)
        finally:
            run.called_off = None
        if job.id in self._cancelled:
            return await self._take_back(job)
        if installed is None:
            return await self._end(job.id, JobState.FAILED, reason)
        loss = progress.loss if progress.held_out_loss is None else progress.held_out_loss
        self._set(job.id, replace(progress, chart=installed.chart))
        return await self._end(job.id, JobState.DONE, installed.sentence, loss=loss)

    async def _put(self, job: Job) -> InstallResult | None:
        """Put a model in its place, unless that was cancelled."""
        return (
            None if job.id in self._cancelled else await self._install(job, self.job_folder(job.id))
        )

    async def _wait_to_install(self, run: _Run) -> None:
        """Wait before the next try, or until the training is cancelled."""
        run.called_off = run.called_off or asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._retry_seconds):
                await run.called_off.wait()

    async def _take_back(self, job: Job) -> None:
        """Remove a model whose training was cancelled at the very end."""
        try:
            await self._insist(job.id, lambda: self._withdraw(job), self._wait)
        except (BotError, OSError) as error:
            log.error("job %d: its model could not be removed: %s", job.id, error)
        await self._end(job.id, JobState.CANCELLED, self._cancelled[job.id])

    async def _end(
        self, job_id: int, state: JobState, ending: str, *, loss: float | None = None
    ) -> None:
        progress = self._views[job_id].progress
        await self._keep(
            job_id,
            state=state,
            sentence=str(ending),
            ended=self._now(),
            seconds=progress.seconds,
            loss=loss,
        )
        job = replace(self._views[job_id].job, state=state, sentence=ending, loss=loss)
        if state is not JobState.DONE:
            progress = replace(progress, chart=None)  # it goes with the rest
        self._views[job_id] = JobView(job, progress)
        self._metrics.training_jobs.labels(state.value).inc()
        if self._elsewhere is not None:
            await self._elsewhere.forget(self.job_folder(job_id))
        await asyncio.to_thread(remove_folder, self.folder, job_id)
        self._prune()
        self._wake_watchers()

    async def _keep(self, job_id: int, **changes: object) -> None:
        """Write to the database, again and again until it works: the disk may be full."""
        await self._insist(job_id, lambda: self._store.update_job(job_id, **changes), self._wait)

    async def _insist(
        self,
        job_id: int,
        call: Callable[[], Awaitable[Answer]],
        pause: Callable[[int], Awaitable[None]],
    ) -> Answer:
        """Do something for a job until it is kept; the log has a line for each try."""
        return await until_kept(
            call, failed=lambda error: log.error("job %d: %s", job_id, error), pause=pause
        )

    async def _wait(self, _: int) -> None:
        await asyncio.sleep(self._retry_seconds)

    def _set(self, job_id: int, progress: Progress, state: JobState | None = None) -> None:
        view = self._views[job_id]
        job = view.job if state is None else replace(view.job, state=state)
        self._views[job_id] = JobView(job, progress)
        self._wake_watchers()

    def _wake_watchers(self) -> None:
        """Wake all tasks that watch."""
        running = max(len(self._runs), min(len(self._queue), 1))
        self._metrics.training_jobs_running.set(running)
        self._metrics.training_jobs_waiting.set(len(self._queue) - running)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _prune(self) -> None:
        ended = [number for number, view in self._views.items() if view.job.state.is_final]
        for number in ended[:-MAX_REMEMBERED]:
            del self._views[number]

    def _sweep(self, live: set[int]) -> None:
        """Delete the folders of jobs that no longer exist."""
        known = {str(job_id) for job_id in live}
        with suppress(FileNotFoundError):
            for job_folder in self.folder.iterdir():
                if job_folder.name not in known:
                    remove_folder(self.folder, job_folder.name)


def _reason(job: Job, ended: TrainingExit, job_folder: Path) -> str:
    """Say why a training failed."""
    if ended.status == WRONG_USE:
        return ended.complaint.removeprefix("train.py: ").replace(f"{job_folder}/", "")
    killed = ended.status < 0 or ended.status == KILLED_IN_A_SHELL
    if killed:
        return sentence(
            "The training was stopped from outside {times} times without progress (status "
            "{status}). Most often that means that the memory ran out. Train a shorter book, or "
            "give this machine more memory.",
            times=ATTEMPTS,
            status=ended.status,
        )
    number = f"job {job.id}"
    return sentence(
        "The training failed {times} times without progress (status {status}). Give the bot's "
        "admin this ID: {id}",
        times=ATTEMPTS,
        status=ended.status,
        id=number,
    )
