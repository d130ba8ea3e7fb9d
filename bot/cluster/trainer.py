"""`python -m bot trainer`: takes trainings of a cluster, one at a time.

An idle trainer looks for orders that wait, or whose machine has fallen silent, and writes its name
into one. While it trains it writes how far it has come every two seconds, which also says that it
is there. A trainer that is asked to stop gives its order back first.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nats.errors import Error as NatsError

from bot.cluster.bus import Bus
from bot.cluster.file_store import FileNotFetched
from bot.cluster.messages import (
    MAX_COMPLAINT,
    MAX_SAMPLE,
    TrainerBeat,
    TrainingEnd,
    TrainingOrder,
    TrainingReport,
)
from bot.cluster.remote_trainer import BEAT_SECONDS, MAX_CHART_BYTES, MAX_LOST
from bot.cluster.training_orders import KEY, Entry, TrainingOrders, file_name
from bot.core.jobs import Progress
from bot.core.languages import sentence
from bot.core.paths import named, remove_folder
from bot.core.tasks import cancel_tasks
from bot.core.training.process import (
    WRONG_USE,
    Trainer,
    TrainingEvent,
    TrainingSpec,
    apply_event,
)
from bot.core.training.queue import BOOK_NAME

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LOST_SECONDS = 20.0  # without a word from a training's machine
STOP_SECONDS = 1.0  # from the end of a training process to our own signal
SWEEP_SECONDS = 3_600.0  # that a folder is kept whose order is gone
NAME = "model"  # of every training here; its gateway knows the real one


@dataclass(slots=True)
class _Claim:
    """An order that we have, as it last stood, and how far its training is."""

    key: str
    order: TrainingOrder
    revision: int
    progress: Progress = field(default_factory=Progress)
    drawn: int = 0  # the chart that was sent


class TrainingMachine:
    """Takes one order after another until it is asked to stop."""

    def __init__(
        self,
        bus: Bus,
        orders: TrainingOrders,
        trainer: Trainer,
        folder: Path,
        *,
        max_book_bytes: int,
        max_seconds: float,
    ) -> None:
        self._bus = bus
        self._orders = orders
        self._trainer = trainer
        self._folder = folder
        self._max_book_bytes = max_book_bytes
        self._max_seconds = max_seconds
        self._seen: dict[str, tuple[int, float]] = {}  # revisions, and since when
        self._swept = -math.inf
        self._complained = False

    async def run(self, stop: asyncio.Event) -> None:
        """Train until `stop` is set; then what is under way is given back."""
        beating = asyncio.create_task(self._beat())
        try:
            while not stop.is_set():
                claim = await self._claim()
                if claim is not None:
                    await self._serve(claim, stop)
                    self._seen.clear()  # who was silent meanwhile was not listened to
                else:
                    await _wait(stop, LOOK_SECONDS)
        finally:
            await cancel_tasks([beating])

    async def _beat(self) -> None:
        while True:
            await self._bus.publish("trainer", TrainerBeat(trainer=self._bus.id))
            await asyncio.sleep(BEAT_SECONDS)

    # Orders

    async def _claim(self) -> _Claim | None:
        """Take an order that nobody works on; return None for none."""
        try:
            claim = await self._look()
        except (NatsError, OSError) as error:
            self._seen.clear()  # while nobody can be heard, nobody is silent
            if not self._complained:
                log.warning("no orders from NATS: %s", error or type(error).__name__)
            self._complained = True
            return None
        self._complained = False
        return claim

    async def _look(self) -> _Claim | None:
        entries, now = await self._orders.look(), asyncio.get_running_loop().time()
        self._seen = {
            entry.key: before
            if (before := self._seen.get(entry.key)) and before[0] == entry.revision
            else (entry.revision, now)
            for entry in entries
        }
        if now - self._swept > SWEEP_SECONDS:
            self._swept = now
            await asyncio.to_thread(self._sweep, {entry.key for entry in entries})
        for entry in entries:
            order = entry.order
            if order is None or order.end is not None:
                continue
            silent = now - self._seen[entry.key][1] > LOST_SECONDS
            if order.trainer in ("", self._bus.id) or silent:
                claim = await self._take(entry, order)
                if claim is not None:
                    return claim
        return None

    async def _take(self, entry: Entry, order: TrainingOrder) -> _Claim | None:
        """Write our name into an order; one that has cost too many trainers is given up."""
        lost = order.lost + (order.trainer not in ("", self._bus.id))
        if lost > order.lost:
            log.warning(
                "the trainer %s is not heard of any more; it had the training %s",
                *(order.trainer[:8], entry.key[:8]),
            )
        if lost >= MAX_LOST:
            log.error("the training %s is given up: %d trainers were lost", entry.key[:8], lost)
            given_up = order.model_copy(update={"lost": lost, "end": TrainingEnd(status=WRONG_USE)})
            await self._orders.change(entry.key, given_up, entry.revision)
            return None
        ours = order.model_copy(
            update={
                "trainer": self._bus.id,
                "attempt": order.attempt + 1,
                "lost": lost,
                "report": TrainingReport(),
            }
        )
        revision = await self._orders.change(entry.key, ours, entry.revision)
        if revision is None:  # another one was first
            return None
        resumed = await asyncio.to_thread(self._checkpoint(entry.key).exists)
        before = order.report.seconds if resumed else 0.0
        return _Claim(entry.key, ours, revision, Progress(seconds=before))

    async def _set(self, claim: _Claim, **changes: object) -> bool:
        """Change an order that we have; return whether it is ours still."""
        order = claim.order.model_copy(update=changes)
        for _ in range(2):
            revision = await self._orders.change(claim.key, order, claim.revision)
            if revision is not None:
                claim.order, claim.revision = order, revision
                return True
            entry = await self._orders.get(claim.key)  # an answer to us may have been lost
            now = None if entry is None else entry.order
            if entry is None or now is None or now.end is not None:
                return False
            if (now.trainer, now.attempt) != (order.trainer or self._bus.id, order.attempt):
                return False
            claim.revision = entry.revision
        return False

    # A training

    async def _serve(self, claim: _Claim, stop: asyncio.Event) -> None:
        """Train, unless the order is taken away or given back."""
        log.info("the training %s begins, attempt %d", claim.key[:8], claim.order.attempt)
        training = asyncio.create_task(self._train(claim))
        keeping = asyncio.create_task(self._keep(claim))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([training, keeping, stopping], return_when=asyncio.FIRST_COMPLETED)
            await cancel_tasks([keeping])
            failed = training.done() and training.result().status != 0
            if failed:  # who stops a service tells its processes in any order
                await _wait(stop, STOP_SECONDS)
            if stop.is_set() and (failed or not training.done()):
                await self._give_back(claim)
            elif training.done():
                await self._finish(claim, training.result(), stop)
            else:
                log.info("the training %s is not wanted any more", claim.key[:8])
                await cancel_tasks([training])
                await asyncio.to_thread(remove_folder, self._folder, claim.key)
        finally:
            await cancel_tasks([training, keeping, stopping])

    async def _keep(self, claim: _Claim) -> None:
        """Write how far it is, which keeps the order ours; return when it is not any more."""
        while True:
            try:
                if not await self._set(claim, report=await self._report(claim)):
                    return
            except (NatsError, OSError) as error:
                log.debug("the training %s is not told: %s", claim.key[:8], error)
            await asyncio.sleep(BEAT_SECONDS)

    async def _finish(self, claim: _Claim, end: TrainingEnd, stop: asyncio.Event) -> None:
        """Say how a training ended, as soon as NATS can be asked."""
        while True:
            try:
                kept = await self._set(claim, report=await self._report(claim), end=end)
                break
            except (NatsError, OSError) as error:
                if stop.is_set():
                    log.warning("stopping: the end of %s is lost: %s", claim.key[:8], error)
                    return
            await _wait(stop, LOOK_SECONDS)
        told = f"ended with status {end.status}" if kept else "has ended, and was not ours any more"
        log.info("the training %s %s", claim.key[:8], told)
        if end.status in (0, WRONG_USE) or not kept:  # else it may go on from its checkpoint
            await asyncio.to_thread(remove_folder, self._folder, claim.key)

    async def _give_back(self, claim: _Claim) -> None:
        try:
            if await self._set(claim, trainer=""):
                log.info("stopping: the training %s is given back", claim.key[:8])
        except (NatsError, OSError) as error:
            log.warning(
                "stopping: the training %s cannot be given back (%s); others take it in %.0f s",
                *(claim.key[:8], error or type(error).__name__, LOST_SECONDS),
            )

    async def _train(self, claim: _Claim) -> TrainingEnd:
        """Fetch the book, train on it, and put what came out where the gateway finds it."""
        folder = named(self._folder, claim.key)
        try:
            resume = await asyncio.to_thread(self._checkpoint(claim.key).exists)
            if not resume:
                await asyncio.to_thread(remove_folder, self._folder, claim.key)
                await asyncio.to_thread(folder.mkdir, parents=True, mode=0o700)
                book = await self._fetch_book(claim)
                await asyncio.to_thread((folder / BOOK_NAME).write_bytes, book)
            seconds = min(claim.order.seconds, self._max_seconds) - claim.progress.seconds
            spec = TrainingSpec(
                folder / BOOK_NAME, claim.order.title, NAME, folder, seconds, resume
            )
            ended = await self._trainer.train(spec, lambda event: self._receive(claim, event))
            if ended.status != 0:
                told = ended.complaint[-MAX_COMPLAINT:]
                log.warning("%s: status %d %s", claim.key[:8], ended.status, told[-1_000:])
                return TrainingEnd(
                    status=ended.status, complaint=_clean(told.replace(f"{folder}/", ""))
                )
            return TrainingEnd(
                status=0,
                model=await self._put(claim.key, folder / f"{NAME}.safetensors"),
                chart=await self._put(claim.key, folder / f"{NAME}.png"),
                poem=await self._put(claim.key, folder / f"{NAME}.txt"),
            )
        except FileNotFetched as error:
            status = WRONG_USE if error.too_long else 1
            told = sentence("The book did not come. {reason}", reason=error.sentence)
            return TrainingEnd(status=status, complaint=told)
        except Exception as error:  # of one training, which the next has no part in
            log.exception("the training %s cannot be done here", claim.key[:8])
            return TrainingEnd(status=1, complaint=_clean(str(error))[:MAX_COMPLAINT])

    async def _fetch_book(self, claim: _Claim) -> bytes:
        while True:
            try:
                name = file_name(claim.key, claim.order.book)
                return await self._orders.files.fetch(name, claim.order.book, self._max_book_bytes)
            except FileNotFetched:
                if self._bus.is_up:
                    raise
            await asyncio.sleep(LOOK_SECONDS)

    async def _put(self, key: str, path: Path) -> str | None:
        """Put a file where the gateway finds it, as soon as NATS can be asked; return its hash."""
        if not await asyncio.to_thread(path.exists):
            return None
        data = await asyncio.to_thread(path.read_bytes)
        sha256 = hashlib.sha256(data).hexdigest()
        while True:
            try:
                await self._orders.files.put(file_name(key, sha256), data)
                return sha256
            except (NatsError, OSError) as error:
                log.warning("a file of %s waits for NATS: %s", key[:8], error)
            await asyncio.sleep(LOOK_SECONDS)

    def _receive(self, claim: _Claim, event: TrainingEvent) -> None:
        try:
            claim.progress = apply_event(claim.progress, event)
        except (KeyError, TypeError, ZeroDivisionError) as error:
            log.warning("%s: an event that cannot be read: %r", claim.key[:8], error)

    async def _report(self, claim: _Claim) -> TrainingReport:
        """Return how far a training is; a new chart is sent first."""
        progress, chart = claim.progress, claim.order.report.chart
        if progress.chart is not None and progress.drawn != claim.drawn:
            with suppress(OSError):
                data = await asyncio.to_thread(progress.chart.read_bytes)
                if len(data) <= MAX_CHART_BYTES:
                    chart = hashlib.sha256(data).hexdigest()
                    await self._orders.files.put(file_name(claim.key, chart), data)
            claim.drawn = progress.drawn
            old = claim.order.report.chart
            if old not in (None, chart):
                await self._orders.files.remove(file_name(claim.key, str(old)))
        return TrainingReport(
            stage=progress.stage,
            share=min(max(progress.share, 0.0), 1.0),
            epoch=progress.epoch,
            epochs=progress.epochs,
            loss=_figure(progress.loss),
            held_out_loss=_figure(progress.held_out_loss),
            best_loss=_figure(progress.best_loss),
            characters_per_second=_figure(progress.characters_per_second),
            seconds_left=_figure(progress.seconds_left),
            sample=_clean(progress.sample[:MAX_SAMPLE]),
            chart=chart,
            seconds=_figure(progress.seconds) or 0.0,
        )

    # The disk

    def _checkpoint(self, key: str) -> Path:
        return named(self._folder, key) / NAME / "resume.safetensors"

    def _sweep(self, live: set[str]) -> None:
        """Delete the folders of orders that have been gone for a while."""
        with suppress(FileNotFoundError):
            for folder in self._folder.iterdir():
                old = time.time() - folder.stat().st_mtime > SWEEP_SECONDS
                if old and KEY.fullmatch(folder.name) and folder.name not in live:
                    remove_folder(self._folder, folder.name)


def _figure(value: float | None) -> float | None:
    return value if value is not None and 0.0 <= value <= 1e12 else None


def _clean(text: str) -> str:
    """Return text without what UTF-8 cannot write."""
    return text.encode("utf-8", "replace").decode()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
