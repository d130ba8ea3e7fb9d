"""Poems while a training runs, and poems without one; what bot and training need together.

    python -m bench.during_training [--seconds 60] [--rate 2] [--kilobytes 150 | --book FILE]
                                    [--rounds 2] [--quick] [--json FILE]

Members come as a Poisson process and ask for sonnets, as the bot writes them by default, first
alone, then while the bot trains on a book, `--rounds` times over in turn; the training is that of
/book add, with the settings of config.toml, and is begun and stopped as on Discord. At last one
training runs to its end without poems: how long a book of `--kilobytes` takes, of plain sentences
that are made here, or the book in FILE. One in verse takes more memory: the weights that it began
with are kept. Run it with ONEDNN_MAX_CPU_ISA=AVX2 in the environment for a processor without AMX
and AVX-512. Memory is the highest resident size seen, in MB of 2**20 bytes; "shared once" is bot
and training together with what they share counted once, as the system needs it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import psutil  # type: ignore[import-untyped]

from bench.gauges import machine, watch_lag
from bench.tables import number, table, write_json
from bot.app import make_library, open_app
from bot.config import Config
from bot.core.application import App
from bot.core.errors import BotError
from bot.core.jobs import TrainingStage
from bot.core.records import Asker, PoemRequest
from bot.core.training_requests import AttachedFile

ADMIN = Asker("discord:1", "10", manages=True)
QUICK = {"seconds": 8.0, "rounds": 1, "kilobytes": 10}
MEMORY_EVERY_SECONDS = 0.02
NAMES = (
    "harbour lantern winter meadow ferry copper whistle thunder orchard velvet river moon".split()
)
DEEDS = "went home,sang aloud,fell asleep,forgot the hour,lit a fire,crossed the bridge".split(",")
PLACES = "by the mill,under the elms,in the rain,at the gate,along the shore,at dawn".split(",")


def make_book(kilobytes: int, random_seed: int) -> bytes:
    """Return plain English lines, no two alike."""
    chance = random.Random(random_seed)
    text = ""
    while len(text) < kilobytes * 1000:
        deed = f"the {chance.choice(NAMES)} keeper {chance.choice(DEEDS)}"
        who, where = chance.choice(NAMES), chance.choice(PLACES)
        text += f"When {chance.randrange(2, 99)} {who}s were {where}, {deed}.\n"
    return text.encode()


@dataclass
class Phase:
    """What members saw."""

    training: bool
    first_seconds: list[float] = field(default_factory=list)
    whole_seconds: list[float] = field(default_factory=list)
    refused: int = 0
    lags: list[float] = field(default_factory=list)


async def ask(app: App, phase: Phase, number: int) -> None:
    began = time.perf_counter()
    asker = Asker(f"bench:{number}", str(1000 + number % 20))
    first = None
    try:
        admitted = await app.service.admit(PoemRequest(asker, "the sea"))
        async with app.service.write(admitted) as poem_stream:
            async for _ in poem_stream:
                if first is None and poem_stream.text != poem_stream.seed:
                    first = time.perf_counter() - began
    except BotError:
        phase.refused += 1
        return
    whole = time.perf_counter() - began
    phase.first_seconds.append(whole if first is None else first)
    phase.whole_seconds.append(whole)


async def ask_for(app: App, phase: Phase, seconds: float, rate: float, seed: int) -> None:
    """Let members come as a Poisson process for so many seconds."""
    chance = random.Random(seed)
    watching = asyncio.create_task(watch_lag(phase.lags))
    async with asyncio.TaskGroup() as members:
        end, number = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            await asyncio.sleep(chance.expovariate(rate))
            members.create_task(ask(app, phase, number))
            number += 1
    watching.cancel()


async def begin_training(app: App, asker: Asker, book: bytes) -> int:
    """Attach a book and say yes, as on Discord; return the job's number."""

    async def read() -> bytes:
        return book

    found = await app.training_requests.propose(asker, AttachedFile("book.txt", len(book), read))
    await app.training_requests.accept(asker, found.job.id)
    return found.job.id


async def until_it_learns(app: App, job_id: int) -> None:
    async for view in app.training_requests.queue.watch(job_id):
        if view.progress.stage is TrainingStage.LEARNING and view.progress.loss is not None:
            return


async def watch_memory(peaks: dict[str, float]) -> None:
    """Keep the highest resident sizes in MB: of the bot, the training, both at once."""
    me = psutil.Process()
    while True:
        sizes = dict.fromkeys(("bot", "training", "together", "shared once"), 0)
        for process in (me, *me.children(recursive=True)):
            try:
                memory = process.memory_full_info()
            except psutil.Error:
                continue
            sizes["bot" if process == me else "training"] += memory.rss
            sizes["together"] += memory.rss
            sizes["shared once"] += memory.pss
        for name, size in sizes.items():
            peaks[name] = max(peaks.get(name, 0.0), size / 2**20)
        await asyncio.sleep(MEMORY_EVERY_SECONDS)


async def measure(asked: argparse.Namespace, home: Path) -> dict[str, object]:
    config = Config(home=home)
    phases = [Phase(training) for training in (False, True)]
    peaks: dict[str, float] = {}
    long_kilobytes = max(asked.kilobytes, 150) * 4
    async with open_app(config, make_library(config)) as app:
        await app.service.warm_up()
        memory = asyncio.create_task(watch_memory(peaks))
        await ask_for(app, Phase(False), 3.0, asked.rate, 99)  # whatever is only done once
        for number in range(asked.rounds):
            without, during = phases
            await ask_for(app, without, asked.seconds, asked.rate, number)
            job_id = await begin_training(app, ADMIN, make_book(long_kilobytes, number))
            await until_it_learns(app, job_id)
            await ask_for(app, during, asked.seconds, asked.rate, number)
            await app.training_requests.cancel(ADMIN, job_id)
            async for _ in app.training_requests.queue.watch(job_id):
                pass
        book = asked.book.read_bytes() if asked.book else make_book(asked.kilobytes, 7)
        began = time.perf_counter()
        job_id = await begin_training(app, ADMIN, book)
        views = [view async for view in app.training_requests.queue.watch(job_id)]
        seconds = time.perf_counter() - began
        memory.cancel()
    last = views[-1]
    print(
        f"a book of {len(book) / 1000:.0f} kB: {seconds:.0f} s, {last.job.state}, "
        f"loss {last.job.loss}"
    )
    return {
        "phases": [vars(phase) for phase in phases],
        "peaks_mb": peaks,
        "book_seconds": seconds,
        "outcome": last.job.state,
    }


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile in milliseconds."""
    return 1000 * quantiles(values, n=100, method="inclusive")[percent - 1]


def show(report: dict[str, object]) -> None:
    phases = report["phases"]
    assert isinstance(phases, list)
    rows = []
    for phase in phases:
        figures = [
            percentile(phase[kind], percent)
            for kind in ("first_seconds", "whole_seconds")
            for percent in (50, 95, 99)
        ]
        figures.append(percentile(phase["lags"], 99))
        name = "while it trains" if phase["training"] else "without"
        poems = str(len(phase["whole_seconds"]))
        rows.append((name, poems, *(number(figure) for figure in figures), str(phase["refused"])))
    ratios = [
        percentile(phases[1][kind], percent) / percentile(phases[0][kind], percent)
        for kind in ("first_seconds", "whole_seconds")
        for percent in (50, 95, 99)
    ]
    rows.append(("ratio", "", *(number(ratio, 2) for ratio in ratios), "", ""))
    head = (
        *("ms", "poems", "first p50", "p95", "p99", "whole p50", "p95", "p99"),
        *("lag p99", "refused"),
    )
    print(table(head, rows))
    peaks = report["peaks_mb"]
    assert isinstance(peaks, dict)
    print(" · ".join(f"{name} {size:.0f} MB" for name, size in peaks.items()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=2.0)
    book = parser.add_mutually_exclusive_group()
    book.add_argument("--kilobytes", type=int, default=150)
    book.add_argument("--book", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    if asked.quick:
        vars(asked).update(QUICK)
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(measure(asked, Path(folder)))
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA", "as it is")
    report |= {"machine": machine(), "oneDNN": isa}
    print(f"oneDNN: {isa}")
    show(report)
    if asked.json is not None:
        write_json(asked.json, report)


if __name__ == "__main__":
    main()
