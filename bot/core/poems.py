"""Everything that can be asked about poems, without knowing who asks."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

from bot.core import request_log
from bot.core.card import draw_card
from bot.core.errors import (
    BotError,
    FormImpossible,
    ModelUnusable,
    QueueFull,
    ShuttingDown,
    TooSoon,
    UnknownModel,
)
from bot.core.fairness import Cooldowns, FairThread
from bot.core.metrics import Metrics
from bot.core.permissions import Permissions
from bot.core.poem_settings import (
    allow_for_seed,
    avoided_word,
    complete_settings,
    either,
    last_part,
    printable_seed,
)
from bot.core.poem_stream import PoemStream
from bot.core.ports import (
    EngineRequest,
    GuildPreferences,
    Models,
    NoPreferences,
    Opening,
    PoemEngine,
)
from bot.core.records import (
    FREE,
    MAX_SEED_CHARACTERS,
    Asker,
    Defaults,
    Ending,
    ModelRecord,
    Plan,
    Poem,
    PoemRequest,
    PoemScansion,
    PoemSettings,
)
from bot.core.request_log import milliseconds

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

DRAWN_RANDOM_SEEDS = 10**9  # short enough to read aloud; any of RANGES may be asked for
OPENINGS_TRIED = 20
MAX_DRAWINGS = 64  # cards that wait; each takes a fifth of a second on one core


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request that may be written, with its settings complete; `PoemService.admit` makes it."""

    request: PoemRequest
    settings: PoemSettings

    @property
    def asker(self) -> Asker:
        return self.request.asker


class PoemService:
    """Stands between the doors and the heavy side; lives on one event loop.

    `cooldown_seconds` gives, per door, how long a member waits between two poems.
    """

    def __init__(
        self,
        library: Models,
        engine: PoemEngine,
        metrics: Metrics,
        *,
        defaults: Defaults | None = None,
        preferences: GuildPreferences | None = None,
        permissions: Permissions | None = None,
        cooldown_seconds: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw_random_seed: Callable[[], int] = lambda: secrets.randbelow(DRAWN_RANDOM_SEEDS),
    ) -> None:
        self.metrics = metrics
        self.defaults = defaults or Defaults()
        self._library = library
        self._preferences = preferences or NoPreferences()
        self._permissions = permissions or Permissions()
        self._engine = engine
        self._cooldown_seconds = dict(cooldown_seconds or {})
        self._clock = clock
        self._draw_random_seed = draw_random_seed
        self._cooldowns, self._drawings = Cooldowns(clock), Cooldowns(clock)
        self._streams: set[PoemStream] = set()
        self._all_written = asyncio.Event()
        self._all_written.set()
        self._preparing, self._drawing = FairThread("preparing"), FairThread("drawing")
        self._closing = False
        self._ready = False

    @property
    def closing(self) -> bool:
        return self._closing

    @property
    def ready(self) -> bool:
        """Whether a model has been loaded."""
        return self._ready

    def models(self, guild: str = "") -> tuple[ModelRecord, ...]:
        """Return what a guild may use, the default first."""
        return self._library.models(guild)

    def find_model(self, name: str) -> ModelRecord:
        """Return a shared model by its name or hash; raise UnknownModel."""
        return self._library.find(name)

    async def warm_up(self) -> ModelRecord:
        """Load the default model, so that the first poem need not wait for it."""
        return await self._find_and_load(None)

    @asynccontextmanager
    async def write(self, admitted: AdmittedRequest) -> AsyncIterator[PoemStream]:
        """Begin a poem, which ends at the latest with the context; raise a BotError if not.

        async with service.write(await service.admit(request)) as writing:
            async for text in writing: ...
        """
        with request_log.request():
            log.debug("a poem was asked for, door %s", admitted.asker.door)
            async with self._write(admitted) as poem_stream:
                yield poem_stream

    @asynccontextmanager
    async def _write(self, admitted: AdmittedRequest) -> AsyncIterator[PoemStream]:
        asker, began = admitted.asker, self._clock()

        def first_text() -> None:
            seconds = self._clock() - began
            self.metrics.time_to_first_text_seconds.observe(seconds)
            request_log.note(first_text_ms=milliseconds(seconds))
            waited = milliseconds(poem_stream.queue_seconds)
            log.debug("a row after %s ms, the first text after %s", waited, milliseconds(seconds))

        with self._counting_refusals(asker):
            poem_stream = await self._begin(admitted, began, first_text)
        log.debug("the poem is in line, at place %d", poem_stream.place)
        self._streams.add(poem_stream)
        self._all_written.clear()
        outcome = "failed"
        try:
            yield poem_stream
            poem_stream.cancel()  # does nothing to a draft that has ended by itself
            outcome = poem_stream.ending.value
        except QueueFull as error:  # it had to leave the line
            outcome = type(error).__name__
            self._cooldowns.forgive(asker.member, began)
            raise
        except asyncio.CancelledError:  # whoever asked has gone
            outcome = Ending.CANCELLED.value
            raise
        finally:
            poem_stream.cancel()
            self._streams.discard(poem_stream)
            if not self._streams:
                self._all_written.set()
            self._count(asker, outcome)
            request_log.note(
                door=asker.door,
                outcome=outcome,
                model=poem_stream.model.name,
                characters=len(poem_stream.text),
                queue_ms=milliseconds(poem_stream.queue_seconds),
            )
            if outcome in (Ending.COMPLETE, Ending.CUT_OFF):
                self.metrics.request_latency_seconds.observe(self._clock() - began)

    def run_in_thread(
        self,
        asker: Asker,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Awaitable[Result]:
        """Do off the event loop what takes the longer the odder a stranger's words are.

        It waits for its turn: one such thing is done at a time, and guilds take turns.
        """
        return self._preparing.run(asker.guild or asker.member, function, *args, **kwargs)

    async def draw(self, asker: Asker, poem: Poem) -> bytes:
        """Return a poem as a picture to share, a PNG; raise what `check_drawing` does."""
        self.check_drawing(asker)
        self._drawings.begin(asker.member, self._clock())
        return await self._drawing.run(asker.member, draw_card, poem)

    def check_drawing(self, asker: Asker) -> None:
        """Raise ShuttingDown, TooSoon or QueueFull where no card can be had now.

        A member waits between two cards as between two poems.
        """
        if self._closing:
            raise ShuttingDown
        if self._drawing.waiting >= MAX_DRAWINGS:
            raise QueueFull(0)
        if left := self._drawings.left_seconds(asker.member, self._pause(asker)):
            raise TooSoon(left, "card")

    async def close(self, *, grace_seconds: float = 10.0) -> None:
        """Turn new requests away, let poems finish for `grace_seconds`, cancel the rest.

        A second call does nothing.
        """
        if self._closing:
            return
        self._closing = True
        try:
            async with asyncio.timeout(grace_seconds):
                await self._all_written.wait()
        except TimeoutError:
            log.warning("%d poems were cut short by the stop", len(self._streams))
            for poem_stream in self._streams:
                poem_stream.cancel()
        await self._engine.close()
        self._preparing.close()
        self._drawing.close()

    async def _begin(
        self,
        admitted: AdmittedRequest,
        asked_at: float,
        first_text: Callable[[], None],
    ) -> PoemStream:
        asker, asked, settings = admitted.asker, admitted.request, admitted.settings
        self._require_cooldown(asker)  # another poem may have begun since this one was admitted
        self._cooldowns.begin(asker.member, asked_at)
        try:
            model, lost = await self._model_for(asked)
            random_seed = either(asked.random_seed, self._draw_random_seed())
            with self._engine.hold(model):
                prepared = await self.run_in_thread(
                    asker, self._prepare, asked.seed, model, settings, random_seed
                )
                if self._closing:  # meanwhile
                    raise ShuttingDown
                draft = self._engine.write(prepared.engine_request(asker, model, random_seed))
                token_splitter = self._engine.token_splitter(model)
        except BotError:
            self._cooldowns.forgive(asker.member, asked_at)  # nothing was had
            raise
        form, notes = prepared.settings.form, (*asked.notes, *lost, *prepared.notes)

        def look_at(text: str) -> Awaitable[PoemScansion]:
            return self.run_in_thread(asker, self._engine.look_at, model, text, form)

        return PoemStream(
            *(prepared.opening.shown, model, random_seed, prepared.settings, prepared.plan, notes),
            *(prepared.is_drawn, token_splitter, draft, first_text, look_at),
        )

    def _prepare(
        self, typed: str, model: ModelRecord, settings: PoemSettings, random_seed: int
    ) -> _Prepared:
        """Put what was asked for onto a model's alphabet, and lay the seed out."""
        seed, folded, read = self._read_seed(typed, model)
        settings, opening, more = self._lay_out(seed, model, settings)
        notes, is_drawn = (*read, *more), False
        if opening is None:
            if is_drawn := not folded.strip():
                if seed:
                    notes += ("Nothing of the seed is left, so the poem opens at random.",)
                seed = self._open(model, random_seed, settings.avoid)
                folded = self._engine.prepare(model, seed).text
            opening = Opening(rest=folded, shown=seed)
        avoid = self._read_avoided(settings.avoid, model)
        every = (*settings.avoid, *avoid)
        plan = self._engine.plan(model, opening, settings.form, random_seed, every)
        stop, passed_over = self._read_stops(settings.stop, model)
        return _Prepared(
            *(settings, opening, plan, (*notes, *passed_over), is_drawn), stop=stop, avoid=avoid
        )

    def _lay_out(
        self, seed: str, model: ModelRecord, settings: PoemSettings
    ) -> tuple[PoemSettings, Opening | None, tuple[str, ...]]:
        """Lay a seed out in the form that was asked for; without one where that cannot be."""
        if settings.form == FREE:
            return settings, None, ()
        try:
            return settings, self._engine.lay_out(model, seed, settings.form), ()
        except FormImpossible as impossible:
            free = replace(settings, form=FREE)
            return free, None, (str(impossible),)

    def _open(self, model: ModelRecord, random_seed: int, avoid: tuple[str, ...]) -> str:
        """Draw an opening of the book that has no word to avoid; "" where there seems to be none.

        The same random seed draws the same one.
        """
        for number in range(OPENINGS_TRIED if avoid else 1):
            opening = self._engine.opening(model, random_seed + number)
            if avoided_word(opening, avoid) is None:
                return opening
        return ""

    async def _model_for(self, request: PoemRequest) -> tuple[ModelRecord, tuple[str, ...]]:
        """Load what was asked for, or what the guild uses; say if that cannot be had any more."""
        guild = request.asker.guild
        choice = self._preferences.choice(guild, request.asker.channel, request.asker.category)
        if request.model is not None or not choice.name:
            return await self._find_and_load(request.model, guild), ()
        try:
            return await self._find_and_load(choice.sha256, guild), ()
        except (UnknownModel, ModelUnusable) as error:
            reason = str(error) if isinstance(error, ModelUnusable) else "Its file is missing."
            with suppress(UnknownModel, ModelUnusable):
                # The host may train a book of everybody's anew; a guild's own file nobody may.
                newer = await self._find_and_load(choice.name, guild)
                if not newer.guild:
                    return newer, ()
                reason = "Its file was modified."
            log.warning("a guild's model %s cannot be had: %s", choice.name, reason)
        note = f"Model {choice.name!r} is unavailable, so I used the default. {reason}"
        return await self._find_and_load(None, guild), (note,)

    async def _find_and_load(self, wanted: str | None, guild: str = "") -> ModelRecord:
        """Find and load a model; once more if its file was replaced between the two."""
        model = await asyncio.to_thread(self._library.find, wanted, guild)
        try:
            await self._engine.load(model)
        except ModelUnusable:
            newer = await asyncio.to_thread(self._library.find, wanted, guild)
            if newer.sha256 == model.sha256:
                raise
            model = newer
            await self._engine.load(model)
        self._ready = True
        return model

    def _count(self, asker: Asker, outcome: str) -> None:
        self.metrics.requests.labels(asker.door, outcome).inc()

    @contextmanager
    def _counting_refusals(self, asker: Asker) -> Iterator[None]:
        try:
            yield
        except BotError as error:
            self._count(asker, type(error).__name__)
            log.debug("no poem: %s", type(error).__name__)
            raise
        except asyncio.CancelledError:  # whoever asked has gone before it began
            self._count(asker, Ending.CANCELLED.value)
            raise

    def require_room(self, asker: Asker) -> None:
        """Raise at once whatever `admit` would, whatever is asked for. Takes no place.

        Raises ShuttingDown, NotAllowed, TooSoon, QueueFull or a child of it, and counts what it
        raises as a refusal. A door asks before it reads what somebody wants.
        """
        with self._counting_refusals(asker):
            self._require_room(asker)

    async def admit(self, request: PoemRequest) -> AdmittedRequest:
        """Check permissions and limits, and complete the settings: what `write` takes.

        Takes no place. Raises what `require_room` does, BadSetting or AvoidedSeed, and counts what
        it raises as a refusal.
        """
        with request_log.request(), self._counting_refusals(request.asker):
            self._require_room(request.asker)
            return await self._complete(request)

    def _require_room(self, asker: Asker) -> None:
        if self._closing:
            raise ShuttingDown
        self._permissions.require_poems(asker, self._preferences.guild_settings(asker.guild))
        self._engine.check(asker)
        self._require_cooldown(asker)

    async def _complete(self, request: PoemRequest) -> AdmittedRequest:
        guild_settings = self._preferences.guild_settings(request.asker.guild)
        avoid = (*request.avoid, *guild_settings.avoid)
        defaults = guild_settings.adapt(self.defaults)
        settings = await self.run_in_thread(
            request.asker, complete_settings, replace(request, avoid=avoid), defaults
        )
        return AdmittedRequest(request, settings)

    def _read_stops(
        self, stops: tuple[str, ...], model: ModelRecord
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Put stop strings onto the model's alphabet, as a seed is; say which never come.

        What is left of "###\\n" without the signs that a model lacks would end the first line.
        """
        prompts = [self._engine.prepare(model, stop) for stop in stops]
        known = tuple(prompt.text for prompt in prompts if prompt.text and not prompt.left_out)
        lacking = dict.fromkeys(sign for prompt in prompts for sign in prompt.left_out)
        if len(known) == len(stops):
            return known, ()
        signs = f"; it does not know {' '.join([*lacking][:20])}" if lacking else ""
        return known, (f"Stop texts that the model cannot write are left out{signs}.",)

    def _read_avoided(self, words: tuple[str, ...], model: ModelRecord) -> tuple[str, ...]:
        """Put words onto the model's alphabet; what it cannot write need not be avoided."""
        folded = (self._engine.prepare(model, word).text for word in words)
        return tuple(word for word in folded if word)

    def _require_cooldown(self, asker: Asker) -> None:
        if left := self._cooldowns.left_seconds(asker.member, self._pause(asker)):
            raise TooSoon(left)

    def _pause(self, asker: Asker) -> float:
        usual = self._cooldown_seconds.get(asker.door, 0.0)
        return either(self._preferences.guild_settings(asker.guild).cooldown_seconds, usual)

    def _read_seed(self, typed: str, model: ModelRecord) -> tuple[str, str, tuple[str, ...]]:
        """Return the seed, the same on the model's alphabet, and what to tell the reader."""
        notes = []
        seed = printable_seed(typed).strip()
        if len(seed) > MAX_SEED_CHARACTERS:
            used = last_part(seed, MAX_SEED_CHARACTERS)
            notes.append(f"The seed has {len(seed):,} characters; its last {len(used)} are used.")
            seed = used
        prompt = self._engine.prepare(model, seed)
        if prompt.left_out:
            notes.append(
                f"Left out, as the model does not know them: {' '.join(prompt.left_out[:20])}."
            )
        return seed, prompt.text, tuple(notes)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that can be known of a poem before it has a place."""

    settings: PoemSettings  # as they are shown
    opening: Opening
    plan: Plan
    notes: tuple[str, ...]
    is_drawn: bool  # whether the opening is the book's
    stop: tuple[str, ...]  # on the model's alphabet, as `avoid`
    avoid: tuple[str, ...]

    def engine_request(self, asker: Asker, model: ModelRecord, random_seed: int) -> EngineRequest:
        allowed = allow_for_seed(self.opening, self.settings)
        allowed = replace(allowed, stop=self.stop, avoid=self.avoid)
        return EngineRequest(
            *(asker, model, self.opening, allowed, random_seed, self.plan),
            avoid=self.settings.avoid,
        )
