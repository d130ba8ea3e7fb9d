"""The gateway's side: gives poems to the workers that have room, and again where one is lost.

A worker says every second what it can take. A poem goes to the one with most room, if possible one
that has the model in memory. If the worker is not heard of any more, if a message of it is missing
or if it is full after all, another one writes the poem from its beginning; what was shown before is
left out. It is the same poem, to the letter: where it is not, it ends with a sentence.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from bot.cluster.bus import Bus
from bot.cluster.messages import Answer, Cancel, GatewayBeat, PoemOrder, PoemText, WorkerBeat
from bot.cluster.model_files import ModelFiles
from bot.core.engine_worker import Delivery, EngineDraft
from bot.core.errors import BotError, NoWriter
from bot.core.languages import counted, sentence
from bot.core.records import Ending
from bot.core.tasks import cancel_tasks

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
LOST_SECONDS = 3.0  # without a beat
GONE_SECONDS = 10.0  # without any worker's beat: then poems are refused at once
ANSWER_SECONDS = 2.0  # to an order
GIVE_UP_SECONDS = 60.0  # that a poem waits for a worker, once it has had one
MAX_ATTEMPTS = 4  # that had begun: a poem that ends its workers must not end them all
MISSING_BEATS = 2  # that do not name an attempt; its end may be on the way


class WorkerFailed(BotError):
    """A worker says why it cannot write a poem."""


class OtherPoem(BotError):
    def __init__(self) -> None:
        super().__init__(
            sentence(
                "The machine that wrote this poem was lost, and another one has other program "
                "files, so it cannot go on. Ask for the poem again."
            )
        )


@dataclass(slots=True)
class _Worker:
    """What is known of a worker: its latest beat, less what it was given since."""

    beat: WorkerBeat
    heard: float
    poems: int
    lines: int
    rows: int

    def room(self, draft: EngineDraft) -> int:
        if draft.request.form is None:
            return self.rows
        return self.lines if draft.request.candidates and not self.poems else self.poems

    def take(self, draft: EngineDraft) -> None:
        if draft.request.form is None:
            self.rows -= 1
        elif draft.request.candidates and not self.poems:
            self.lines -= 1
        else:
            self.poems -= 1


@dataclass(eq=False, slots=True)
class _Order:
    """A poem that a worker is to write, and how far it has come."""

    draft: EngineDraft
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    attempt: int = 0
    worker: str = ""  # "": it waits for one
    number: int = 0  # of the next message
    accepted: bool = False  # by the worker, in this attempt
    missing: int = 0  # beats in a row without it since
    begun: int = 0  # attempts of which something came, or that were accepted
    shown: str = ""
    repeated: str = ""  # of this attempt, while it repeats what was shown
    waits_since: float = 0.0


class ClusterWriter:
    """Writes on the workers of a cluster; see `bot.core.engine_worker.RemoteWriter`."""

    def __init__(self, bus: Bus, files: ModelFiles) -> None:
        self._bus = bus
        self._files = files
        self._workers: dict[str, _Worker] = {}
        self._orders: dict[str, _Order] = {}
        self._waiting: dict[_Order, None] = {}  # for a worker, longest first
        self._receive: Callable[[list[Delivery]], None] = lambda _: None
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_heard = -GONE_SECONDS
        self._first_beat = asyncio.Event()

    async def open(self) -> None:
        """Listen to the workers; return when the first has been heard, or after a beat."""
        await self._bus.listen("beat", WorkerBeat, self._hear)
        await self._bus.listen(f"text.{self._bus.id}", PoemText, self._take_text)
        self._run(self._keep_watch())
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * BEAT_SECONDS):
                await self._first_beat.wait()

    async def close(self) -> None:
        await cancel_tasks(self._tasks)

    # What the queue asks

    def attach(self, receive: Callable[[list[Delivery]], None]) -> None:
        self._receive = receive

    @property
    def rows(self) -> int:
        """How busy the least busy worker is."""
        return min((worker.beat.rows for worker in self._workers.values()), default=0)

    @property
    def is_there(self) -> bool:
        return bool(self._workers) or self._now() - self._last_heard < GONE_SECONDS

    def can_start(self, draft: EngineDraft) -> bool:
        return not self._waiting and self._roomiest(draft) is not None

    def take(self, draft: EngineDraft) -> None:
        """Nothing: the workers count for themselves."""

    def give_back(self, draft: EngineDraft) -> None:
        order = self._order_of(draft)
        if order is not None:
            del self._orders[order.id]
            self._waiting.pop(order, None)

    def put(self, draft: EngineDraft) -> None:
        if draft.cancelled:
            self._cancel(draft)
            return
        order = _Order(draft)
        self._orders[order.id] = order
        self._wait(order)

    # Orders

    def _wait(self, order: _Order) -> None:
        """Let an order wait for a worker; it is given to one at once where one has room."""
        order.worker, order.waits_since = "", self._now()
        self._waiting[order] = None
        self._give_out()

    def _give_out(self) -> None:
        """Give those who wait to workers, as far as there is room."""
        for order in list(self._waiting):
            worker = self._roomiest(order.draft)
            if worker is not None:
                del self._waiting[order]
                worker.take(order.draft)
                order.worker, order.number, order.missing = worker.beat.worker, 0, 0
                order.attempt += 1
                order.accepted, order.repeated = False, ""
                self._run(self._send(order))

    def _roomiest(self, draft: EngineDraft) -> _Worker | None:
        """Return the worker to write a draft: of those with room one that has the model, if any."""
        loaded = draft.loaded
        sha256 = "" if loaded is None else loaded.record.sha256
        free = [worker for worker in self._workers.values() if worker.room(draft) > 0]
        return max(
            free,
            key=lambda worker: (sha256 in worker.beat.models, worker.room(draft)),
            default=None,
        )

    async def _send(self, order: _Order) -> None:
        draft, attempt, worker = order.draft, order.attempt, order.worker
        if draft.loaded is None:  # it has ended meanwhile
            return
        record = draft.loaded.record
        try:
            await self._files.offer(record)
            message = PoemOrder.of(
                draft.request,
                gateway=self._bus.id,
                draft=order.id,
                attempt=attempt,
                model=(record.sha256, record.name, bool(record.guild)),
            )
        except (BotError, ValueError) as failure:
            self._deliver(Delivery(draft, "", failure=failure))
            return
        if not self._is_current(order, attempt):  # to offer a file may take long
            return
        answer = await self._bus.request(f"poem.{worker}", message, Answer, ANSWER_SECONDS)
        if not self._is_current(order, attempt):
            return
        if answer is not None and answer.accepted:
            order.accepted = True
            order.begun += 1
        elif order.number == 0:  # else its text came, and the answer alone was lost
            if (known := self._workers.get(worker)) is not None:
                known.poems = known.lines = known.rows = 0  # until it tells otherwise
            self._wait(order)

    def _is_current(self, order: _Order, attempt: int) -> bool:
        """Whether an attempt is still waited for, from the worker that it was given to."""
        return order.id in self._orders and order.attempt == attempt and bool(order.worker)

    def _cancel(self, draft: EngineDraft) -> None:
        order = self._order_of(draft)
        if order is not None and order.worker:
            cancel = Cancel(draft=order.id, attempt=order.attempt)
            self._run(self._bus.publish(f"cancel.{order.worker}", cancel))
        self._deliver(Delivery(draft, "", Ending.CANCELLED))

    def _order_of(self, draft: EngineDraft) -> _Order | None:
        return next((order for order in self._orders.values() if order.draft is draft), None)

    def _again(self, order: _Order) -> None:
        """Have a poem written from its beginning by whoever has room."""
        if order.begun >= MAX_ATTEMPTS:
            told = counted(
                "The poem could not be written: {count} machine was lost with it.",
                "The poem could not be written: {count} machines were lost with it.",
                order.begun,
            )
            self._deliver(Delivery(order.draft, "", failure=WorkerFailed(told)))
        else:
            self._wait(order)

    # What workers say

    async def _hear(self, beat: WorkerBeat) -> None:
        if beat.worker not in self._workers:
            log.info("a worker is there: %s", beat.worker[:8])
        self._last_heard = self._now()
        self._first_beat.set()
        self._workers[beat.worker] = _Worker(
            *(beat, self._last_heard, beat.free_poems, beat.free_lines, beat.free_rows)
        )
        under_way = set(beat.attempts)
        for order in [order for order in self._orders.values() if order.worker == beat.worker]:
            known = (order.id, order.attempt) in under_way
            order.missing = 0 if known or not order.accepted else order.missing + 1
            if order.missing > MISSING_BEATS:  # its last message was lost
                self._again(order)
        self._give_out()
        self._receive([])  # there may be room for those in the queue

    async def _take_text(self, message: PoemText) -> None:
        order = self._orders.get(message.draft)
        if order is None or (order.attempt, order.worker) != (message.attempt, message.worker):
            cancel = Cancel(draft=message.draft, attempt=message.attempt)
            await self._bus.publish(f"cancel.{message.worker}", cancel)
            return
        if message.number != order.number:
            log.info("a message of a poem is missing; it is written again")
            cancel = Cancel(draft=order.id, attempt=order.attempt)
            await self._bus.publish(f"cancel.{message.worker}", cancel)
            self._again(order)
            return
        if message.ending is Ending.CANCELLED:  # not by us
            self._again(order)
            return
        order.accepted = True
        order.number += 1
        text = self._new_text(order, message.text)
        if text is None:
            self._deliver(Delivery(order.draft, "", failure=OtherPoem()))
        elif message.failure is not None:
            self._deliver(Delivery(order.draft, text, failure=WorkerFailed(message.failure)))
        elif text or message.ending is not None:
            self._deliver(Delivery(order.draft, text, message.ending))

    @staticmethod
    def _new_text(order: _Order, text: str) -> str | None:
        """Return what was not shown yet; None where this is not the poem that was."""
        before = len(order.repeated)
        order.repeated += text
        compared = min(len(order.repeated), len(order.shown))
        if order.repeated[before:compared] != order.shown[before:compared]:
            return None
        new = order.repeated[len(order.shown) :]
        order.shown += new
        return new

    def _deliver(self, delivery: Delivery) -> None:
        """Deliver from the event loop: the queue may be in the midst of asking."""
        asyncio.get_running_loop().call_soon(self._receive, [delivery])

    # Time

    async def _keep_watch(self) -> None:
        """Say that we are there, and miss who is not."""
        while True:
            await self._bus.publish("gateway", GatewayBeat(gateway=self._bus.id))
            now = self._now()
            for id_, worker in list(self._workers.items()):
                if now - worker.heard > LOST_SECONDS:
                    self._lose(id_)
            for order in list(self._waiting):
                if now - order.waits_since > GIVE_UP_SECONDS:
                    self._deliver(Delivery(order.draft, "", failure=NoWriter()))
            await asyncio.sleep(BEAT_SECONDS / 2)

    def _lose(self, worker: str) -> None:
        """Do without a worker; its poems are written by others."""
        if self._workers.pop(worker, None) is not None:
            log.warning("a worker is not heard of any more: %s", worker[:8])
        for order in [order for order in self._orders.values() if order.worker == worker]:
            self._again(order)

    def _run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
