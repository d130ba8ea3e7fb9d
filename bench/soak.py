"""Whether anything is lost, doubled, changed or left behind in a hundred thousand poems.

    python bench/soak.py [--poems 100000] [--swap-every 300] [--random-seed N]
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
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tqdm import tqdm  # noqa: E402

from bench.figures import slope  # noqa: E402
from bench.gauges import machine, peak_resident_mb, resident_mb  # noqa: E402
from bench.tables import table, write_json  # noqa: E402
from bench.wear import Ledger, Wear, write_again  # noqa: E402
from bot.composition import SHIPPED, compose_service  # noqa: E402
from bot.config import Config, load_config  # noqa: E402
from bot.core.library import Library  # noqa: E402
from bot.core.service import Service  # noqa: E402
from model import Engine  # noqa: E402

MAX_WAITING = 16
TOO_MANY = 10  # readers beyond all rows and places
GROWTH_GOAL = 1.0  # MB per 10,000 poems
ENOUGH_POEMS = 50_000  # to judge memory by
QUICK_POEMS = 2_000
TABLE_ROWS = 12


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    holds: bool
    seen: str


def service_of(config: Config, folder: Path) -> Service:
    return compose_service(config, Library([folder], shipped=SHIPPED, default="sonnets"))


def settings() -> Config:
    """Return the settings of config.toml, with a short line, so that it is full at times."""
    config = load_config(environment={})
    writing = config.writing.model_copy(update={"max_waiting": MAX_WAITING})
    return config.model_copy(update={"writing": writing})


async def soak(asked: argparse.Namespace, folder: Path) -> tuple[dict[str, object], list[Check]]:
    """Wear a service out, look at what is left of it, and write a sample again with another."""
    config = settings()
    models, archive = folder / "models", folder / "archive"
    models.mkdir()
    archive.mkdir()
    service = service_of(config, models)
    await service.warm_up()
    before, began = resident_mb(), time.perf_counter()
    with tqdm(total=asked.poems, unit=" poems", mininterval=1.0) as bar:
        wear = Wear(
            service,
            models,
            archive,
            poems=asked.poems,
            swap_every=asked.swap_every,
            random_seed=asked.random_seed,
            progress=bar.update,
        )
        await wear.run(config.writing.max_rows + MAX_WAITING + TOO_MANY)
    seconds = time.perf_counter() - began
    ledger = wear.ledger
    checks = [*check_ends(service, ledger), *await check_left(service, config.models.max_loaded)]
    await service.close()
    checks.append(check_memory(ledger, asked.poems))
    again = service_of(config, archive)
    different = await write_again(again, ledger.samples)
    await again.close()
    checks.append(
        Check("again", not different, f"{len(ledger.samples)} poems, {len(different)} different")
    )
    report = {
        **machine(),
        "poems": asked.poems,
        "seconds": seconds,
        "characters": ledger.characters,
        "swaps": wear.swaps,
        "ends": dict(ledger.ends),
        "errors": [*ledger.errors[:20], *different[:20]],
        "memory_before_mb": before,
        "memory_peak_mb": peak_resident_mb(),
        "memory_mb": ledger.memory,
        "growth_mb_per_10000": growth(ledger),
    }
    return report, checks


def check_ends(service: Service, ledger: Ledger) -> list[Check]:
    """Hold the ledger against itself and against the service's count."""
    requests = len(ledger.ends_of)
    without, doubled = ledger.ends_of.count(0), sum(ends > 1 for ends in ledger.ends_of)
    counted: dict[str, int] = {}
    for family in service.metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "sonneteer_requests_total":
                outcome = sample.labels["outcome"]
                counted[outcome] = counted.get(outcome, 0) + int(sample.value)
    alike = counted == dict(ledger.ends)
    return [
        Check("one end", not without and not doubled, f"{without} without, {doubled} doubled"),
        Check("none failed", not ledger.errors, f"{len(ledger.errors)} of {requests}"),
        Check("service agrees", alike, f"ledger {dict(ledger.ends)}, service {counted}"),
        Check("lengths", not ledger.wrong_length, f"{ledger.wrong_length} wrong"),
    ]


async def check_left(service: Service, max_loaded: int) -> list[Check]:
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


def growth(ledger: Ledger) -> float:
    """Return MB per 10,000 poems over the second half."""
    half = ledger.memory[len(ledger.memory) // 2 :]
    return slope([(poems / 10_000, memory) for poems, memory in half])


def check_memory(ledger: Ledger, poems: int) -> Check:
    grown = growth(ledger)
    few = poems < ENOUGH_POEMS
    seen = f"{grown:+.2f} MB per 10,000 poems" + (" (too few poems to judge)" if few else "")
    return Check("memory flat", few or abs(grown) < GROWTH_GOAL, seen)


def show(
    report: dict[str, object], memory: Sequence[tuple[int, float]], checks: list[Check]
) -> None:
    """Print what was seen and whether it holds."""
    print(", ".join(f"{key}: {report[key]}" for key in machine()))
    print(
        f"{report['poems']:,} poems, {report['characters']:,} characters in "
        f"{report['seconds']:.0f} s, {report['swaps']} swaps"
    )
    step = max(1, len(memory) // TABLE_ROWS)
    rows = [(f"{poems:,}", f"{megabytes:.1f}") for poems, megabytes in memory[step - 1 :: step]]
    before = f"{report['memory_before_mb']:.1f}"
    print(table(("poems", "MB"), [("0", before), *rows], left=0))
    for check in checks:
        print(f"  {'ok ' if check.holds else 'NOT'}  {check.name:16} {check.seen}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--poems", type=int, default=100_000)
    parser.add_argument("--swap-every", type=int, default=300, metavar="N", help="poems")
    parser.add_argument("--random-seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_POEMS:,} poems")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    asked = parser.parse_args()
    if asked.quick:
        asked.poems = QUICK_POEMS
    with tempfile.TemporaryDirectory() as folder:
        report, checks = asyncio.run(soak(asked, Path(folder)))
    memory = report["memory_mb"]
    assert isinstance(memory, list)
    show(report, memory, checks)
    for error in report["errors"] if isinstance(report["errors"], list) else []:
        print(f"  {error}", file=sys.stderr)
    if asked.json:
        checked = [{"name": c.name, "holds": c.holds, "seen": c.seen} for c in checks]
        write_json(asked.json, {**report, "checks": checked})
    sys.exit(0 if all(check.holds for check in checks) else 1)


if __name__ == "__main__":
    main()
