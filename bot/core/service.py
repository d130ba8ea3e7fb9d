"""The use-cases: everything that somebody can ask of Sonneteer, whoever asks and wherever."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from bot.core.errors import (
    AvoidedSeed,
    BadSetting,
    BotError,
    FormImpossible,
    ModelUnusable,
    ShuttingDown,
    TooSoon,
)
from bot.core.metrics import Metrics
from bot.core.ports import Draft, LaidOut, Models, Order, Poet
from bot.core.records import (
    FORMS,
    FREE,
    MAX_AVOIDED,
    MAX_AVOIDED_CHARACTERS,
    MAX_SEED_CHARACTERS,
    MAX_STOP_CHARACTERS,
    MAX_STOPS,
    RANGES,
    Defaults,
    Ending,
    Looks,
    ModelRecord,
    Poem,
    PoemRequest,
    PoemSettings,
    Standing,
)

log = logging.getLogger(__name__)

DRAWN_RANDOM_SEEDS = 10**9  # short enough to read aloud; any of RANGES may be asked for
MAX_REMEMBERED_ASKERS = 10_000

_LETTERS = re.compile(r"[^\W\d_]+")

Value = TypeVar("Value")


@dataclass(eq=False)
class Writing:
    """A poem on its way to a reader: iterate it once for the text as it comes, seed first."""

    seed: str  # as typed, or as drawn from the book
    model: ModelRecord
    random_seed: int
    settings: PoemSettings
    notes: tuple[str, ...]
    _draft: Draft
    _began_to_speak: Callable[[], None]  # called once, at the first text from the model
    _look_at: Callable[[str], Looks]
    _parts: list[str] = field(default_factory=list)
    _looked: tuple[str, Looks] | None = None

    @property
    def place(self) -> int:
        """The place in line: 0 while it is being written, 1 for the next in line."""
        return self._draft.place

    @property
    def standing(self) -> Standing:
        """The place in line and how long it is likely to take."""
        return Standing(self._draft.place, self._draft.expected_wait)

    @property
    def ending(self) -> Ending:
        """Why it ended, or what it is heading for."""
        return self._draft.ending

    @property
    def text(self) -> str:
        """What has been written so far, seed included."""
        return "".join(self._parts)

    @property
    def poem(self) -> Poem:
        """The poem as far as it has come; whole when the iteration has ended."""
        ending = self._draft.ending
        return Poem(
            text=self.text,
            seed=self.seed,
            model=self.model.name,
            model_sha256=self.model.sha256,
            random_seed=self.random_seed,
            settings=self.settings,
            notes=(*self.notes, _cut_off_note(self.settings))
            if ending is Ending.CUT_OFF
            else self.notes,
            ending=ending,
            looks=self._looks(),
        )

    async def __aiter__(self) -> AsyncIterator[str]:
        self._parts.append(self.seed)
        yield self.seed
        async for piece in self._draft:
            if len(self._parts) == 1:
                self._began_to_speak()
            self._parts.append(piece)
            yield piece

    def _looks(self) -> Looks:
        """Look at the poem as it stands, once: it takes about a millisecond."""
        text = self.text
        if self._looked is None or self._looked[0] != text:
            self._looked = (text, self._look_at(text))
        return self._looked[1]

    async def finish(self) -> Poem:
        """Wait for the whole poem."""
        async for _ in self:
            pass
        return self.poem

    def cancel(self) -> None:
        """Stop writing; the iteration ends with what there is."""
        self._draft.cancel()


class Service:
    """Stands between the doors and the heavy side; lives on one event loop.

    `cooldown_seconds` gives, per door, how long a member waits between two poems.
    """

    def __init__(
        self,
        library: Models,
        poet: Poet,
        metrics: Metrics,
        *,
        defaults: Defaults | None = None,
        cooldown_seconds: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw_random_seed: Callable[[], int] = lambda: secrets.randbelow(DRAWN_RANDOM_SEEDS),
    ) -> None:
        self.metrics = metrics
        self.defaults = defaults or Defaults()
        self._library = library
        self._poet = poet
        self._cooldown_seconds = dict(cooldown_seconds or {})
        self._clock = clock
        self._draw_random_seed = draw_random_seed
        self._last_asked: dict[str, float] = {}
        self._writings: set[Writing] = set()
        self._all_written = asyncio.Event()
        self._all_written.set()
        self._closing = False
        self._ready = False

    @property
    def closing(self) -> bool:
        return self._closing

    @property
    def ready(self) -> bool:
        """Whether a model has been loaded."""
        return self._ready

    def models(self) -> tuple[ModelRecord, ...]:
        """Return what is installed, the default first."""
        return self._library.models()

    async def warm_up(self) -> ModelRecord:
        """Load the default model, so that the first poem need not wait for it."""
        return await self._have_ready(None)

    @asynccontextmanager
    async def write(self, request: PoemRequest) -> AsyncIterator[Writing]:
        """Begin a poem, which ends at the latest with the context; raise a BotError if not.

        async with service.write(request) as writing:
            async for text in writing: ...
        """
        began = self._clock()

        def first_text() -> None:
            self.metrics.first_text_seconds.observe(self._clock() - began)

        try:
            writing = await self._begin(request, first_text)
        except BotError as error:
            self._count(request, type(error).__name__)
            raise
        except asyncio.CancelledError:  # whoever asked has gone before it began
            self._count(request, Ending.CANCELLED.value)
            raise
        self._writings.add(writing)
        self._all_written.clear()
        outcome = "failed"
        try:
            yield writing
            writing.cancel()  # does nothing to a draft that has ended by itself
            outcome = writing.ending.value
        except asyncio.CancelledError:  # whoever asked has gone
            outcome = Ending.CANCELLED.value
            raise
        finally:
            writing.cancel()
            self._writings.discard(writing)
            if not self._writings:
                self._all_written.set()
            self._count(request, outcome)
            if outcome in (Ending.COMPLETE, Ending.CUT_OFF):
                self.metrics.poem_seconds.observe(self._clock() - began)

    async def close(self, *, grace_seconds: float = 10.0) -> None:
        """Turn new requests away, let poems finish for `grace_seconds`, cancel the rest."""
        self._closing = True
        try:
            async with asyncio.timeout(grace_seconds):
                await self._all_written.wait()
        except TimeoutError:
            log.warning("%d poems were cut short by the stop", len(self._writings))
            for writing in self._writings:
                writing.cancel()
        await self._poet.close()

    async def _begin(self, request: PoemRequest, first_text: Callable[[], None]) -> Writing:
        settings = self.check(request)
        self._poet.check(request.asker)
        self._begin_cooldown(request.asker.member)
        try:
            model = await self._have_ready(request.model)
            if self._closing:  # while the model was being loaded
                raise ShuttingDown
            random_seed = _either(request.random_seed, self._draw_random_seed())
            seed, notes = self._read_seed(request.seed, model)
            settings, laid, more = self._lay_out(seed, model, settings)
            notes += more
            if laid is None:
                seed = seed or self._poet.opening(model, random_seed)
                laid = LaidOut(seed, self._poet.prepare(model, seed).text)
            allowed = _allow_for(laid.shown, laid.prompt, settings)
            allowed = replace(allowed, stop=self._read_stops(settings.stop, model))
            draft = self._poet.write(Order(request.asker, model, laid.prompt, allowed, random_seed))
        except BotError:
            self._last_asked.pop(request.asker.member, None)  # nothing was had, nothing is owed
            raise

        def look_at(text: str) -> Looks:
            return self._poet.look_at(model, text, settings.form)

        return Writing(laid.shown, model, random_seed, settings, notes, draft, first_text, look_at)

    def _lay_out(
        self, seed: str, model: ModelRecord, settings: PoemSettings
    ) -> tuple[PoemSettings, LaidOut | None, tuple[str, ...]]:
        """Lay a seed out in the form that was asked for; without one where that cannot be."""
        if settings.form == FREE:
            return settings, None, ()
        try:
            return settings, self._poet.lay_out(model, seed, settings.form), ()
        except FormImpossible as impossible:
            free = replace(settings, form=FREE)
            return free, None, (str(impossible),)

    async def _have_ready(self, wanted: str | None) -> ModelRecord:
        """Find and load a model; once more if its file was replaced between the two."""
        model = await asyncio.to_thread(self._library.find, wanted)
        try:
            await self._poet.load(model)
        except ModelUnusable:
            newer = await asyncio.to_thread(self._library.find, wanted)
            if newer.sha256 == model.sha256:
                raise
            model = newer
            await self._poet.load(model)
        self._ready = True
        return model

    def _count(self, request: PoemRequest, outcome: str) -> None:
        self.metrics.requests.labels(request.asker.door, outcome).inc()

    def check(self, request: PoemRequest) -> PoemSettings:
        """Return the settings that `request` would be written with, at once and without a place.

        Raises what needs no look at a model: ShuttingDown and BadSetting.
        """
        if self._closing:
            raise ShuttingDown
        return self._settle(request)

    def _settle(self, request: PoemRequest) -> PoemSettings:
        """Fill in the defaults and check every range; raise BadSetting."""
        for name, allowed in RANGES.items():
            value = getattr(request, name)
            if value is not None and value not in allowed:
                raise BadSetting(name.replace("_", " "), value, str(allowed))
        if request.lines is not None and request.characters is not None:
            raise BadSetting("length", "lines and characters", "one of the two")
        _check_stops(request.stop)
        avoid = _check_avoided(request)
        defaults = self.defaults
        form = _form_of(request, defaults)
        lines = defaults.lines if request.lines is None else request.lines
        temperature = defaults.temperature if form == FREE else defaults.verse_temperature
        return PoemSettings(
            form=form,
            avoid=avoid,
            temperature=_either(request.temperature, temperature),
            top_k=_either(request.top_k, defaults.top_k),
            top_p=_either(request.top_p, defaults.top_p),
            min_p=_either(request.min_p, defaults.min_p),
            repetition_guard=_either(request.repetition_guard, defaults.repetition_guard),
            greedy=request.greedy,
            lines=None if request.characters is not None else FORMS.get(form, lines),
            characters=request.characters,
            stop=request.stop,
        )

    def _read_stops(self, stops: tuple[str, ...], model: ModelRecord) -> tuple[str, ...]:
        """Put stop strings onto the model's alphabet, as a seed is; raise BadSetting."""
        folded = tuple(self._poet.prepare(model, stop).text for stop in stops)
        for stop, text in zip(stops, folded, strict=True):
            if not text:
                raise BadSetting("stop", stop, "made of characters that the model knows")
        return folded

    def _begin_cooldown(self, member: str) -> None:
        now = self._clock()
        cooldown = self._cooldown_seconds.get(member.partition(":")[0], 0.0)
        last = self._last_asked.get(member)
        if last is not None and now - last < cooldown:
            raise TooSoon(cooldown - (now - last))
        if len(self._last_asked) >= MAX_REMEMBERED_ASKERS:
            longest = max(self._cooldown_seconds.values(), default=0.0)
            recent = {who: when for who, when in self._last_asked.items() if now - when < longest}
            self._last_asked = recent
        self._last_asked[member] = now

    def _read_seed(self, typed: str, model: ModelRecord) -> tuple[str, tuple[str, ...]]:
        """Return the seed to show, "" if nothing of it is left, and what to tell the reader."""
        notes = []
        seed = _printable(typed).strip()
        if len(seed) > MAX_SEED_CHARACTERS:
            notes.append(
                f"The seed has {len(seed):,} characters; its last {MAX_SEED_CHARACTERS} are used."
            )
            seed = seed[-MAX_SEED_CHARACTERS:].lstrip()
        prompt = self._poet.prepare(model, seed)
        if prompt.left_out:
            notes.append(
                f"The model does not know {' '.join(prompt.left_out[:20])}; it wrote on without."
            )
        if prompt.text.strip():
            return seed, tuple(notes)
        if seed:
            notes.append("Nothing of the seed is left, so the poem opens at random.")
        return "", tuple(notes)


def _check_stops(stops: tuple[str, ...]) -> None:
    if len(stops) > MAX_STOPS:
        raise BadSetting("stop", f"{len(stops)} strings", f"at most {MAX_STOPS} strings")
    for stop in stops:
        if not 1 <= len(stop) <= MAX_STOP_CHARACTERS:
            raise BadSetting("stop", stop, f"text of 1 to {MAX_STOP_CHARACTERS} characters")


def _check_avoided(request: PoemRequest) -> tuple[str, ...]:
    """Return the words to avoid in small letters; raise AvoidedSeed where the seed has one."""
    words = tuple(dict.fromkeys(word.strip().lower() for word in request.avoid))
    if len(words) > MAX_AVOIDED:
        raise BadSetting("avoid", f"{len(words)} words", f"at most {MAX_AVOIDED} words")
    for word in words:
        if not word.isalpha() or len(word) > MAX_AVOIDED_CHARACTERS:
            allowed = f"single words of 1 to {MAX_AVOIDED_CHARACTERS} letters"
            raise BadSetting("avoid", word, allowed)
    for word in _LETTERS.findall(unicodedata.normalize("NFKC", request.seed).lower()):
        if word in words:
            raise AvoidedSeed(word)
    return words


def _form_of(request: PoemRequest, defaults: Defaults) -> str:
    """Return the form that was asked for; raise BadSetting for one that is not known.

    Whoever asks for a length, a stop or the likeliest letters without a form wants free text.
    """
    free = [request.lines, request.characters, request.greedy or None, request.stop or None]
    if request.form is None:
        return defaults.form if free == [None] * len(free) else FREE
    if request.form != FREE and request.form not in FORMS:
        raise BadSetting("form", request.form, f"one of {', '.join(FORMS)} and {FREE}")
    if request.form != FREE and free != [None] * len(free):
        raise BadSetting("form", request.form, f"{FREE} with a length, a stop or greedy writing")
    return request.form


def _cut_off_note(settings: PoemSettings) -> str:
    if settings.form != FREE:
        return (
            f"No line was found that goes on in this {settings.form}. Ask again, or for free text."
        )
    return f"It ends at {RANGES['characters'].high:,} characters, the most that a poem may have."


def _either(asked: Value | None, default: Value) -> Value:
    return default if asked is None else asked


def _printable(typed: str) -> str:
    """Drop what no reader sees and no file can hold: control characters and lone surrogates."""
    text = typed.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))


def _allow_for(seed: str, prompt: str, settings: PoemSettings) -> PoemSettings:
    """Count in the prompt what `settings` counts in the seed as it is shown."""
    if settings.characters is None:
        return settings
    characters = settings.characters - len(seed) + len(prompt)
    return replace(settings, characters=min(max(characters, 1), int(RANGES["characters"].high)))
