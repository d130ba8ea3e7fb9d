"""The bridge to the model: one thread that owns torch, many poems at once, an async face.

The event loop keeps the line (who waits, who writes) and never computes; the thread steps the
engines and never waits. Between them go an inbox of orders and batches of text.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bot.core.errors import BadSetting, ModelUnusable, QueueFull
from bot.core.metrics import Metrics
from bot.core.ports import Order, Prompt
from bot.core.records import ModelRecord, PoemSettings
from model import (
    Engine,
    LengthConfig,
    Model,
    ModelError,
    Request,
    SamplingConfig,
    SettingError,
    load_model,
    set_threads,
)

log = logging.getLogger(__name__)

DELIVERY_SECONDS = 0.03  # how often text goes to the event loop: faster than an eye can follow


@dataclass(eq=False)
class EngineDraft:
    """A poem in line or being written; see `ports.Draft`."""

    poet: EnginePoet
    engine: Engine
    request: Request
    cancelled: bool = False
    finished: bool = False
    failure: Exception | None = None
    ticket: int | None = None  # the engine's, known to the torch thread alone
    _pieces: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def place(self) -> int:
        return self.poet.place_of(self)

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
        if not self.finished:
            self.cancelled = True
            self.poet.cancel(self)

    def receive(self, text: str, *, finished: bool) -> None:
        """Take text from the thread's delivery; called on the event loop."""
        if text:
            self._pieces.append(text)
        self.finished = self.finished or finished
        self._news.set()

    def fail(self, failure: Exception) -> None:
        self.failure = failure
        self.receive("", finished=True)


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Model
    engine: Engine


@dataclass(frozen=True, slots=True)
class _Delivery:
    draft: EngineDraft
    text: str
    finished: bool = False
    failure: Exception | None = None


class EnginePoet:
    """Writes on the engines of the models in use; see `ports.Poet`.

    `max_rows` poems are written at once, `max_waiting` more stand in line, and `max_models`
    models stay in memory, the least recently used making room.
    """

    def __init__(
        self, metrics: Metrics, *, max_rows: int = 32, max_waiting: int = 64, max_models: int = 3
    ) -> None:
        self._metrics = metrics
        self._max_rows = max_rows
        self._max_waiting = max_waiting
        self._max_models = max_models
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._loading: dict[str, asyncio.Task[_Loaded]] = {}
        self._line: deque[EngineDraft] = deque()
        self._writing: set[EngineDraft] = set()
        self._inbox: queue.SimpleQueue[EngineDraft] = queue.SimpleQueue()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="torch")
        self._stepping: asyncio.Future[None] | None = None

    @property
    def running(self) -> int:
        return len(self._writing)

    @property
    def waiting(self) -> int:
        return len(self._line)

    def place_of(self, draft: EngineDraft) -> int:
        return self._line.index(draft) + 1 if draft in self._line else 0

    # Models

    async def load(self, model: ModelRecord) -> None:
        if model.sha256 in self._loaded:
            self._loaded.move_to_end(model.sha256)
            return
        task = self._loading.get(model.sha256)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(_load, model, self._max_rows))
            self._loading[model.sha256] = task
            task.add_done_callback(lambda _: self._loading.pop(model.sha256, None))
        self._loaded[model.sha256] = await asyncio.shield(task)
        self._loaded.move_to_end(model.sha256)
        while len(self._loaded) > self._max_models:
            self._loaded.popitem(last=False)  # rows that it writes keep it until they are done

    def prepare(self, model: ModelRecord, seed: str) -> Prompt:
        folding = self._loaded[model.sha256].model.vocabulary.fold(seed)
        return Prompt(folding.text, folding.left_out)

    def opening(self, model: ModelRecord, random_seed: int) -> str:
        openings = self._loaded[model.sha256].model.card.openings
        return openings[random_seed % len(openings)] if openings else ""

    # The line

    def write(self, order: Order) -> EngineDraft:
        if len(self._writing) >= self._max_rows and len(self._line) >= self._max_waiting:
            raise QueueFull(len(self._line))
        engine = self._loaded[order.model.sha256].engine
        draft = EngineDraft(self, engine, _request(order))
        self._line.append(draft)
        self._admit()
        return draft

    def cancel(self, draft: EngineDraft) -> None:
        if draft in self._line:
            self._line.remove(draft)
            draft.receive("", finished=True)
            self._count()
        else:
            self._inbox.put(draft)
            self._start_stepping()

    async def close(self) -> None:
        """Cancel what is left and give the thread back."""
        for draft in [*self._line, *self._writing]:
            draft.cancel()
        while self._stepping is not None:
            await asyncio.wait([self._stepping])
            await asyncio.sleep(0)  # let its callback run
        self._executor.shutdown()

    def _admit(self) -> None:
        """Let in from the line as many as there are free rows."""
        while self._line and len(self._writing) < self._max_rows:
            draft = self._line.popleft()
            self._writing.add(draft)
            self._inbox.put(draft)
        self._count()
        self._start_stepping()

    def _count(self) -> None:
        self._metrics.rows_running.set(len(self._writing))
        self._metrics.rows_waiting.set(len(self._line))

    def _start_stepping(self) -> None:
        if self._stepping is None and not self._inbox.empty():
            loop = asyncio.get_running_loop()
            self._stepping = loop.run_in_executor(self._executor, self._step_all, loop)
            self._stepping.add_done_callback(self._stopped_stepping)

    def _stopped_stepping(self, stepping: asyncio.Future[None]) -> None:
        self._stepping = None
        if not stepping.cancelled() and (failure := stepping.exception()) is not None:
            log.error("the torch thread stopped", exc_info=failure)
            for draft in self._writing:  # nobody waits for what will not come
                draft.fail(RuntimeError("the torch thread stopped"))
            self._writing.clear()
            self._loaded.clear()  # in whatever state their engines are
            self._admit()
        self._start_stepping()  # orders may have come while it was leaving

    def _receive(self, deliveries: list[_Delivery]) -> None:
        for delivery in deliveries:
            draft = delivery.draft
            self._metrics.characters.inc(len(delivery.text))
            if delivery.failure is not None:
                draft.fail(delivery.failure)
            else:
                draft.receive(delivery.text, finished=delivery.finished)
            if draft.finished:
                self._writing.discard(draft)
        self._admit()

    # The torch thread

    def _step_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Step every engine until nobody has work left; runs on the torch thread."""
        drafts: dict[Engine, dict[int, EngineDraft]] = {}
        texts: dict[EngineDraft, list[str]] = {}
        last_delivery = time.monotonic()
        while True:
            deliveries = self._take_orders(drafts)
            for engine in [engine for engine, rows in drafts.items() if rows]:
                deliveries += _step(engine, drafts[engine], texts)
            now = time.monotonic()
            if now - last_delivery >= DELIVERY_SECONDS:
                deliveries += [_Delivery(draft, "".join(parts)) for draft, parts in texts.items()]
                texts.clear()
                last_delivery = now
            if deliveries:
                loop.call_soon_threadsafe(self._receive, deliveries)
            if not any(drafts.values()) and self._inbox.empty():
                return

    def _take_orders(self, drafts: dict[Engine, dict[int, EngineDraft]]) -> list[_Delivery]:
        """Begin or cancel what lies in the inbox; return what could not begin or was cancelled."""
        deliveries = []
        while not self._inbox.empty():
            draft = self._inbox.get()
            rows = drafts.setdefault(draft.engine, {})
            if draft.ticket is None and not draft.cancelled:
                try:
                    draft.ticket = draft.engine.add(draft.request)
                    rows[draft.ticket] = draft
                except Exception as failure:  # told to whoever waits for the draft
                    deliveries.append(_Delivery(draft, "", failure=failure))
            elif draft.ticket is None:
                deliveries.append(_Delivery(draft, "", finished=True))
            elif draft.ticket in rows:
                draft.engine.cancel(draft.ticket)
                del rows[draft.ticket]
                deliveries.append(_Delivery(draft, "", finished=True))
        return deliveries


def _step(
    engine: Engine, rows: dict[int, EngineDraft], texts: dict[EngineDraft, list[str]]
) -> list[_Delivery]:
    """Advance one engine by a character; return the ends, keep the other text in `texts`."""
    try:
        pieces = engine.step()
    except Exception as failure:  # told to whoever waits for the drafts
        failed = [_Delivery(draft, "", failure=failure) for draft in rows.values()]
        for ticket in rows:
            engine.cancel(ticket)
        rows.clear()
        return failed
    deliveries = []
    for piece in pieces:
        draft = rows.get(piece.ticket)
        if draft is None:
            continue
        if piece.text:
            texts.setdefault(draft, []).append(piece.text)
        if piece.finished is not None:
            del rows[piece.ticket]
            deliveries.append(_Delivery(draft, "".join(texts.pop(draft, [])), finished=True))
    return deliveries


def _load(model: ModelRecord, max_rows: int) -> _Loaded:
    set_threads(1)  # small matrices: a second thread costs more than it brings
    try:
        loaded = load_model(model.path)
    except ModelError as error:
        sentence = str(error).replace(str(model.path), model.path.name)
        raise ModelUnusable(model.name, sentence) from error
    if loaded.sha256 != model.sha256:
        raise ModelUnusable(model.name, "Its file was replaced just now. Ask again.")
    return _Loaded(loaded, Engine(loaded, max_rows=max_rows))


def _request(order: Order) -> Request:
    try:
        return Request(
            prompt=order.prompt,
            sampling=_sampling(order.settings),
            random_seed=order.random_seed,
            length=LengthConfig.checked(
                lines=order.settings.lines, characters=order.settings.characters
            ),
        )
    except SettingError as error:
        raise BadSetting(error.name, error.value, error.allowed) from error


def _sampling(settings: PoemSettings) -> SamplingConfig:
    return SamplingConfig.checked(
        greedy=settings.greedy,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_p=settings.min_p,
    )
