"""A long, rough day for the service: readers of every temper, models that come and go.

Keeps a ledger of what became of each request, to be held against the service's own figures.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from bench.gauges import resident_mb
from bench.networks import random_tensors
from bot.core.errors import BotError
from bot.core.records import Asker, Poem, PoemRequest
from bot.core.service import Service
from bot.core.writing import Writing
from model import Card, NetworkConfig, Vocabulary, save_model

ALPHABET = Vocabulary.of("\n !',.-abcdefghijklmnopqrstuvwxyz")
SEEDS = ("the sea", "Shall I", "when lamps are lit", "", "O winter", "a ☃ of snow", "ça & là\nrose")
STOPS = (("e",), ("the", "th"), ("and so", "\n\n"))
SUFFIX = ".safetensors"
GUEST = "guest"  # a model whose file is replaced under its name
GUILDS, MEMBERS = 20, 200
LOST_SECONDS = 120.0  # an answer that takes longer will not come
REFUSED_PAUSE_SECONDS = 0.2  # so that whoever is refused does not ask in a tight circle
NEVER = 10**9


@dataclass(frozen=True, slots=True)
class Temper:
    """How somebody reads."""

    stops_after: int = NEVER  # texts, the seed's included; 0: before looking
    leaves: bool = False  # stops by going away rather than by saying so
    pause_seconds: float = 0.0  # between two texts
    vanishes_seconds: float | None = None  # the task is cancelled after so long


@dataclass(frozen=True, slots=True)
class Sample:
    """A poem to be written a second time."""

    request: PoemRequest  # of the very model, by its hash
    text: str
    complete: bool


@dataclass(slots=True)
class Ledger:
    """What became of the requests."""

    ends: Counter[str] = field(default_factory=Counter)  # ending or refusal → how many
    ends_of: bytearray = field(default_factory=bytearray)  # request → how many ends it had
    wrong_length: int = 0  # complete poems by characters that have no right to their length
    characters: int = 0
    errors: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)  # poems so far, MB

    def end(self, number: int, ending: str) -> None:
        self.ends[ending] += 1
        self.ends_of[number] += 1


def draw_request(number: int, random: Random, names: list[str]) -> PoemRequest:
    """Draw what somebody asks for; one in fifty cannot be had."""
    model = random.choices([None, GUEST, random.choice(names), "nobody"], [45, 25, 29, 1])[0]
    by_lines = model is None and random.random() < 0.2
    usual = random.random() < 0.5
    return PoemRequest(
        asker=Asker(f"bench:{random.randrange(MEMBERS)}", f"guild-{random.randrange(GUILDS)}"),
        seed=random.choice(SEEDS),
        model=model,
        random_seed=number,
        lines=random.randint(1, 3) if by_lines else None,
        characters=None if by_lines else min(200, 20 + round(random.expovariate(1 / 40))),
        temperature=99.0 if random.random() < 0.01 else None if usual else random.uniform(0.1, 1.5),
        top_k=None if usual else random.choice((0, 1, 5, 20)),
        top_p=None if usual else random.choice((1.0, 0.9, 0.5)),
        min_p=None if usual else random.choice((0.0, 0.02, 0.2)),
        repetition_guard=None if usual else random.choice((0, 3, 12, 200)),
        stop=random.choice(STOPS) if random.random() < 0.05 else (),
        greedy=random.random() < 0.05,
    )


def draw_temper(random: Random) -> Temper:
    """Draw how somebody reads: 15 % do not read to the end, 3 % are slow."""
    chance = random.random()
    if chance < 0.03:
        return Temper(stops_after=0)
    if chance < 0.06:
        return Temper(stops_after=1)
    if chance < 0.12:
        return Temper(stops_after=random.randint(2, 4), leaves=random.random() < 0.5)
    if chance < 0.15:
        return Temper(vanishes_seconds=random.uniform(0.0, 0.2))
    if chance < 0.18:
        return Temper(pause_seconds=random.uniform(0.02, 0.2))
    return Temper()


class Wear:
    """Asks for `poems` poems, `readers` at a time, and swaps models meanwhile."""

    def __init__(
        self,
        service: Service,
        folder: Path,
        archive: Path,
        *,
        poems: int,
        swap_every: int,
        random_seed: int,
        progress: Callable[[], object],
    ) -> None:
        self.ledger = Ledger(ends_of=bytearray(poems))
        self.swaps = 0
        self._service = service
        self._folder = folder
        self._archive = archive
        self._poems = poems
        self._swap_every = swap_every
        self._random = Random(random_seed)
        self._progress = progress
        self._numbers: Iterator[int] = iter(range(poems))
        self._done = 0
        self._names = [GUEST]
        self._swapping: asyncio.Task[None] | None = None

    async def run(self, readers: int) -> None:
        await self._swap()
        await asyncio.gather(*[self._read_on() for _ in range(readers)])
        if self._swapping is not None:
            await self._swapping

    async def _read_on(self) -> None:
        for number in self._numbers:
            request = draw_request(number, self._random, self._names)
            temper = draw_temper(self._random)
            asking = asyncio.create_task(self._ask(number, request, temper))
            _, late = await asyncio.wait([asking], timeout=temper.vanishes_seconds or LOST_SECONDS)
            if late:
                asking.cancel()
                await asyncio.wait([asking])
            if late and temper.vanishes_seconds is None:
                self.ledger.errors.append(f"request {number} had no end: {request}")
            await self._count()

    async def _count(self) -> None:
        self._done += 1
        self._progress()
        if self._done % max(1, self._poems // 200) == 0:
            self.ledger.memory.append((self._done, resident_mb()))
        if self._done % self._swap_every == 0:
            if self._swapping is not None:
                await self._swapping
            self._swapping = asyncio.create_task(self._swap())

    async def _ask(self, number: int, request: PoemRequest, temper: Temper) -> None:
        try:
            async with self._service.write(request) as writing:
                await _read(writing, temper)
        except BotError as error:
            self.ledger.end(number, type(error).__name__)
            await asyncio.sleep(REFUSED_PAUSE_SECONDS)
        except asyncio.CancelledError:
            self.ledger.end(number, "cancelled")
            raise
        except Exception as error:  # what is counted here fails the whole run
            self.ledger.end(number, "failed")
            self.ledger.errors.append(f"request {number}: {error!r}")
        else:
            self._keep(number, request, writing.poem)

    def _keep(self, number: int, request: PoemRequest, poem: Poem) -> None:
        ledger = self.ledger
        complete = poem.ending.value != "cancelled"
        ledger.end(number, poem.ending.value)
        ledger.characters += len(poem.text) - len(poem.seed)
        asked = request.characters
        if complete and asked is not None:
            ledger.wrong_length += not may_be_so_long(poem, max(asked, len(poem.seed)))
        if number % max(1, self._poems // 400) == 0:
            exactly = replace(request, model=poem.model_sha256, seed=poem.seed)
            ledger.samples.append(Sample(exactly, poem.text, complete))

    async def _swap(self) -> None:
        """Bring a new model, take the one before it away, replace the guest's file."""
        self.swaps += 1
        name = f"visitor-{self.swaps}"
        await asyncio.to_thread(self._bring, name, 32, self.swaps)
        await asyncio.to_thread(self._bring, GUEST, 96, -self.swaps)
        for old in self._names[1:]:
            (self._folder / f"{old}{SUFFIX}").unlink()
        self._names = [GUEST, name]  # whoever has drawn the old name by now is refused

    def _bring(self, name: str, hidden_size: int, kind: int) -> None:
        config = NetworkConfig(
            vocabulary_size=len(ALPHABET), embedding_size=8, hidden_size=hidden_size, layers=2
        )
        card = Card(
            name=name,
            book_title=f"Book {kind}",  # so that no two files are the same
            book_sha256="",
            book_characters=0,
            created="2026-01-01T00:00:00+00:00",
            recipe="none",
            lower_case=True,
            loss=3.0,
            openings=("the morning", "a quiet harbour"),
        )
        tensors = random_tensors(config, self.swaps)
        for path in (self._archive / f"{name}-{self.swaps}", self._folder / name):
            save_model(path.with_name(f"{path.name}{SUFFIX}"), config, tensors, ALPHABET, card)


def may_be_so_long(poem: Poem, asked: int) -> bool:
    stops = poem.settings.stop
    if not stops:
        return len(poem.text) == asked
    written = poem.text[len(poem.seed) :]
    return len(poem.text) <= asked and not any(stop in written for stop in stops)


async def _read(writing: Writing, temper: Temper) -> None:
    if temper.stops_after == 0:
        writing.cancel()
    texts = 0
    async for _ in writing:
        texts += 1
        if texts == temper.stops_after:
            if temper.leaves:
                return
            writing.cancel()
        if temper.pause_seconds:
            await asyncio.sleep(temper.pause_seconds)


async def write_again(service: Service, samples: list[Sample]) -> list[str]:
    """Write each sample a second time; return a sentence for each that came out otherwise."""
    wrong = []
    for sample in samples:
        async with service.write(sample.request) as writing:
            text = (await writing.finish()).text
        same = text == sample.text if sample.complete else text.startswith(sample.text)
        if not same:
            wrong.append(f"{sample.request} gave {sample.text!r}, then {text!r}")
    return wrong
