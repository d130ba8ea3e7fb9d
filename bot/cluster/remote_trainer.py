"""The gateway's side of trainings: gives each to the cluster, follows it, and takes the model.

A training's order has a name of its own, which is kept in the job's folder: a gateway that was
restarted finds it again, wherever it has come to meanwhile. What comes back is checked as a model
of strangers is.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nats.errors import Error as NatsError

from bot.cluster.bus import Bus
from bot.cluster.file_store import FileNotFetched
from bot.cluster.messages import TrainerBeat, TrainingEnd, TrainingOrder, TrainingReport
from bot.cluster.model_files import MAX_BYTES
from bot.cluster.training_orders import KEY, Entry, TrainingOrders, file_name
from bot.core.jobs import GIVEN_UP, Progress, TrainingStage
from bot.core.languages import sentence
from bot.core.model_library import SUFFIX
from bot.core.names import MAX_TITLE, one_line
from bot.core.paths import named
from bot.core.tasks import cancel_tasks
from bot.core.training.process import (
    WRONG_USE,
    Trainer,
    TrainingEvent,
    TrainingExit,
    TrainingSpec,
)
from model import ModelError, load_model, write_durably

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.0  # of a trainer, and of what it tells about a training
GONE_SECONDS = 10.0  # without any trainer's beat: then a gateway trains itself
LOOK_SECONDS = 1.0
CLOSE_SECONDS = 3.0  # for removing what nobody needs any more
MAX_LOST = 3  # machines that fell silent with a training: it must not end them all
MAX_TRAINERS = 64  # that are counted
MAX_MISSING = 5  # tries to fetch what a training has left
MAX_CHART_BYTES, MAX_POEM_BYTES = 2_000_000, 100_000
PNG = b"\x89PNG\r\n\x1a\n"
KEY_NAME = "_order"  # in a job's folder: what its order is called


@dataclass(slots=True)
class _Follow:
    """A training that is followed, and what of it was seen."""

    key: str
    spec: TrainingSpec
    tell: Callable[[TrainingEvent], None]
    book: str  # the hash of its file
    seen: tuple[str, TrainingReport] | None = None
    chart: str | None = None  # the one that lies in the job's folder
    drawn: int = 0
    missing: int = 0  # times that what it has left did not come


class RemoteTrainer:
    """Trains on the trainers of a cluster; see `bot.core.training.process.TrainersElsewhere`."""

    def __init__(self, bus: Bus, orders: TrainingOrders, *, may_train_here: bool) -> None:
        self._bus = bus
        self._orders = orders
        self._may_train_here = may_train_here
        self._here: Trainer | None = None
        self._turn = asyncio.Lock()  # of this machine
        self._trainers: dict[str, float] = {}  # when each was heard
        self._last_heard = 0.0
        self._forgetting: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen to the trainers; for some seconds it counts as if one were there."""
        self._last_heard = self._now()
        await self._bus.listen("trainer", TrainerBeat, self._hear)

    async def close(self) -> None:
        if self._forgetting:
            await asyncio.wait(self._forgetting, timeout=CLOSE_SECONDS)
        await cancel_tasks(self._forgetting)

    def stand_in(self, here: Trainer) -> None:
        """Let `here` train where no trainer is heard of, unless the settings forbid it."""
        self._here = here if self._may_train_here else None

    @property
    def at_once(self) -> int:
        """How many trainings can run, at least one."""
        now = self._now()
        heard = [id_ for id_, at in self._trainers.items() if now - at < GONE_SECONDS]
        return min(max(len(heard), 1), MAX_TRAINERS)

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        """Have a book trained; when cancelled, the training goes on until it is forgotten."""
        if self._here is not None and spec.resume:  # it began here
            return await self._train_here(spec, tell)
        key = await asyncio.to_thread(_read_key, spec.out)
        if key is None:
            if self._trains_here:
                return await self._train_here(spec, tell)
            key = await asyncio.to_thread(_make_key, spec.out)
        book = await asyncio.to_thread(spec.book.read_bytes)
        follow = _Follow(key, spec, tell, hashlib.sha256(book).hexdigest())
        told = False
        while True:
            try:
                entry = await self._orders.get(key)
                if await self._is_mine(entry):
                    return await self._train_here(spec, tell)
                ended = await self._follow(follow, entry)
                if ended is not None:
                    return ended
                told = False
            except (NatsError, OSError) as error:  # also of a disk that is full
                if not told:
                    log.warning("a training waits: %s", error or type(error).__name__)
                told = True
            await asyncio.sleep(LOOK_SECONDS)

    async def forget(self, out: Path) -> None:
        """Remove what the cluster has of a training that has ended, as soon as NATS can be asked.

        A trainer that still works on it stops.
        """
        key = await asyncio.to_thread(_read_key, out)
        if key is not None:
            task = asyncio.create_task(self._clear(key))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)

    # Here or there

    @property
    def _trains_here(self) -> bool:
        return self._here is not None and self._now() - self._last_heard > GONE_SECONDS

    async def _is_mine(self, entry: Entry | None) -> bool:
        """Return whether this machine is to train, as no other can; the order is taken back.

        Not what another machine was lost with: nobody knows why.
        """
        if not self._trains_here:
            return False
        if entry is None:
            return True
        order = entry.order
        if order is None or order.trainer or order.lost or order.end is not None:
            return False
        return await self._orders.remove(entry.key, entry.revision)

    async def _train_here(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        assert self._here is not None  # noqa: S101 - asked before
        async with self._turn:
            return await self._here.train(spec, tell)

    async def _hear(self, beat: TrainerBeat) -> None:
        self._last_heard = self._trainers[beat.trainer] = self._now()
        while len(self._trainers) > MAX_TRAINERS:
            del self._trainers[min(self._trainers, key=self._trainers.__getitem__)]

    # A training elsewhere

    async def _follow(self, follow: _Follow, entry: Entry | None) -> TrainingExit | None:
        """Do what is next for a training; return how it ended, None while it has not."""
        if entry is None:
            await self._give(follow)
        elif entry.order is None or entry.order.book != follow.book:
            log.warning("somebody has overwritten the order of a training; it is given anew")
            await self._orders.remove(entry.key, entry.revision)
        elif entry.order.end is not None:
            return await self._end(follow, entry, entry.order, entry.order.end)
        else:
            await self._tell(follow, entry.order)
        return None

    async def _give(self, follow: _Follow) -> None:
        """Put the book and the order where trainers find them."""
        spec = follow.spec
        book = await asyncio.to_thread(spec.book.read_bytes)
        order = TrainingOrder(
            book=follow.book,
            title=one_line(spec.title)[:MAX_TITLE],
            seconds=min(max(spec.seconds, 1.0), 600_000.0),
        )
        await self._orders.files.put(file_name(follow.key, follow.book), book)
        await self._orders.create(follow.key, order)

    async def _tell(self, follow: _Follow, order: TrainingOrder) -> None:
        """Tell how far it has come."""
        seen = (order.trainer, order.report)
        if seen == follow.seen:
            return
        report = order.report
        if report.chart is not None and report.chart != follow.chart:
            with suppress(FileNotFetched):  # the next one will come
                await self._fetch_chart(follow, report.chart)
        follow.seen = seen
        follow.tell({"event": "elsewhere", "progress": _progress(follow, order)})

    async def _end(
        self, follow: _Follow, entry: Entry, order: TrainingOrder, end: TrainingEnd
    ) -> TrainingExit | None:
        """Take what a training has left; return None to look again."""
        if end.status == 0:
            try:
                refused = await self._take(follow, end)
            except FileNotFetched as error:
                follow.missing += 1
                log.warning("what a training has left does not come: %s", error)
                if follow.missing < MAX_MISSING:
                    return None
                await self._orders.remove(entry.key, entry.revision)
                return TrainingExit(1, str(error))
            if not refused:
                follow.tell({"event": "elsewhere", "progress": _progress(follow, order)})
                return TrainingExit(0, "")  # the order stays until the model is in its place
            log.warning("a model from the cluster is refused: %s", refused)
            return TrainingExit(WRONG_USE, refused)
        if order.lost >= MAX_LOST:
            return TrainingExit(WRONG_USE, GIVEN_UP)
        await self._orders.remove(entry.key, entry.revision)  # else the next try would find it
        return TrainingExit(end.status, end.complaint)

    async def _take(self, follow: _Follow, end: TrainingEnd) -> str:
        """Put the files of a finished training into the job's folder; return why not."""
        spec, made = follow.spec, follow.spec.out / f"{follow.spec.name}{SUFFIX}"
        if end.model is None:
            return sentence("The machine that trained it gave no model.")
        model = await self._fetch(follow, end.model, MAX_BYTES)
        await asyncio.to_thread(write_durably, made, [model])
        try:
            await asyncio.to_thread(load_model, made, for_guild=True)
        except ModelError as error:
            await asyncio.to_thread(made.unlink)
            return str(error).replace(f"{made.parent}/", "")
        if end.chart is not None:
            await self._fetch_chart(follow, end.chart)
        if end.poem is not None:
            poem = await self._fetch(follow, end.poem, MAX_POEM_BYTES)
            text = poem.decode("utf-8", "replace").encode()
            await asyncio.to_thread(write_durably, named(spec.out, f"{spec.name}.txt"), [text])
        return ""

    async def _fetch_chart(self, follow: _Follow, sha256: str) -> None:
        chart = await self._fetch(follow, sha256, MAX_CHART_BYTES)
        if chart.startswith(PNG):
            path = named(follow.spec.out, f"{follow.spec.name}.png")
            await asyncio.to_thread(write_durably, path, [chart])
            follow.chart, follow.drawn = sha256, follow.drawn + 1

    async def _fetch(self, follow: _Follow, sha256: str, max_bytes: int) -> bytes:
        return await self._orders.files.fetch(file_name(follow.key, sha256), sha256, max_bytes)

    async def _clear(self, key: str) -> None:
        """Remove an order and its files, again and again until it works."""
        while True:
            try:
                entry = await self._orders.get(key)
                if entry is None:
                    return
                if await self._orders.remove(key, entry.revision) and entry.order is not None:
                    for sha256 in _files_of(entry.order):
                        await self._orders.files.remove(file_name(key, sha256))
            except (NatsError, OSError) as error:
                log.debug("a training is not forgotten yet: %s", error)
                await asyncio.sleep(LOOK_SECONDS)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _progress(follow: _Follow, order: TrainingOrder) -> Progress:
    if not order.trainer:
        return Progress(stage=TrainingStage.WAITING)
    report = order.report
    return Progress(
        **report.model_dump(exclude={"version", "chart"}),
        chart=None if follow.chart is None else follow.spec.out / f"{follow.spec.name}.png",
        drawn=follow.drawn,
    )


def _files_of(order: TrainingOrder) -> set[str]:
    """Return the hashes of an order's files."""
    end = order.end or TrainingEnd(status=0)
    files = (order.book, order.report.chart, end.model, end.chart, end.poem)
    return {sha256 for sha256 in files if sha256 is not None}


def _read_key(folder: Path) -> str | None:
    """Return what the order of a job is called, None where it has none."""
    try:
        key = (folder / KEY_NAME).read_text("ascii")
    except (OSError, ValueError):
        return None
    return key if KEY.fullmatch(key) else None


def _make_key(folder: Path) -> str:
    key = uuid.uuid4().hex
    write_durably(folder / KEY_NAME, [key.encode()])
    return key
