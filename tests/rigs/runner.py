"""What all rigs share: arguments, the file of figures, the exit status."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

from bench.gauges import machine, machine_line
from bench.tables import write_json

INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold, and what was seen of it."""

    name: str
    holds: bool
    seen: str


@dataclass
class Report:
    """What a rig found."""

    text: str  # for the eye
    figures: Mapping[str, object]  # for --json
    checks: Sequence[Check] = ()
    details: list[str] = field(default_factory=list)  # what went wrong, told last


Rig = Callable[[argparse.Namespace, Path], Report | Awaitable[Report]]


def parser_of(doc: str | None, quick: str) -> argparse.ArgumentParser:
    """Return a parser with what every rig takes; `quick` tells what --quick does."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.stem == "__main__" else program.stem
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.rigs.{name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser


def run(asked: argparse.Namespace, rig: Rig) -> NoReturn:
    """Run `rig` in a folder of its own, tell what it found, and exit: 1 if a check does not hold.

    Ctrl-C and SIGTERM end it with everything that it started.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = rig(asked, Path(folder))
            if not isinstance(report, Report):
                report = asyncio.run(_finish(report))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(INTERRUPTED)
    print(machine_line())
    print(report.text)
    for check in report.checks:
        print(f"  {'ok ' if check.holds else 'NOT'}  {check.name:16} {check.seen}")
    for detail in report.details:
        print(f"  {detail}")
    if asked.json is not None:
        checks = [asdict(check) for check in report.checks]
        write_json(asked.json, {**machine(), **report.figures, "checks": checks})
    sys.exit(0 if all(check.holds for check in report.checks) else 1)


def tell(doing: str) -> None:
    """Say on stderr what is going on."""
    print(f"{time.strftime('%H:%M:%S')}  {doing} …", file=sys.stderr, flush=True)


async def _finish(report: Awaitable[Report]) -> Report:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await report
