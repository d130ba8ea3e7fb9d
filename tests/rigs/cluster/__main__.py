"""What a cluster of several hosts survives, and what it costs.

    python -m tests.rigs.cluster [--poems 100] [--delay 1 20] [--only NAME …] [--quick]

Three hosts in network namespaces of their own, joined by a bridge: NATS and PostgreSQL on one, a
gateway with eight shards and a worker on each of two others. Each packet to and from those two
takes 1 to 20 ms one way. Both gateways are on a fake Discord. Visitors ask their pages for sonnets,
eight at a time, while something goes wrong. Each sonnet must come, once, and to the letter as one
process alone writes it; each setting that was confirmed must be there, once. Needs root for the
namespaces, and nats-server; what needs PostgreSQL or libfaketime is left out without them.

    calm         nothing goes wrong
    worker       a worker is killed in the midst, and started again five seconds later
    gateway      the other gateway is killed; what was asked of it is asked again
    cut          the link of one host is cut for thirty seconds; its gateway is not asked
    bus          NATS is killed, and started again three seconds later
    refused      both workers are killed: what is asked then is refused at once, and later written
    database     PostgreSQL is killed three times for three seconds; admins change settings
    stopped      PostgreSQL is stopped as an admin does for three seconds; admins change settings
    away         PostgreSQL is killed for twenty seconds; admins change settings
    claims       two gateways start with the same shards at once, five times
    clocks       the clock of one host is five minutes ahead, and both gateways start
    speed        sonnets a second of one process, of two threads, of a gateway with two workers
    rows         what a gateway pays for the settings of 100,000 servers

At the start both gateways identify with eight shards each; over all trials the fake Discord looks
whether five seconds are between any two identifies.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from bench.tables import number, table
from tests.nats_server import NATS_SERVER, WITHOUT
from tests.postgres_server import find_programs
from tests.rigs import runner
from tests.rigs.bot_process import BotProcess
from tests.rigs.cluster.admins import Outcome
from tests.rigs.cluster.hosts import DELAY_MS
from tests.rigs.cluster.processes import write_config
from tests.rigs.cluster.speed import measure_rows, measure_speed
from tests.rigs.cluster.trials import (
    IDENTIFY_SECONDS,
    NEED_DATABASE,
    TRIALS,
    Row,
    Trials,
    clock_library,
    try_all,
)
from tests.rigs.cluster.visitors import ask

MEASURES = ("speed", "rows")
GUILDS = 100_000
OF_SONNETS = (
    *("tried", "asked", "came", "other text", "refused", "asked again", "pause s"),
    *("well again s", "load"),
)
OF_CHANGES = ("tried", *(each.value for each in Outcome), "lost", "doubled", "false", "pause s")


async def write_alone(home: Path, poems: int) -> dict[int, str]:
    """Return the sonnets as one process without a cluster writes them."""
    config = write_config(home / "alone", "127.0.0.1", 0, threads=2)
    async with BotProcess(config) as bot:
        return (await ask((await bot.address(),), poems)).texts


def left_out(names: list[str]) -> dict[str, str]:
    """Return which trials cannot be run here, and what is missing."""
    missing: dict[str, str] = {}
    for name in names:
        if name in (*NEED_DATABASE, "rows") and find_programs() is None:
            missing[name] = "no PostgreSQL here; on Debian: apt install postgresql"
        elif name == "clocks" and clock_library() is None:
            missing[name] = "no libfaketime here; on Debian: apt install faketime"
    return missing


async def measure(asked: argparse.Namespace, home: Path) -> runner.Report:
    if NATS_SERVER is None:
        raise SystemExit(WITHOUT)
    poems = 24 if asked.quick else asked.poems
    names = asked.only or [*TRIALS, *MEASURES]
    missing = left_out(names)
    report = runner.Report("", {}, [], [f"{name} left out: {why}" for name, why in missing.items()])
    if tried := [name for name in names if name in TRIALS and name not in missing]:
        runner.tell("the same sonnets alone")
        alone = await write_alone(home, poems)
        least, most = asked.delay
        _tell_trials(await try_all(tried, poems, home, alone, (least, most)), report)
    if "speed" in names:
        await _tell_speed(home, poems, report)
    if "rows" in names and "rows" not in missing:
        runner.tell("rows")
        rows = await measure_rows(1_000 if asked.quick else GUILDS)
        told = ", ".join(f"{name} {value:,.2f}" for name, value in asdict(rows).items())
        report.text += f"\n\nA gateway's share of the database: {told}"
        report.figures = {**report.figures, "rows": asdict(rows)}
    return report


def _tell_trials(trials: Trials, report: runner.Report) -> None:
    sonnets = [_sonnets(row) for row in trials.rows]
    changes = [_changes(row) for row in trials.rows if row.seen.changes is not None]
    memory = ", ".join(f"{name} {mb:.0f}" for name, mb in trials.memory.items())
    first, all_gaps = trials.first_gaps, trials.gaps
    identified = (
        f"{len(first) + 1} identifies at the start, {min(first):.2f} to {max(first):.2f} s between "
        f"two; {len(all_gaps) + 1} in all, at least {min(all_gaps):.2f} s"
    )
    tables = [table(OF_SONNETS, sonnets), *([table(OF_CHANGES, changes)] if changes else [])]
    report.text += "\n\n".join((*tables, identified, f"MB: {memory}"))
    report.figures = {
        **report.figures,
        "sonnets": [dict(zip(OF_SONNETS, cells, strict=True)) for cells in sonnets],
        "changes": [dict(zip(OF_CHANGES, cells, strict=True)) for cells in changes],
        "identify_gaps": all_gaps,
        "memory": trials.memory,
    }
    checks = [runner.Check(row.name, row.holds, row.told) for row in trials.rows]
    least = min(all_gaps)
    checks.append(runner.Check("identify", least >= IDENTIFY_SECONDS, f"at least {least:.2f} s"))
    report.checks = [*report.checks, *checks]
    for row in trials.rows:
        sentences = {*row.seen.notes, *row.seen.asked.refused}
        if row.seen.changes is not None:
            sentences |= row.seen.changes.sentences
        report.details += [f"{row.name}: {sentence}" for sentence in sorted(sentences)]


def _sonnets(row: Row) -> tuple[str, ...]:
    asked = row.seen.asked
    return (
        *(row.name, str(row.asked), str(len(asked.texts)), str(row.wrong)),
        *(str(len(asked.refused)), str(asked.again), number(asked.pause, 1)),
        *(number(row.recovered, 1), number(row.load, 1)),
    )


def _changes(row: Row) -> tuple[str, ...]:
    changes = row.seen.changes
    assert changes is not None
    counts = (changes.lost, changes.doubled, changes.false)
    told = [str(changes.count(outcome)) for outcome in Outcome]
    return (row.name, *told, *map(str, counts), number(changes.pause, 1))


async def _tell_speed(home: Path, poems: int, report: runner.Report) -> None:
    speeds, bus = await measure_speed(home, poems)
    rows = table(
        ("way", "sonnets/s", "p50 s", "p95 s", "MB", "ms of a processor a sonnet"),
        [
            (
                *(row.what, number(row.per_second, 2), number(row.p50, 2), number(row.p95, 2)),
                ", ".join(f"{name} {mb:.0f}" for name, mb in row.memory.items()),
                ", ".join(f"{name} {ms:.1f}" for name, ms in row.processor.items()),
            )
            for row in speeds
        ],
    )
    of_bus = "The bus: " + ", ".join(f"{name} {value:,.2f}" for name, value in bus.items())
    report.text += f"\n\n{rows}\n\n{of_bus}"
    figures = {"speed": [asdict(row) for row in speeds], "bus": bus}
    report.figures = {**report.figures, **figures}


def main() -> None:
    parser = runner.parser_of(__doc__, quick="24 sonnets each")
    parser.add_argument("--poems", type=int, default=100)
    parser.add_argument(
        "--delay",
        nargs=2,
        type=float,
        default=DELAY_MS,
        metavar=("LEAST", "MOST"),
        help="milliseconds that a packet takes one way; default: 1 20",
    )
    parser.add_argument("--only", nargs="+", choices=[*TRIALS, *MEASURES])
    runner.run(parser.parse_args(), measure)


if __name__ == "__main__":
    main()
