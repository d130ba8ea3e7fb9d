"""What replacing a model costs while poems are written: memory kept, and pauses between steps.

    python -m tests.rigs.swaps [--swaps 30] [--readers 16] [--keep-heap] [--quick] [--json FILE]

A network of the tutorial's size (4 × 256, 7.4 MB, random weights) is replaced under its name again
and again, while `--readers` readers ask for one poem after another. The table tells the memory in
use after each swap, once the old model's last poem has ended, and the longest time from one step to
the next in the seconds of the swap and in a calm second before it. `--keep-heap` leaves out the
call that gives freed memory back to the system.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import time
from pathlib import Path
from random import Random

from bench.gauges import resident_mb
from bench.networks import random_tensors
from bench.tables import table
from bot.core import model_cache
from bot.core.engine_client import EngineClient
from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.poems import PoemService
from bot.core.records import Asker, PoemRequest
from model import Card, Engine, NetworkConfig, PoemPiece, Vocabulary, save_model
from tests.rigs import runner

NAME = "swapped"
ALPHABET = Vocabulary.of("\n !',.-abcdefghijklmnopqrstuvwxyz")
CARD = Card(
    name=NAME,
    book_title="Swaps",
    book_sha256="0" * 64,
    book_characters=5_000,
    created="2026-11-25T00:00:00+00:00",
    recipe="default",
    lower_case=True,
    loss=3.0,
    openings=("the sea",),
)
SETTLE_SECONDS = 2.5  # a poem of 500 characters takes less
CALM_SECONDS = 1.0
QUICK_SWAPS = 3
ALL_SHARDS = ("swap", "models")  # figures without a fraction


class Pauses:
    """Watches how long rows wait from one step to the next, over all engines."""

    def __init__(self) -> None:
        self._longest_ms = 0.0
        self._last: float | None = None  # when the last step began, if it left rows to go on
        step = Engine.step

        def watched(engine: Engine) -> list[PoemPiece]:
            now = time.perf_counter()
            if self._last is not None:
                self._longest_ms = max(self._longest_ms, (now - self._last) * 1000)
            pieces = step(engine)
            self._last = now if engine.running else None
            return pieces

        setattr(Engine, "step", watched)  # noqa: B010 - mypy takes no new methods

    def take(self) -> float:
        longest, self._longest_ms = self._longest_ms, 0.0
        return longest


def write_models(folder: Path, count: int) -> None:
    """Write the first model and `count` to come; in another process, for the memory's sake."""
    writer = multiprocessing.get_context("spawn").Process(target=_write_all, args=(folder, count))
    writer.start()
    writer.join()


def _write_all(folder: Path, count: int) -> None:
    for number in range(count + 1):
        path = folder / f"{NAME}.safetensors"
        config = NetworkConfig(vocabulary_size=len(ALPHABET), hidden_size=256, layers=4)
        save_model(path, config, random_tensors(config, number), ALPHABET, CARD)
        path.replace(folder / f"{number}.new")
    (folder / "0.new").replace(path)


async def read_on(service: PoemService, number: int) -> None:
    """Ask for poem after poem, of lengths that keep readers out of step."""
    random = Random(number)
    while True:
        length = random.randint(100, 500)
        request = PoemRequest(Asker(f"bench:{number}"), "the sea", characters=length)
        async with service.write(await service.admit(request)) as poem_stream:
            await poem_stream.finish()


async def swap(swaps: int, readers: int, folder: Path, pauses: Pauses) -> list[dict[str, float]]:
    """Let the readers read, replace the model time and again, and look."""
    library = ModelLibrary([folder], shipped=folder / "none", default=NAME)
    metrics = Metrics()
    engine = EngineClient(metrics)
    service = PoemService(library, engine, metrics)
    await service.warm_up()
    reading = [asyncio.create_task(read_on(service, number)) for number in range(readers)]
    await asyncio.sleep(SETTLE_SECONDS)
    rows: list[dict[str, float]] = []
    for number in range(swaps + 1):
        pauses.take()
        await asyncio.sleep(CALM_SECONDS)
        calm = pauses.take()
        if number:
            (folder / f"{number}.new").replace(folder / f"{NAME}.safetensors")
            await asyncio.sleep(SETTLE_SECONDS)
        rows.append(
            {
                "swap": number,
                "resident, MB": resident_mb(),
                "models": engine.models,
                "longest pause, swap, ms": pauses.take(),
                "longest pause, calm, ms": calm,
            }
        )
        runner.tell(f"swap {number} of {swaps}")
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    await service.close(grace_seconds=0.0)
    return rows


async def measure(asked: argparse.Namespace, folder: Path) -> runner.Report:
    swaps = QUICK_SWAPS if asked.quick else asked.swaps
    if asked.keep_heap:
        setattr(model_cache.ModelCache, "_tidy", lambda _: None)  # noqa: B010
    write_models(folder, swaps)
    rows = await swap(swaps, asked.readers, folder, Pauses())
    cells = [[f"{row[name]:.{int(name not in ALL_SHARDS)}f}" for name in row] for row in rows]
    return runner.Report(table(list(rows[0]), cells, left=0), {"swaps": rows})


def main() -> None:
    parser = runner.parser_of(__doc__, quick=f"{QUICK_SWAPS} swaps")
    parser.add_argument("--swaps", type=int, default=30)
    parser.add_argument("--readers", type=int, default=16)
    parser.add_argument("--keep-heap", action="store_true")
    runner.run(parser.parse_args(), measure)


if __name__ == "__main__":
    main()
