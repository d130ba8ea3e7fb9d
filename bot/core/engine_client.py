"""The bridge to the model: which poems wait, which are written, and which models are in memory.

It lives on the event loop and never computes there; `engine_worker` has the threads that write.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from bot.core.engine_worker import Delivery, EngineDraft, EngineWorker, RemoteWriter, Writer
from bot.core.errors import (
    BadSetting,
    FormImpossible,
    LinesImpossible,
    ModelUnusable,
    NoWriter,
    QueueFull,
)
from bot.core.fair_queue import FairQueue, QueueLimits
from bot.core.languages import counted, form_name, sentence
from bot.core.metrics import Metrics
from bot.core.model_cache import LoadedModel, ModelCache
from bot.core.ports import EngineRequest, Opening, Prompt
from bot.core.records import (
    FREE,
    NO_PLAN,
    Asker,
    Ending,
    LineScansion,
    ModelRecord,
    Plan,
    PoemScansion,
    VerseLine,
)
from model import (
    FORMS,
    Form,
    LengthConfig,
    LineFit,
    Prosody,
    Request,
    ScannedLine,
    SeedTooLong,
    SettingError,
    TokenSplitter,
    fit_line,
    follow,
    lay_out_seed,
    make_title,
    scan_line,
    scan_poem,
    take_lines,
)

log = logging.getLogger(__name__)

WORDLESS = sentence(
    "The model has no words to rhyme with: its book was not English verse, or it was trained "
    "before forms were added."
)

NEWEST_SHARE = 0.1  # of the newest poem in the average: about the last ten count


class EngineClient:
    """Writes on the engines of the models in use; see `ports.PoemEngine`.

    `limits` say how many poems are written at once and may wait, `max_models` and
    `max_bytes` which models stay in memory (see `model_cache`). Each poem is written by one of the
    `threads`, the one with most room, or `elsewhere`; the same poem by any.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        limits: QueueLimits | None = None,
        max_models: int = 3,
        max_bytes: int = 200_000_000,
        threads: int = 1,
        elsewhere: RemoteWriter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = limits or QueueLimits()
        self._metrics = metrics
        self._clock = clock
        self._queue: FairQueue[EngineDraft] = FairQueue(limits)
        self._cache = ModelCache(
            max_models=max_models,
            max_bytes=max_bytes,
            max_rows=limits.max_rows,
            threads=threads,
        )
        self._held: defaultdict[str, list[LoadedModel]] = defaultdict(list)
        self._writers: list[Writer] = [
            EngineWorker(
                number, self._receive, partial(self._break_down, number), metrics.steps.inc
            )
            for number in range(threads)
        ]
        if elsewhere is not None:
            self._writers.append(elsewhere)
            elsewhere.attach(self._receive)
        self._poem_seconds: float | None = None  # how long a poem holds its row, on average

    @property
    def running(self) -> int:
        return self._queue.running

    @property
    def waiting(self) -> int:
        return self._queue.waiting

    # Models

    @property
    def models(self) -> int:
        """How many are in memory."""
        return len(self._cache)

    async def load(self, model: ModelRecord) -> None:
        await self._cache.load(model)

    @contextmanager
    def hold(self, model: ModelRecord) -> Iterator[None]:
        loaded = self._cache.acquire(model.sha256)
        self._held[model.sha256].append(loaded)
        try:
            yield
        finally:
            self._held[model.sha256].remove(loaded)
            if not self._held[model.sha256]:
                del self._held[model.sha256]
            self._cache.release(loaded)

    def prepare(self, model: ModelRecord, seed: str) -> Prompt:
        folding = self._in_memory(model).vocabulary.fold(seed)
        return Prompt(folding.text, folding.left_out)

    def lay_out(self, model: ModelRecord, seed: str, form: str) -> Opening:
        loaded = self._in_memory(model)
        if loaded.prosody is None:
            raise FormImpossible(form, WORDLESS)
        try:
            return lay_out_seed(seed, FORMS[form], loaded.prosody, loaded.fold)
        except SeedTooLong as error:
            reason = sentence(
                "The seed fills {lines} lines, and a {form} has {whole}.",
                lines=error.lines,
                form=form_name(form),
                whole=len(FORMS[form]),
            )
            raise FormImpossible(form, reason) from error

    def take_lines(
        self,
        model: ModelRecord,
        lines: Sequence[str],
        seed: str,
        form: str,
        beginning: str = "",
    ) -> Opening:
        loaded = self._in_memory(model)
        prosody = _prosody_of(loaded, form)
        return take_lines(lines, seed, FORMS[form], prosody, loaded.fold, beginning)

    def scan_lines(
        self, model: ModelRecord, lines: Sequence[str], form: str, first: int = 0
    ) -> tuple[VerseLine, ...]:
        loaded, shape = self._in_memory(model), FORMS[form]
        prosody = _prosody_of(loaded, form)
        folded = [loaded.fold(line) for line in lines]
        return tuple(
            VerseLine(
                _line_scansion(scan_line(line, number, shape, prosody)),
                _line_notes(fit_line(folded, number, line, shape, prosody), shape, number),
            )
            for number, line in list(enumerate(lines))[first:]
        )

    def plan(
        self,
        model: ModelRecord,
        opening: Opening,
        form: str,
        random_seed: int,
        avoid: Collection[str],
    ) -> Plan:
        planner = self._in_memory(model).planner
        if planner is None or form not in FORMS:
            return NO_PLAN
        plan = planner.plan(opening.theme.words, FORMS[form], avoid, random_seed)
        return follow(plan, opening.lines, FORMS[form]) if opening.line_by_line else plan

    def look_at(self, model: ModelRecord, text: str, form: str) -> PoemScansion:
        loaded = self._cache.find(model.sha256)
        lines = [line for line in text.split("\n") if line.strip()]
        if loaded is None or loaded.prosody is None or form == FREE:
            return PoemScansion()
        shown = scan_poem(lines, FORMS[form], loaded.prosody)
        return PoemScansion(
            make_title(lines, loaded.prosody),
            tuple(map(_line_scansion, shown)),
        )

    def token_splitter(self, model: ModelRecord) -> TokenSplitter:
        return TokenSplitter(self._in_memory(model).vocabulary)

    def opening(self, model: ModelRecord, random_seed: int) -> str:
        openings = self._in_memory(model).openings
        return openings[random_seed % len(openings)] if openings else ""

    def _in_memory(self, model: ModelRecord) -> LoadedModel:
        """Return a model that takes poems, or is held; else raise KeyError."""
        held = self._held.get(model.sha256)
        return held[-1] if held else self._cache[model.sha256]

    # The queue

    def check(self, asker: Asker) -> None:
        if not any(writer.is_there for writer in self._writers):
            raise NoWriter
        self._queue.check(_community(asker), asker.member)

    def write(self, engine_request: EngineRequest) -> EngineDraft:
        loaded = self._in_memory(engine_request.model)
        if loaded is not self._cache.find(engine_request.model.sha256):  # see `_break_down`
            raise ModelUnusable(
                engine_request.model.name, sentence("It stopped writing just now. Try again.")
            )
        return self._join(loaded, engine_request.asker, _model_request(engine_request))

    def write_request(self, model: ModelRecord, asker: Asker, request: Request) -> EngineDraft:
        """Begin a poem as the model is asked for it; see `write`."""
        return self._join(self._in_memory(model), asker, request)

    def _join(self, loaded: LoadedModel, asker: Asker, request: Request) -> EngineDraft:
        draft = EngineDraft(self, loaded, request, asked=self._clock())
        leaving = self._queue.join(draft, _community(asker), asker.member)
        self._cache.retain(loaded)
        if leaving is not None:
            self._take_back(Delivery(leaving, "", failure=QueueFull(self._queue.waiting)))
        self._admit()
        return draft

    def place_of(self, draft: EngineDraft) -> int:
        return self._queue.place_of(draft)

    def expected_wait_of(self, draft: EngineDraft) -> float | None:
        """Return the seconds until `draft` has a row; None while no poem has been finished.

        Rows come free in the order they were given, each after an average poem's time.
        """
        place = self._queue.place_of(draft)
        if not place:
            return 0.0
        if self._poem_seconds is None or not self._queue.running:
            return None
        rounds, nth = divmod(place - 1, self._queue.running)
        oldest = self._queue.oldest(nth)
        held = self._clock() - oldest.began if oldest is not None else 0.0
        return max(0.0, self._poem_seconds - held) + rounds * self._poem_seconds

    def cancel(self, draft: EngineDraft) -> None:
        if draft.writer is not None:
            draft.writer.put(draft)
        else:
            self._take_back(Delivery(draft, "", Ending.CANCELLED))
            self._count()

    async def close(self) -> None:
        """Cancel what is left and give the threads back."""
        for draft in self._queue.items():
            draft.cancel()
        await asyncio.gather(*(writer.close() for writer in self._writers))
        await self._cache.close()

    def _admit(self) -> None:
        """Start as many waiting poems as there are free rows."""
        while (draft := self._queue.take(self._find_writer)) is not None:
            draft.began = self._clock()
            self._metrics.queue_time_seconds.observe(draft.began - draft.asked)
            if draft.writer is not None:
                draft.writer.take(draft)
                draft.writer.put(draft)
        self._count()

    def _find_writer(self, draft: EngineDraft) -> bool:
        """Choose who writes `draft`: the one with most room, of those that begin it at once."""
        free = (writer for writer in self._writers if writer.can_start(draft))
        draft.writer = min(free, key=lambda writer: writer.rows, default=None)
        return draft.writer is not None

    def _count(self) -> None:
        self._metrics.rows_running.set(self._queue.running)
        self._metrics.rows_waiting.set(self._queue.waiting)

    def _receive(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            if not delivery.draft.finished:
                self._take_back(delivery)
        self._admit()

    def _take_back(self, delivery: Delivery) -> None:
        """Deliver new text; with the last of it, free what the draft held."""
        draft, loaded = delivery.draft, delivery.draft.loaded
        self._metrics.characters.inc(len(delivery.text))
        is_last = delivery.failure is not None or delivery.ending is not None
        if is_last and draft.writer is not None:
            draft.writer.give_back(draft)
        if delivery.failure is not None:
            draft.fail(delivery.failure)
        else:
            draft.receive(delivery.text, delivery.ending)
        if is_last and loaded is not None:
            if delivery.ending in (Ending.COMPLETE, Ending.CUT_OFF):
                self._learn(self._clock() - draft.began)
            self._queue.end(draft)
            self._cache.release(loaded)

    def _learn(self, seconds: float) -> None:
        average = seconds if self._poem_seconds is None else self._poem_seconds
        self._poem_seconds = average + NEWEST_SHARE * (seconds - average)

    def _break_down(self, number: int, failure: BaseException) -> None:
        """Fail every poem that is lost with a thread, or waits for it, so that no reader waits on.

        The engines of that thread may be in any state, so the models are loaded anew.
        """
        log.error("a writing thread stopped", exc_info=failure)
        for draft in self._queue.items():
            if draft.writer in (None, self._writers[number]):
                error = RuntimeError("the writing thread stopped")
                self._take_back(Delivery(draft, "", failure=error))
        self._cache.clear()
        self._count()


def _prosody_of(loaded: LoadedModel, form: str) -> Prosody:
    if loaded.prosody is None:
        raise LinesImpossible(form, WORDLESS)
    return loaded.prosody


def _line_scansion(line: ScannedLine) -> LineScansion:
    return LineScansion(line.rhyme, tuple((part.text, part.beat) for part in line.syllables))


def _line_notes(fit: LineFit, form: Form, number: int) -> tuple[str, ...]:
    """Say how a line differs from what its form wants."""
    notes: list[str] = []
    whole = form.syllables[number]
    if fit.syllables != whole:
        notes.append(
            counted(
                "This line has {count} syllable; the form wants {whole}.",
                "This line has {count} syllables; the form wants {whole}.",
                fit.syllables,
                whole=whole,
            )
        )
    elif not fit.on_beat:
        notes.append(sentence("Some stresses of this line are off the beat."))
    notes += _rhyme_notes(fit)
    return tuple(notes)


def _rhyme_notes(fit: LineFit) -> list[str]:
    notes: list[str] = []
    line = 0 if fit.unrhymed is None else fit.unrhymed + 1
    if line and fit.end:
        word = f"“{fit.end}”"
        notes.append(sentence("{word} does not rhyme with line {line}.", word=word, line=line))
    elif line:
        notes.append(sentence("Its last word does not rhyme with line {line}.", line=line))
    if not fit.can_be_rhymed and fit.end:
        word = f"“{fit.end}”"
        told = sentence(
            "{word} has no rhyme that I know; my line will only sound like it.", word=word
        )
        notes.append(told)
    elif not fit.can_be_rhymed:
        notes.append(
            sentence("Its last word has no rhyme that I know; my line will only sound like it.")
        )
    return notes


def _community(asker: Asker) -> str:
    """Return what `asker` shares rows with: their guild, or without one only themselves.

    A member who writes in direct messages so counts as a guild: an account costs effort. A door
    whose askers cost nothing puts them all into one guild.
    """
    return asker.guild or asker.member


def _model_request(engine_request: EngineRequest) -> Request:
    settings = engine_request.settings
    try:
        length = LengthConfig.checked(
            lines=settings.lines, characters=settings.characters, stop=settings.stop
        )
    except SettingError as error:
        raise BadSetting(error.name, error.value, error.allowed) from error
    return Request(
        opening=engine_request.opening,
        sampling=settings.sampling,
        random_seed=engine_request.random_seed,
        length=length,
        form=FORMS.get(settings.form),
        avoided=frozenset((*settings.avoid, *engine_request.avoid)),
        plan=engine_request.plan,
        candidates=engine_request.candidates,
    )
