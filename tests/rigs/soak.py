"""Whether anything is lost, doubled, changed or left behind in a hundred thousand poems.

    python -m tests.rigs.soak [--poems 100000] [--swap-every 300] [--random-seed N]
                         [--quick] [--json FILE]

Short poems (20–200 characters) with settings drawn at random are asked for through the real
service, by a few more readers than it takes, so that some are refused. 15 % do not read to the
end: they stop at once, before the first text or in the middle, walk away, or are cut off; 3 % are
slow. A new model comes every few hundred poems, an old one is taken away, and the file of a third
is replaced. Checked at the end, exit status 1 if one does not hold:

    ends        each request had exactly one, none failed, and the service counted the same
    lengths     each complete poem by characters is as long as was asked for; one with stop
                strings may be shorter, and has none of them
    again       a sample, written a second time by a fresh service alone, gives the same texts; a
                poem that was stopped is the beginning of what it would have become
    left over   no row, no place in line, no task, no engine beyond those kept in memory
    memory      over the second half less than 1 MB more or less per 10,000 poems (not judged on
                fewer than 50,000 poems: a process settles first)
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from tqdm import tqdm

from bench.gauges import peak_resident_mb, resident_mb
from bench.networks import random_tensors
from bench.stats import slope
from bench.tables import table
from bot.app import SHIPPED, make_poem_service
from bot.config import Config, load_config
from bot.core.errors import BotError
from bot.core.model_library import ModelLibrary
from bot.core.poem_stream import PoemStream
from bot.core.poems import PoemService
from bot.core.records import Asker, Poem, PoemRequest
from model import Card, Engine, NetworkConfig, Vocabulary, save_model
from tests.rigs import runner
from tests.rigs.runner import Check

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
class Behaviour:
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
class SoakRecord:
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
        sampling={} if usual else _draw_sampling(random),
        stop=random.choice(STOPS) if random.random() < 0.05 else (),
    )


def _draw_sampling(random: Random) -> dict[str, float]:
    return {
        "temperature": 99.0 if random.random() < 0.02 else random.uniform(0.1, 1.5),
        "top_k": random.choice((0, 1, 5, 20)),
        "top_p": random.choice((1.0, 0.9, 0.5)),
        "min_p": random.choice((0.0, 0.02, 0.2)),
        "repetition_guard": random.choice((0, 3, 12, 200)),
        "greedy": random.random() < 0.1,
    }


def draw_behaviour(random: Random) -> Behaviour:
    """Draw how somebody reads: 15 % do not read to the end, 3 % are slow."""
    chance = random.random()
    if chance < 0.03:
        return Behaviour(stops_after=0)
    if chance < 0.06:
        return Behaviour(stops_after=1)
    if chance < 0.12:
        return Behaviour(stops_after=random.randint(2, 4), leaves=random.random() < 0.5)
    if chance < 0.15:
        return Behaviour(vanishes_seconds=random.uniform(0.0, 0.2))
    if chance < 0.18:
        return Behaviour(pause_seconds=random.uniform(0.02, 0.2))
    return Behaviour()


class SoakRun:
    """Asks for `poems` poems, `readers` at a time, and swaps models meanwhile."""

    def __init__(
        self,
        service: PoemService,
        folder: Path,
        archive: Path,
        *,
        poems: int,
        swap_every: int,
        random_seed: int,
        progress: Callable[[], object],
    ) -> None:
        self.record = SoakRecord(ends_of=bytearray(poems))
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
            behaviour = draw_behaviour(self._random)
            asking = asyncio.create_task(self._ask(number, request, behaviour))
            _, late = await asyncio.wait(
                [asking], timeout=behaviour.vanishes_seconds or LOST_SECONDS
            )
            if late:
                asking.cancel()
                await asyncio.wait([asking])
            if late and behaviour.vanishes_seconds is None:
                self.record.errors.append(f"request {number} had no end: {request}")
            await self._count()

    async def _count(self) -> None:
        self._done += 1
        self._progress()
        if self._done % max(1, self._poems // 200) == 0:
            self.record.memory.append((self._done, resident_mb()))
        if self._done % self._swap_every == 0:
            if self._swapping is not None:
                await self._swapping
            self._swapping = asyncio.create_task(self._swap())

    async def _ask(self, number: int, request: PoemRequest, behaviour: Behaviour) -> None:
        try:
            async with self._service.write(await self._service.admit(request)) as poem_stream:
                await _read(poem_stream, behaviour)
        except BotError as error:
            self.record.end(number, type(error).__name__)
            await asyncio.sleep(REFUSED_PAUSE_SECONDS)
        except asyncio.CancelledError:
            self.record.end(number, "cancelled")
            raise
        except Exception as error:  # what is counted here fails the whole run
            self.record.end(number, "failed")
            self.record.errors.append(f"request {number}: {error!r}")
        else:
            self._keep(number, request, poem_stream.poem)

    def _keep(self, number: int, request: PoemRequest, poem: Poem) -> None:
        record = self.record
        complete = poem.ending.value != "cancelled"
        record.end(number, poem.ending.value)
        record.characters += len(poem.text) - len(poem.seed)
        asked = request.characters
        if complete and asked is not None:
            record.wrong_length += not may_be_so_long(poem, max(asked, len(poem.seed)))
        if number % max(1, self._poems // 400) == 0:
            exactly = replace(request, model=poem.model_sha256, seed=poem.seed)
            record.samples.append(Sample(exactly, poem.text, complete))

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


async def _read(poem_stream: PoemStream, behaviour: Behaviour) -> None:
    if behaviour.stops_after == 0:
        poem_stream.cancel()
    texts = 0
    async for _ in poem_stream:
        texts += 1
        if texts == behaviour.stops_after:
            if behaviour.leaves:
                return
            poem_stream.cancel()
        if behaviour.pause_seconds:
            await asyncio.sleep(behaviour.pause_seconds)


async def write_again(service: PoemService, samples: list[Sample]) -> list[str]:
    """Write each sample a second time; return a sentence for each that came out otherwise."""
    wrong = []
    for sample in samples:
        async with service.write(await service.admit(sample.request)) as poem_stream:
            text = (await poem_stream.finish()).text
        same = text == sample.text if sample.complete else text.startswith(sample.text)
        if not same:
            wrong.append(f"{sample.request} gave {sample.text!r}, then {text!r}")
    return wrong


MAX_WAITING = 16
TOO_MANY = 10  # readers beyond all rows and places
GROWTH_GOAL = 1.0  # MB per 10,000 poems
ENOUGH_POEMS = 50_000  # to judge memory by
QUICK_POEMS = 2_000
TABLE_ROWS = 12


def service_of(config: Config, folder: Path) -> PoemService:
    return make_poem_service(config, ModelLibrary([folder], shipped=SHIPPED, default="sonnets"))


def settings() -> Config:
    """Return the settings of config.toml, with a short line, so that it is full at times."""
    config = load_config(environment={})
    poem_stream = config.writing.model_copy(update={"max_waiting": MAX_WAITING})
    return config.model_copy(update={"writing": poem_stream})


async def soak(asked: argparse.Namespace, folder: Path) -> runner.Report:
    """Ask a service for all the poems, look at what is left, and write a sample again."""
    if asked.quick:
        asked.poems = QUICK_POEMS
    config = settings()
    models, archive = folder / "models", folder / "archive"
    models.mkdir()
    archive.mkdir()
    service = service_of(config, models)
    await service.warm_up()
    before, began = resident_mb(), time.perf_counter()
    with tqdm(total=asked.poems, unit=" poems", mininterval=1.0) as bar:
        run = SoakRun(
            service,
            models,
            archive,
            poems=asked.poems,
            swap_every=asked.swap_every,
            random_seed=asked.random_seed,
            progress=bar.update,
        )
        await run.run(config.writing.max_rows + MAX_WAITING + TOO_MANY)
    seconds = time.perf_counter() - began
    record = run.record
    checks = [*check_ends(service, record), *await check_left(service, config.models.max_loaded)]
    await service.close()
    checks.append(check_memory(record, asked.poems))
    again = service_of(config, archive)
    different = await write_again(again, record.samples)
    await again.close()
    checks.append(
        Check("again", not different, f"{len(record.samples)} poems, {len(different)} different")
    )
    errors = [*record.errors[:20], *different[:20]]
    figures = {
        "poems": asked.poems,
        "seconds": seconds,
        "characters": record.characters,
        "swaps": run.swaps,
        "ends": dict(record.ends),
        "errors": errors,
        "memory_before_mb": before,
        "memory_peak_mb": peak_resident_mb(),
        "memory_mb": record.memory,
        "growth_mb_per_10000": growth(record),
    }
    text = (
        f"{asked.poems:,} poems, {record.characters:,} characters in {seconds:.0f} s, "
        f"{run.swaps} swaps\n{show_memory(before, record.memory)}"
    )
    return runner.Report(text, figures, checks, errors)


def check_ends(service: PoemService, record: SoakRecord) -> list[Check]:
    """Hold the record against itself and against the service's count."""
    requests = len(record.ends_of)
    without, doubled = record.ends_of.count(0), sum(ends > 1 for ends in record.ends_of)
    counted: dict[str, int] = {}
    for family in service.metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "sonneteer_requests_total":
                outcome = sample.labels["outcome"]
                counted[outcome] = counted.get(outcome, 0) + int(sample.value)
    alike = counted == dict(record.ends)
    return [
        Check("one end", not without and not doubled, f"{without} without, {doubled} doubled"),
        Check("none failed", not record.errors, f"{len(record.errors)} of {requests}"),
        Check("service agrees", alike, f"record {dict(record.ends)}, service {counted}"),
        Check("lengths", not record.wrong_length, f"{record.wrong_length} wrong"),
    ]


async def check_left(service: PoemService, max_loaded: int) -> list[Check]:
    """Look for rows, places, tasks and engines that nobody needs any more."""
    await asyncio.sleep(0.2)  # for the writing thread's last words
    gc.collect()
    sample = service.metrics.registry.get_sample_value
    rows, line = sample("sonneteer_rows_running"), sample("sonneteer_rows_waiting")
    tasks = len(asyncio.all_tasks()) - 1
    engines = [found for found in gc.get_objects() if type(found) is Engine]
    held = sum(engine.running for engine in engines)
    return [
        Check("no row left", not rows and not held, f"{rows:g} counted, {held} in the engines"),
        Check("nobody in line", not line, f"{line:g}"),
        Check("no task left", tasks == 0, f"{tasks}"),
        Check("old models gone", len(engines) <= max_loaded, f"{len(engines)} engines"),
    ]


def growth(record: SoakRecord) -> float:
    """Return MB per 10,000 poems over the second half."""
    half = record.memory[len(record.memory) // 2 :]
    return slope([(poems / 10_000, memory) for poems, memory in half])


def check_memory(record: SoakRecord, poems: int) -> Check:
    grown = growth(record)
    few = poems < ENOUGH_POEMS
    seen = f"{grown:+.2f} MB per 10,000 poems" + (" (too few poems to judge)" if few else "")
    return Check("memory flat", few or abs(grown) < GROWTH_GOAL, seen)


def show_memory(before: float, memory: Sequence[tuple[int, float]]) -> str:
    step = max(1, len(memory) // TABLE_ROWS)
    rows = [(f"{poems:,}", f"{megabytes:.1f}") for poems, megabytes in memory[step - 1 :: step]]
    return table(("poems", "MB"), [("0", f"{before:.1f}"), *rows], left=0)


def main() -> None:
    parser = runner.parser_of(__doc__, quick=f"{QUICK_POEMS:,} poems")
    parser.add_argument("--poems", type=int, default=100_000)
    parser.add_argument("--swap-every", type=int, default=300, metavar="N", help="poems")
    parser.add_argument("--random-seed", type=int, default=1)
    runner.run(parser.parse_args(), soak)


if __name__ == "__main__":
    main()
