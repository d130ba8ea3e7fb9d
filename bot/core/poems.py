"""Everything that can be asked about poems, without knowing who asks."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import ParamSpec, TypeVar

from bot.core import request_log
from bot.core.card import draw_card
from bot.core.errors import (
    BadSetting,
    BotError,
    ModelUnusable,
    QueueFull,
    ShuttingDown,
    TooSoon,
    UnknownModel,
)
from bot.core.fairness import Cooldowns, FairThread
from bot.core.languages import sentence
from bot.core.metrics import Metrics
from bot.core.permissions import Permissions
from bot.core.poem_preparation import AdmittedRequest as AdmittedRequest
from bot.core.poem_preparation import Preparation
from bot.core.poem_settings import (
    clean_lines,
    complete_settings,
    either,
    require_form,
)
from bot.core.poem_stream import PoemStream
from bot.core.ports import (
    GuildPreferences,
    Models,
    NoPreferences,
    PoemEngine,
)
from bot.core.records import (
    CANDIDATES,
    FORMS,
    FREE,
    Asker,
    Defaults,
    Ending,
    ModelRecord,
    NextLine,
    Poem,
    PoemRequest,
    PoemScansion,
    VerseLine,
)
from bot.core.request_log import milliseconds

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

DRAWN_RANDOM_SEEDS = 10**9  # short enough to read aloud; any of RANGES may be asked for
MAX_DRAWINGS = 64  # cards that wait; each takes a fifth of a second on one core


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
        self._engine, self._preparation = engine, Preparation(engine)
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
        pause_began = began - self._spared(admitted)

        def first_text() -> None:
            seconds = self._clock() - began
            self.metrics.time_to_first_text_seconds.observe(seconds)
            request_log.note(first_text_ms=milliseconds(seconds))
            waited = milliseconds(poem_stream.queue_seconds)
            log.debug("a row after %s ms, the first text after %s", waited, milliseconds(seconds))

        with self._counting_refusals(asker):
            poem_stream = await self._begin(admitted, pause_began, first_text)
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
            self._cooldowns.forgive(asker.member, pause_began)
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
            if outcome in (Ending.COMPLETE, Ending.CUT_OFF) and not admitted.candidates:
                self.metrics.request_latency_seconds.observe(self._clock() - began)

    async def suggest(self, admitted: AdmittedRequest) -> NextLine:
        """Return what the next line of a poem in a form may be; raise a BotError if nothing can.

        The poem so far is what the request has as `written`, or its seed. The same request with a
        random seed has the same answer. It waits and counts as a poem does, with a shorter pause.
        """
        settings, written = admitted.settings, admitted.request.written
        require_form(settings.form)
        async with self.write(replace(admitted, candidates=CANDIDATES)) as poem_stream:
            text = (await poem_stream.finish()).text
        if poem_stream.ending is Ending.CANCELLED:
            raise ShuttingDown
        model, seed = poem_stream.model, poem_stream.seed
        shown, _, beginning = seed.rpartition("\n")
        lines = list(written) or [line for line in shown.split("\n") if line.strip()]
        offered = [beginning + line for line in text[len(seed) :].split("\n") if line.strip()]

        def look() -> tuple[tuple[VerseLine, ...], tuple[VerseLine, ...]]:
            so_far = self._engine.scan_lines(model, lines, settings.form)
            known = [
                self._engine.scan_lines(model, [*lines, line], settings.form, len(lines))
                for line in offered
            ]
            return so_far, tuple(line for [line] in known)

        await self._engine.load(model)  # it may have had to make room meanwhile
        with self._engine.hold(model):
            so_far, candidates = await self.run_in_thread(admitted.asker, look)
        return NextLine(
            *(so_far, candidates, model.name, model.sha256, poem_stream.random_seed, settings),
            *(poem_stream.plan, poem_stream.poem.notes),
        )

    async def scan(self, request: PoemRequest) -> VerseLine:
        """Compare the last of the written lines with its form, as for a reader who types it.

        Writes nothing: it takes no place and no pause. Raises ShuttingDown, NotAllowed, or what
        `admit` and `suggest` raise for wrong values.
        """
        self.require_permission(request.asker)
        admitted = await self._complete(request)
        form, written = admitted.settings.form, admitted.request.written
        require_form(form)
        if not written:
            allowed = sentence("the lines so far, and last the one to look at")
            raise BadSetting("written", "no lines", allowed)
        model, _ = await self._model_for(request)
        with self._engine.hold(model):
            [line] = await self.run_in_thread(
                request.asker, self._engine.scan_lines, model, written, form, len(written) - 1
            )
            return line

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
            raise TooSoon(left, card=True)

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
        pause_began: float,
        first_text: Callable[[], None],
    ) -> PoemStream:
        asker, asked = admitted.asker, admitted.request
        self._require_cooldown(asker)  # another poem may have begun since this one was admitted
        self._cooldowns.begin(asker.member, pause_began)
        try:
            model, lost = await self._model_for(asked)
            random_seed = either(asked.random_seed, self._draw_random_seed())
            with self._engine.hold(model):
                prepared = await self.run_in_thread(
                    asker, self._preparation.prepare, admitted, model, random_seed
                )
                if self._closing:  # meanwhile
                    raise ShuttingDown
                draft = self._engine.write(prepared.engine_request(asker, model, random_seed))
                token_splitter = self._engine.token_splitter(model)
        except BotError:
            self._cooldowns.forgive(asker.member, pause_began)  # nothing was had
            raise
        notes = (*asked.notes, *lost, *prepared.notes)
        form = FREE if admitted.candidates else prepared.settings.form  # they are looked at later

        def look_at(text: str) -> Awaitable[PoemScansion]:
            return self.run_in_thread(asker, self._engine.look_at, model, text, form)

        return PoemStream(
            *(prepared.opening.shown, model, random_seed, prepared.settings, prepared.plan, notes),
            *(prepared.is_drawn, token_splitter, draft, first_text, look_at),
        )

    async def _model_for(self, request: PoemRequest) -> tuple[ModelRecord, tuple[str, ...]]:
        """Load what was asked for, or what the guild uses; say if that cannot be had any more."""
        guild = request.asker.guild
        choice = self._preferences.choice(guild, request.asker.channel, request.asker.category)
        if request.model is not None or not choice.name:
            return await self._find_and_load(request.model, guild), ()
        try:
            return await self._find_and_load(choice.sha256, guild), ()
        except (UnknownModel, ModelUnusable) as error:
            reason: str = sentence("Its file is missing.")
            if isinstance(error, ModelUnusable):
                reason = error.sentence
            with suppress(UnknownModel, ModelUnusable):
                # The host may train a book of everybody's anew; a guild's own file nobody may.
                newer = await self._find_and_load(choice.name, guild)
                if not newer.guild:
                    return newer, ()
                reason = sentence("Its file was modified.")
            log.warning("a guild's model %s cannot be had: %s", choice.name, reason)
        note = sentence(
            "Model {name} is unavailable, so I used the default. {reason}",
            name=repr(choice.name),
            reason=reason,
        )
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
        self.require_permission(asker)
        self._engine.check(asker)
        self._require_cooldown(asker)

    def require_permission(self, asker: Asker) -> None:
        """Raise ShuttingDown, or NotAllowed where the asker may have no poems."""
        if self._closing:
            raise ShuttingDown
        self._permissions.require_poems(asker, self._preferences.guild_settings(asker.guild))

    async def _complete(self, request: PoemRequest) -> AdmittedRequest:
        guild_settings = self._preferences.guild_settings(request.asker.guild)
        avoid = (*request.avoid, *guild_settings.avoid)
        defaults = guild_settings.adapt(self.defaults)
        if request.written:
            written = await self.run_in_thread(request.asker, clean_lines, request.written)
            request = replace(request, written=written)
        settings = await self.run_in_thread(
            request.asker, complete_settings, replace(request, avoid=avoid), defaults
        )
        return AdmittedRequest(request, settings)

    def _require_cooldown(self, asker: Asker) -> None:
        if left := self._cooldowns.left_seconds(asker.member, self._pause(asker)):
            raise TooSoon(left)

    def _pause(self, asker: Asker) -> float:
        usual = self._cooldown_seconds.get(asker.door, 0.0)
        return either(self._preferences.guild_settings(asker.guild).cooldown_seconds, usual)

    def _spared(self, admitted: AdmittedRequest) -> float:
        """Return the seconds of a pause that need not be waited: after a line, all but its share.

        A poem line by line so costs the pauses of one poem.
        """
        if not admitted.candidates:
            return 0.0
        return self._pause(admitted.asker) * (1 - 1 / FORMS[admitted.settings.form])
