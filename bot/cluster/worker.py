"""`python -m bot worker`: writes poems for the gateways of a cluster, on every core but one.

It keeps nothing but model files. A worker that is asked to stop takes no more poems and ends those
that it has; one that is killed is missed by the gateways, and others write its poems.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from bot.cluster.bus import Bus
from bot.cluster.messages import Answer, Cancel, GatewayBeat, PoemOrder, PoemText, WorkerBeat
from bot.cluster.model_files import ModelFiles
from bot.cluster.remote import BEAT_SECONDS, GONE_SECONDS
from bot.core.engine_client import EngineClient
from bot.core.engine_worker import EngineDraft
from bot.core.errors import BotError
from bot.core.languages import sentence
from bot.core.records import Asker
from bot.core.tasks import cancel_tasks
from model import LINE_SLOTS, MAX_FORM_POEMS, Engine

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many poems are written at once."""

    threads: int
    max_rows: int  # of free text

    @property
    def poems(self) -> int:
        return self.threads * MAX_FORM_POEMS

    @property
    def lines(self) -> int:
        return self.threads * LINE_SLOTS


@dataclass(eq=False, slots=True)
class _Attempt:
    order: PoemOrder
    draft: EngineDraft | None = None  # None while its model is loaded
    cancelled: bool = False


class PoemWorker:
    """Takes orders from the bus and sends the text back."""

    def __init__(
        self, bus: Bus, client: EngineClient, files: ModelFiles, capacity: Capacity
    ) -> None:
        self._bus = bus
        self._client = client
        self._files = files
        self._capacity = capacity
        self._attempts: dict[tuple[str, int], _Attempt] = {}
        self._gateways: dict[str, float] = {}  # when each was heard
        self._models: dict[str, None] = {}  # used last, the newest at the end
        self._changed = asyncio.Event()
        self._writing: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None
        self._stopping = False

    async def open(self) -> None:
        await self._bus.listen(f"poem.{self._bus.id}", PoemOrder, self._take)
        await self._bus.listen(f"cancel.{self._bus.id}", Cancel, self._cancel)
        await self._bus.listen("gateway", GatewayBeat, self._hear)
        self._beating = asyncio.create_task(self._beat())

    async def close(self, grace_seconds: float) -> None:
        """Take no more poems, end those that there are within so many seconds, and go."""
        self._stopping = True
        self._changed.set()
        if self._writing:
            await asyncio.wait(self._writing, timeout=grace_seconds)
        if self._beating is not None:
            await cancel_tasks([*self._writing, self._beating])
        await self._client.close()

    @property
    def writing(self) -> int:
        """How many poems are under way."""
        return len(self._attempts)

    async def _take(self, order: PoemOrder) -> Answer:
        if self._stopping or not self._has_room(order):
            return Answer(accepted=False)
        attempt = _Attempt(order)
        self._attempts[order.draft, order.attempt] = attempt
        self._gateways.setdefault(order.gateway, asyncio.get_running_loop().time())
        task = asyncio.create_task(self._write(attempt))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        self._changed.set()
        return Answer(accepted=True)

    async def _cancel(self, message: Cancel) -> None:
        if (attempt := self._attempts.get((message.draft, message.attempt))) is not None:
            self._end(attempt)

    @staticmethod
    def _end(attempt: _Attempt) -> None:
        attempt.cancelled = True
        if attempt.draft is not None:
            attempt.draft.cancel()

    async def _hear(self, beat: GatewayBeat) -> None:
        self._gateways[beat.gateway] = asyncio.get_running_loop().time()

    # Room

    def _has_room(self, order: PoemOrder) -> bool:
        poems, lines, rows = self._free()
        if order.form is None:
            return rows > 0
        return poems > 0 or (order.request.candidates > 0 and lines > 0)

    def _free(self) -> tuple[int, int, int]:
        """Return how many more poems in a form, lines and poems in free text are begun at once."""
        orders = [attempt.order for attempt in self._attempts.values()]
        lines = sum(order.request.candidates > 0 for order in orders if order.form)
        poems = sum(order.form is not None for order in orders) - lines
        rows = len(orders) - poems - lines
        over = max(lines - self._capacity.lines, 0)  # lines that have taken places of poems
        return (
            max(self._capacity.poems - poems - over, 0),
            max(self._capacity.lines - lines, 0),
            max(self._capacity.max_rows - rows, 0),
        )

    async def _beat(self) -> None:
        """Tell the gateways what can be taken, whenever it changes and every second."""
        while True:
            self._changed.clear()
            now = asyncio.get_running_loop().time()
            for attempt in self._attempts.values():
                if now - self._gateways.get(attempt.order.gateway, now) > GONE_SECONDS:
                    self._end(attempt)
            poems, lines, rows = (0, 0, 0) if self._stopping else self._free()
            requests = [attempt.order.asked for attempt in self._attempts.values()]
            beat = WorkerBeat(
                worker=self._bus.id,
                rows=sum(map(Engine.rows_of, requests)),
                free_poems=poems,
                free_lines=lines,
                free_rows=rows,
                attempts=tuple(self._attempts),
                models=tuple(self._models),
            )
            await self._bus.publish("beat", beat)
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass

    # Writing

    async def _write(self, attempt: _Attempt) -> None:
        order, number = attempt.order, 0

        async def send(**values: object) -> None:
            nonlocal number
            text = PoemText.model_validate(
                {
                    "worker": self._bus.id,
                    "draft": order.draft,
                    "attempt": order.attempt,
                    "number": number,
                    **values,
                }
            )
            number += 1
            await self._bus.publish(f"text.{order.gateway}", text)

        try:
            record = await self._files.find(
                order.model, order.model_name, from_stranger=order.from_stranger
            )
            await self._client.load(record)
            with self._client.hold(record):
                asker = Asker(f"cluster:{order.draft}", guild=order.gateway)
                draft = self._client.write_request(record, asker, order.asked)
            self._note(record.sha256)
            attempt.draft = draft
            if attempt.cancelled:
                draft.cancel()
            async for text in draft:
                await send(text=text)
            if not attempt.cancelled:  # else somebody else writes it, or nobody wants it
                await send(ending=draft.ending)
        except BotError as error:
            await send(failure=error.sentence)
        except Exception:  # of one poem, which the others have no part in
            log.exception("a poem failed")
            await send(
                failure=sentence("The poem could not be written; the worker's log says why.")
            )
        finally:
            if attempt.draft is not None:
                attempt.draft.cancel()
            self._attempts.pop((order.draft, order.attempt), None)
            self._changed.set()

    def _note(self, sha256: str) -> None:
        self._models.pop(sha256, None)
        self._models[sha256] = None
        while len(self._models) > self._client.models:
            del self._models[next(iter(self._models))]
