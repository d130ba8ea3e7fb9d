"""The bridge to the model: who waits and who writes, which models, and an async face.

It lives on the event loop and never computes there; `stepping.py` has the thread that writes.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.core.errors import BadSetting, FormImpossible, ModelUnusable, QueueFull
from bot.core.line import Limits, Line
from bot.core.metrics import Metrics
from bot.core.ports import LaidOut, Order, Prompt
from bot.core.records import (
    FREE,
    Asker,
    Ending,
    LineLook,
    Looks,
    ModelRecord,
    PoemSettings,
)
from bot.core.shelf import Loaded, Shelf
from bot.core.stepping import Delivery, EngineDraft, Stepping
from model import (
    CROWDS,
    FORMS,
    LengthConfig,
    Opening,
    Request,
    SamplingConfig,
    SeedTooLong,
    SettingError,
    lay_out,
    look_at,
    title_of,
)

log = logging.getLogger(__name__)

WORDLESS = (
    "Its model has no words to rhyme with: its book was no English verse, or it was trained before "
    "there were forms."
)

NEWEST_SHARE = 0.1  # of the newest poem in the average: about the last ten count


class EnginePoet:
    """Writes on the engines of the models in use; see `ports.Poet`.

    `limits` say how many poems are written at once and may wait, `max_models` and
    `max_bytes` which models stay in memory (see `shelf.py`).
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        limits: Limits | None = None,
        max_models: int = 3,
        max_bytes: int = 200_000_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = limits or Limits()
        self._metrics = metrics
        self._clock = clock
        self._line: Line[EngineDraft] = Line(limits)
        self._shelf = Shelf(max_models=max_models, max_bytes=max_bytes, max_rows=limits.max_rows)
        self._held: defaultdict[str, list[Loaded]] = defaultdict(list)
        self._stepping = Stepping(self._receive, self._break_down, metrics.steps.inc)
        self._poem_seconds: float | None = None  # how long a poem holds its row, on average

    @property
    def running(self) -> int:
        return self._line.running

    @property
    def waiting(self) -> int:
        return self._line.waiting

    # Models

    @property
    def models(self) -> int:
        """How many are in memory."""
        return len(self._shelf)

    async def load(self, model: ModelRecord) -> None:
        await self._shelf.load(model)

    @contextmanager
    def hold(self, model: ModelRecord) -> Iterator[None]:
        loaded = self._shelf.borrow(model.sha256)
        self._held[model.sha256].append(loaded)
        try:
            yield
        finally:
            self._held[model.sha256].remove(loaded)
            if not self._held[model.sha256]:
                del self._held[model.sha256]
            self._shelf.bring_back(loaded)

    def prepare(self, model: ModelRecord, seed: str) -> Prompt:
        folding = self._in_memory(model).vocabulary.fold(seed)
        return Prompt(folding.text, folding.left_out)

    def lay_out(self, model: ModelRecord, seed: str, form: str) -> LaidOut:
        loaded = self._in_memory(model)
        if loaded.verse is None:
            raise FormImpossible(form, WORDLESS)
        try:
            opening = lay_out(seed, FORMS[form], loaded.verse, loaded.fold)
        except SeedTooLong as error:
            raise FormImpossible(form, str(error)) from error
        return LaidOut(opening.shown, opening.text, opening)

    def look_at(self, model: ModelRecord, text: str, form: str) -> Looks:
        loaded = self._shelf.find(model.sha256)
        lines = [line for line in text.split("\n") if line.strip()]
        if loaded is None or loaded.verse is None or form == FREE:
            return Looks()
        shown = look_at(lines, FORMS[form], loaded.verse)
        return Looks(
            title_of(lines, loaded.verse),
            tuple(
                LineLook(line.rhyme, tuple((part.text, part.beat) for part in line.syllables))
                for line in shown
            ),
        )

    def opening(self, model: ModelRecord, random_seed: int) -> str:
        openings = self._in_memory(model).openings
        return openings[random_seed % len(openings)] if openings else ""

    def _in_memory(self, model: ModelRecord) -> Loaded:
        """Return a model that takes poems, or is held; else raise KeyError."""
        held = self._held.get(model.sha256)
        return held[-1] if held else self._shelf[model.sha256]

    # The line

    def check(self, asker: Asker) -> None:
        self._line.check(_community(asker), asker.member)

    def write(self, order: Order) -> EngineDraft:
        loaded = self._in_memory(order.model)
        if loaded is not self._shelf.find(order.model.sha256):  # see `_break_down`
            raise ModelUnusable(order.model.name, "Its writing broke off just now. Ask again.")
        draft = EngineDraft(self, loaded, _request(order), asked=self._clock())
        leaving = self._line.join(draft, _community(order.asker), order.asker.member)
        self._shelf.lend(loaded)
        if leaving is not None:
            self._take_back(Delivery(leaving, "", failure=QueueFull(self._line.waiting)))
        self._admit()
        return draft

    def place_of(self, draft: EngineDraft) -> int:
        return self._line.place_of(draft)

    def expected_wait_of(self, draft: EngineDraft) -> float | None:
        """Return the seconds until `draft` has a row; None while no poem has been finished.

        Rows come free in the order they were given, each after an average poem's time.
        """
        place = self._line.place_of(draft)
        if not place:
            return 0.0
        if self._poem_seconds is None or not self._line.running:
            return None
        rounds, nth = divmod(place - 1, self._line.running)
        oldest = self._line.oldest(nth)
        held = self._clock() - oldest.began if oldest is not None else 0.0
        return max(0.0, self._poem_seconds - held) + rounds * self._poem_seconds

    def cancel(self, draft: EngineDraft) -> None:
        if self._line.runs(draft):
            self._stepping.put(draft)
        else:
            self._take_back(Delivery(draft, "", Ending.CANCELLED))
            self._count()

    async def close(self) -> None:
        """Cancel what is left and give the threads back."""
        for draft in self._line.items():
            draft.cancel()
        await self._stepping.close()
        await self._shelf.close()

    def _admit(self) -> None:
        """Let in from the line as many as there are free rows."""
        while (draft := self._line.take(self._fits)) is not None:
            draft.began = self._clock()
            self._metrics.queue_time_seconds.observe(draft.began - draft.asked)
            if draft.request.form is not None and draft.loaded is not None:
                draft.loaded.in_form += 1
            self._stepping.put(draft)
        self._count()

    def _fits(self, draft: EngineDraft) -> bool:
        """Whether its engine writes `draft` at once; poems in a form are many rows each."""
        if draft.request.form is None or draft.loaded is None:
            return True
        return draft.loaded.in_form < CROWDS

    def _count(self) -> None:
        self._metrics.rows_running.set(self._line.running)
        self._metrics.rows_waiting.set(self._line.waiting)

    def _receive(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            if not delivery.draft.finished:
                self._take_back(delivery)
        self._admit()

    def _take_back(self, delivery: Delivery) -> None:
        """Pass on what was written; with the last of it, free what the draft held."""
        draft, loaded = delivery.draft, delivery.draft.loaded
        self._metrics.characters.inc(len(delivery.text))
        if delivery.failure is not None:
            draft.fail(delivery.failure)
        else:
            draft.receive(delivery.text, delivery.ending)
        if draft.finished and loaded is not None:
            if delivery.ending in (Ending.COMPLETE, Ending.CUT_OFF):
                self._learn(self._clock() - draft.began)
            if draft.request.form is not None and self._line.runs(draft):
                loaded.in_form -= 1
            self._line.end(draft)
            self._shelf.bring_back(loaded)

    def _learn(self, seconds: float) -> None:
        average = seconds if self._poem_seconds is None else self._poem_seconds
        self._poem_seconds = average + NEWEST_SHARE * (seconds - average)

    def _break_down(self, failure: BaseException) -> None:
        """Fail every poem: nobody shall wait for what will not come."""
        log.error("the writing thread stopped", exc_info=failure)
        for draft in self._line.items():
            self._take_back(Delivery(draft, "", failure=RuntimeError("the writing thread stopped")))
        self._shelf.clear()  # in whatever state their engines are
        self._count()


def _community(asker: Asker) -> str:
    """Return who shares rows with `asker`: their guild, or without one nobody.

    So everybody who writes to the bot alone, in a direct message say, counts as one guild: an
    account is dear. A door whose askers cost nothing gives them a guild together.
    """
    return asker.guild or asker.member


def _request(order: Order) -> Request:
    try:
        return Request(
            form=FORMS.get(order.settings.form),
            opening=order.opening if isinstance(order.opening, Opening) else Opening(),
            avoided=frozenset((*order.settings.avoid, *order.avoid)),
            prompt=order.prompt,
            sampling=_sampling(order.settings),
            random_seed=order.random_seed,
            length=LengthConfig.checked(
                lines=order.settings.lines,
                characters=order.settings.characters,
                stop=order.settings.stop,
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
        repetition_guard=settings.repetition_guard,
    )
