"""Poems being written, and a thread that owns engines and writes them.

The thread steps its engines, one of each model, and never waits; the event loop never computes.
Between them go an inbox of drafts, to begin or to cancel, and batches of text.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from bot.core.model_cache import LoadedModel
from bot.core.records import Ending
from model import Engine, FinishReason, Request

# How often text goes to the event loop: faster than an eye can follow. A poem's first text goes at
# once.
DELIVERY_SECONDS = 0.03
ENDINGS = {
    FinishReason.LENGTH: Ending.COMPLETE,
    FinishReason.STOP: Ending.COMPLETE,
    FinishReason.CUT_OFF: Ending.CUT_OFF,
    FinishReason.CANCELLED: Ending.CANCELLED,
}


class Writer(Protocol):
    """What writes drafts: a thread of this process, or other processes; all on the event loop."""

    @property
    def rows(self) -> int:
        """How many rows its drafts have: how busy it is."""

    @property
    def is_there(self) -> bool:
        """Whether it can be expected to write, now or when it has room."""

    def can_start(self, draft: EngineDraft) -> bool:
        """Whether it would begin a draft at once."""

    def take(self, draft: EngineDraft) -> None:
        """Count a draft that it is given; `give_back` counts it out."""

    def give_back(self, draft: EngineDraft) -> None: ...

    def put(self, draft: EngineDraft) -> None:
        """Begin a draft, or end it if it is cancelled."""

    async def close(self) -> None: ...


class RemoteWriter(Writer, Protocol):
    """Other processes that write; see `bot.cluster`."""

    def attach(self, receive: Callable[[list[Delivery]], None]) -> None:
        """Deliver to `receive`; an empty list says that there is room again."""


class DraftOwner(Protocol):
    """Where a draft was handed in; see `engine_client.EngineClient`."""

    def place_of(self, draft: EngineDraft) -> int: ...

    def expected_wait_of(self, draft: EngineDraft) -> float | None: ...

    def cancel(self, draft: EngineDraft) -> None: ...


@dataclass(eq=False)
class EngineDraft:
    """A poem that waits or is being written; see `ports.Draft`.

    Text stays here until it is read, at most the poem.
    """

    owner: DraftOwner
    loaded: LoadedModel | None  # given back when it ends, also while text is still read
    request: Request
    asked: float = 0.0  # when it joined the queue
    cancelled: bool = False  # was asked for; it may come too late
    finished: bool = False
    failure: Exception | None = None
    began: float = 0.0  # when it got its row
    writer: Writer | None = None  # None while it waits
    # Known to the writing thread alone:
    ticket: int | None = None  # the engine's
    shown: bool = False  # whether some of it was delivered
    _ending: Ending | None = None
    _pieces: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def place(self) -> int:
        return self.owner.place_of(self)

    @property
    def expected_wait(self) -> float | None:
        return self.owner.expected_wait_of(self)

    @property
    def queue_seconds(self) -> float | None:
        return self.began - self.asked if self.began else None

    @property
    def ending(self) -> Ending:
        if self._ending is not None:
            return self._ending
        return Ending.CANCELLED if self.cancelled else Ending.COMPLETE

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            self._news.clear()
            if self._pieces:
                text = "".join(self._pieces)
                self._pieces.clear()
                yield text
            elif self.failure is not None:
                raise self.failure
            elif self.finished:
                return
            else:
                await self._news.wait()

    def cancel(self) -> None:
        if not self.finished and not self.cancelled:
            self.cancelled = True
            self.owner.cancel(self)

    def receive(self, text: str, ending: Ending | None) -> None:
        """Take what was written, on the event loop; `ending` with the last of it."""
        if text:
            self._pieces.append(text)
        if ending is not None:
            self._ending, self.finished, self.loaded = ending, True, None
        self._news.set()

    def fail(self, failure: Exception) -> None:
        self.failure, self.finished, self.loaded = failure, True, None
        self._news.set()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the thread reports on a draft."""

    draft: EngineDraft
    text: str
    ending: Ending | None = None
    failure: Exception | None = None


DraftsByTicket = dict[int, EngineDraft]  # by ticket
UnsentTexts = dict[EngineDraft, list[str]]  # written, not delivered yet


class EngineWorker:
    """Runs its thread while there is work; `number` says which of each model's engines it has.

    `receive` is called on the event loop with each batch of deliveries, `broke_down` when the
    thread has failed outside of a step: its drafts are then lost. `stepped` is called on the thread
    from time to time with the number of steps that were made.
    """

    def __init__(
        self,
        number: int,
        receive: Callable[[list[Delivery]], None],
        broke_down: Callable[[BaseException], None],
        stepped: Callable[[int], object],
    ) -> None:
        self._number = number
        self._rows = 0
        self._receive = receive
        self._broke_down = broke_down
        self._stepped = stepped
        self._inbox: queue.SimpleQueue[EngineDraft] = queue.SimpleQueue()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"writing-{number}")
        self._running: asyncio.Future[None] | None = None

    @property
    def rows(self) -> int:
        return self._rows

    @property
    def is_there(self) -> bool:
        return True

    def can_start(self, draft: EngineDraft) -> bool:
        loaded = draft.loaded
        return loaded is None or Engine.can_start(draft.request, loaded.in_form[self._number])

    def take(self, draft: EngineDraft) -> None:
        self._count(draft, 1)

    def give_back(self, draft: EngineDraft) -> None:
        self._count(draft, -1)

    def _count(self, draft: EngineDraft, sign: int) -> None:
        self._rows += sign * Engine.rows_of(draft.request)
        if draft.request.form is not None and draft.loaded is not None:
            draft.loaded.in_form[self._number] += sign

    def put(self, draft: EngineDraft) -> None:
        """Begin a draft, or end it if it is cancelled, at the next step."""
        self._inbox.put(draft)
        self._start()

    async def close(self) -> None:
        """Wait for the end of the work and give the thread back."""
        while self._running is not None:
            await asyncio.wait([self._running])
            await asyncio.sleep(0)  # let its callback run
        self._executor.shutdown()

    def _start(self) -> None:
        if self._running is None and not self._inbox.empty():
            loop = asyncio.get_running_loop()
            self._running = loop.run_in_executor(self._executor, self._run, loop)
            self._running.add_done_callback(self._stopped)

    def _stopped(self, running: asyncio.Future[None]) -> None:
        self._running = None
        if not running.cancelled() and (failure := running.exception()) is not None:
            while not self._inbox.empty():  # of drafts that are failed now
                self._inbox.get()
            self._broke_down(failure)
        self._start()  # orders may have come while it was leaving

    # The thread

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Step every engine until none has work left."""
        work: dict[Engine, DraftsByTicket] = {}
        texts: UnsentTexts = {}
        last_delivery = time.monotonic()
        steps = 0
        while True:
            deliveries = self._take_inbox(work)
            deliveries += [
                delivery
                for engine, drafts in work.items()
                for delivery in _step(engine, drafts, texts)
            ]
            steps += len(work)
            # An idle engine may be all that is left of a model.
            work = {engine: drafts for engine, drafts in work.items() if drafts}
            now = time.monotonic()
            due = now - last_delivery >= DELIVERY_SECONDS
            if due or not work:
                last_delivery = now
                self._stepped(steps)
                steps = 0
            deliveries += _collect(texts, all_drafts=due)
            if deliveries:
                loop.call_soon_threadsafe(self._receive, deliveries)
            if not work and self._inbox.empty():
                return

    def _take_inbox(self, work: dict[Engine, DraftsByTicket]) -> list[Delivery]:
        """Begin or cancel the drafts of the inbox; return those that could not begin."""
        deliveries = []
        while not self._inbox.empty():
            draft = self._inbox.get()
            loaded = draft.loaded
            if loaded is None:  # it has ended by itself
                continue
            engine = loaded.engines[self._number]
            if draft.ticket is not None:
                engine.cancel(draft.ticket)  # the next step tells
            elif draft.cancelled:
                deliveries.append(Delivery(draft, "", Ending.CANCELLED))
            else:
                try:
                    draft.ticket = engine.add(draft.request)
                    work.setdefault(engine, {})[draft.ticket] = draft
                except Exception as failure:  # raised where the draft is read
                    deliveries.append(Delivery(draft, "", failure=failure))
        return deliveries


def _collect(texts: UnsentTexts, *, all_drafts: bool) -> list[Delivery]:
    """Take from `texts` what to deliver: everything, or only the first text of each poem."""
    deliveries = []
    for draft in [draft for draft in texts if all_drafts or not draft.shown]:
        draft.shown = True
        deliveries.append(Delivery(draft, "".join(texts.pop(draft))))
    return deliveries


def _step(engine: Engine, drafts: DraftsByTicket, texts: UnsentTexts) -> list[Delivery]:
    """Advance one engine by a step; return the ends, keep the other text in `texts`."""
    try:
        pieces = engine.step()
    except Exception as failure:  # raised where the drafts are read
        failed = [Delivery(draft, "", failure=failure) for draft in drafts.values()]
        for ticket, failing in drafts.items():
            engine.cancel(ticket)
            texts.pop(failing, None)
        drafts.clear()
        return failed
    deliveries = []
    for piece in pieces:
        draft = drafts.get(piece.ticket)
        if draft is None:
            continue
        if piece.text:
            texts.setdefault(draft, []).append(piece.text)
        if piece.finished is not None:
            del drafts[piece.ticket]
            text = "".join(texts.pop(draft, []))
            deliveries.append(Delivery(draft, text, ENDINGS[piece.finished]))
    return deliveries
