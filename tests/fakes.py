"""Fakes of the heavy side: an engine that writes what it is told, a library of made-up models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.core.application import App
from bot.core.daily import DailyPoem
from bot.core.errors import (
    FormImpossible,
    LinesImpossible,
    ModelUnusable,
    QueueFull,
    UnknownModel,
)
from bot.core.guild_settings import GuildSettings
from bot.core.metrics import Metrics
from bot.core.poems import PoemService
from bot.core.ports import EngineRequest, Opening, Prompt
from bot.core.records import (
    FORMS,
    FREE,
    NO_PLAN,
    Asker,
    Defaults,
    Ending,
    LineScansion,
    ModelRecord,
    Plan,
    Poem,
    PoemRequest,
    PoemScansion,
    VerseLine,
)
from bot.core.store.days import SentDay
from model import TokenSplitter, Vocabulary

VERSE = (
    " upon the quiet water\nthe evening lays its hand\n"
    "and every lamp grows softer\nalong the sleeping land"
)
SONNETS = ModelRecord(
    name="sonnets",
    path=Path("sonnets.safetensors"),
    sha256="a1" * 32,
    book="The Sonnets",
    loss=1.5,
    size_bytes=4_000_000,
    created="2026-11-25T00:00:00+00:00",
    shipped=True,
    default=True,
)
SEA_SONGS = ModelRecord(
    name="sea-songs",
    path=Path("sea-songs.safetensors"),
    sha256="b2" * 32,
    book="Songs of the Sea",
    loss=1.7,
    size_bytes=3_000_000,
    created="2026-11-25T00:00:00+00:00",
    shipped=False,
    default=False,
)


class FakeLibrary:
    """Knows the given models; the first is the default."""

    def __init__(self, models: Sequence[ModelRecord] = (SONNETS, SEA_SONGS)) -> None:
        self.known = tuple(models)

    def models(self, guild: str = "") -> tuple[ModelRecord, ...]:
        return self.known

    def find(self, wanted: str | None, guild: str = "") -> ModelRecord:
        for record in self.known:
            if wanted in (None, record.name) or record.sha256.startswith(wanted or "?"):
                return record
        raise UnknownModel(wanted or "", [record.name for record in self.known])

    @property
    def shared_folder(self) -> Path:
        return Path("models")

    def guild_folder(self, guild: str) -> Path | None:
        return None

    def hides_another(self, model: ModelRecord) -> bool:
        return False


@dataclass(eq=False)
class FakeDraft:
    """Yields `pieces`, waiting for `gate` before each when there is one."""

    engine: FakeEngine
    engine_request: EngineRequest
    pieces: list[str]
    cancelled: bool = False
    finished: bool = False
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def place(self) -> int:
        return self.engine.place

    @property
    def expected_wait(self) -> float | None:
        return self.engine.expected_wait if self.place else 0.0

    @property
    def queue_seconds(self) -> float | None:
        return None if self.place else 0.0

    @property
    def ending(self) -> Ending:
        return Ending.CANCELLED if self.cancelled else self.engine.ending

    async def __aiter__(self) -> AsyncIterator[str]:
        for piece in self.pieces:
            await self._permission()
            if self.cancelled:
                break
            yield piece
        if self.engine.failure is not None:
            raise self.engine.failure
        self.finished = True

    async def _permission(self) -> None:
        """Wait until the test lets the next piece go, or the draft is cancelled."""
        await asyncio.sleep(self.engine.piece_seconds)
        if self.engine.gate is None:
            return
        waits = {
            asyncio.ensure_future(self.engine.gate.acquire()),
            asyncio.ensure_future(self._stop.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    def cancel(self) -> None:
        if not self.finished:
            self.cancelled = True
            self._stop.set()


class FakeEngine:
    """Writes `text` after every seed, in pieces of `piece_characters`.

    With `gate` (a semaphore at 0) a test releases the pieces one by one. `full` refuses every
    order, `place` and `expected_wait` are what drafts report, `ending` is what a whole one comes
    to, and `failure` is raised after the last piece.
    """

    def __init__(
        self,
        text: str = VERSE,
        *,
        alphabet: str | None = None,
        piece_characters: int = 16,
        piece_seconds: float = 0.0,
    ) -> None:
        self.text = text
        self.alphabet = alphabet  # None: knows every character
        self.piece_characters = piece_characters
        self.piece_seconds = piece_seconds  # asleep before each piece, where the clock is simulated
        self.gate: asyncio.Semaphore | None = None
        self.loading: asyncio.Event | None = None  # until it is set, models are being loaded
        self.full = False
        self.impossible = ""  # why no form can be had
        self.seed_break = ""  # after a seed that fills its line
        self.looks = PoemScansion("A Title")  # of poems in a form
        self.candidates: tuple[str, ...] = ("the first line", "another one", "and a third")
        self.line_notes: tuple[str, ...] = ()  # of every line that is looked at
        self.refusal: QueueFull | None = None  # instead of that of a full line
        self.place = 0
        self.expected_wait: float | None = None
        self.ending = Ending.COMPLETE
        self.failure: Exception | None = None
        self.unusable: set[str] = set()
        self.held: list[ModelRecord] = []
        self.drafts: list[FakeDraft] = []
        self.closed = False

    @property
    def engine_requests(self) -> list[EngineRequest]:
        return [draft.engine_request for draft in self.drafts]

    @property
    def running(self) -> int:
        return sum(not (draft.finished or draft.cancelled) for draft in self.drafts)

    @property
    def waiting(self) -> int:
        return self.place

    async def load(self, model: ModelRecord) -> None:
        await asyncio.sleep(0)
        if self.loading is not None:
            await self.loading.wait()
        if model.name in self.unusable:
            raise ModelUnusable(model.name, "Its file is damaged.")

    @contextmanager
    def hold(self, model: ModelRecord) -> Iterator[None]:
        self.held.append(model)
        try:
            yield
        finally:
            self.held.remove(model)

    def prepare(self, model: ModelRecord, seed: str) -> Prompt:
        if self.alphabet is None:
            return Prompt(seed, ())
        kept = "".join(character for character in seed.lower() if character in self.alphabet)
        left_out = dict.fromkeys(c for c in seed if c.lower() not in self.alphabet)
        return Prompt(kept, tuple(left_out))

    def lay_out(self, model: ModelRecord, seed: str, form: str) -> Opening:
        if self.impossible:
            raise FormImpossible(form, self.impossible)
        return Opening(rest=self.prepare(model, seed).text, shown=seed + self.seed_break)

    def take_lines(
        self,
        model: ModelRecord,
        lines: Sequence[str],
        seed: str,
        form: str,
        beginning: str = "",
    ) -> Opening:
        if self.impossible:
            raise LinesImpossible(form, self.impossible)
        shown = "\n".join(lines) + ("\n" + beginning) * (len(lines) < FORMS[form])
        return Opening(tuple(lines), rest=beginning, shown=shown, line_by_line=True)

    def scan_lines(
        self, model: ModelRecord, lines: Sequence[str], form: str, first: int = 0
    ) -> tuple[VerseLine, ...]:
        looks = [LineScansion("A", ((line, True),)) for line in lines[first:]]
        return tuple(VerseLine(look, self.line_notes) for look in looks)

    def plan(
        self,
        model: ModelRecord,
        opening: Opening,
        form: str,
        random_seed: int,
        avoid: Collection[str],
    ) -> Plan:
        return NO_PLAN if form == FREE else Plan(("sea",), ("boat",), ("shore",))

    def look_at(self, model: ModelRecord, text: str, form: str) -> PoemScansion:
        return PoemScansion() if form == FREE else self.looks

    def token_splitter(self, model: ModelRecord) -> TokenSplitter:
        return TokenSplitter(Vocabulary.of(self.text + "\n "))  # each character is a token

    def opening(self, model: ModelRecord, random_seed: int) -> str:
        return f"an opening, number {random_seed}"

    def check(self, asker: Asker) -> None:
        if self.full:
            raise QueueFull(64)
        if self.refusal is not None:
            raise self.refusal

    def write(self, engine_request: EngineRequest) -> FakeDraft:
        self.check(engine_request.asker)
        size, text = self.piece_characters, self.text
        if engine_request.candidates:
            text = "\n".join(self.candidates)
        if len(engine_request.opening.lines) == FORMS.get(engine_request.settings.form):
            text = ""  # nothing is left to write
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        draft = FakeDraft(self, engine_request, pieces)
        self.drafts.append(draft)
        return draft

    async def close(self) -> None:
        self.closed = True


@dataclass
class Clock:
    """A clock that a test turns by hand; call it for the time in seconds."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def fake_service(
    engine: FakeEngine | None = None,
    *,
    models: Sequence[ModelRecord] = (SONNETS, SEA_SONGS),
    cooldown_seconds: Mapping[str, float] | None = None,
    clock: Clock | None = None,
    defaults: Defaults | None = None,
    random_seed: int = 7,
) -> PoemService:
    """Make the real service on fakes; it draws `random_seed` whenever it has to draw one."""
    return PoemService(
        FakeLibrary(models),
        engine or FakeEngine(),
        Metrics(),
        defaults=defaults or Defaults(form=FREE),
        cooldown_seconds=cooldown_seconds,
        clock=clock or Clock(),
        draw_random_seed=lambda: random_seed,
    )


class NothingStored:
    """What the Discord door asks at its start, where there are only poems."""

    async def guilds(self) -> set[str]:
        return set()

    async def untold_jobs(self) -> list[object]:
        return []

    async def halves(self) -> list[object]:
        return []

    async def keep(self, *_: object) -> None: ...

    async def sent(self) -> dict[str, SentDay]:
        return {}

    def with_daily(self) -> dict[str, DailyPoem]:
        return {}

    def guild_settings(self, _: str) -> GuildSettings:
        return GuildSettings()

    @property
    def queue(self) -> NothingStored:
        return self


def app_with(service: PoemService, app: App | None = None) -> App:
    """Return `app` with another service; without an app, one that has no data folder."""
    if app is not None:
        return replace(app, service=service)
    nothing: Any = NothingStored()
    return App(service, nothing, nothing, nothing, nothing, nothing, nothing, nothing)


async def write_poem(service: PoemService, request: PoemRequest) -> Poem:
    """Let a request be admitted and its poem be written to the end."""
    async with service.write(await service.admit(request)) as poem_stream:
        return await poem_stream.finish()
