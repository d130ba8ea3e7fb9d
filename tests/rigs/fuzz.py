"""Whether a stranger's bytes can get an exception out of the parsers, or make them slow.

    python -m tests.rigs.fuzz [--seconds 300] [--targets book "model file" seed] [--quick]
                              [--json FILE]

Coverage-guided fuzzing by atheris, which is not among the project's requirements: see
requirements-fuzz.lock. Each target has a process of its own, in which our modules and safetensors'
Python side are instrumented (the compiled kernel is not), for so many seconds.

    book         bytes of a file to a book, see model.book
    model file   bytes to a model, and twenty characters written with what loads
    seed         a member's words: options, folding, verse in every form, Markdown

    runs         inputs tried; a second: on one core
    features     of coverage, and inputs that are kept for them, as libFuzzer counts
    escaped      exceptions that are not the project's own: each is a bug, shown below the table
    slowest      the input that took longest, the first one aside, which compiles and reads files
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.gauges import ROOT
from bench.tables import number, table
from tests.rigs import runner

TARGETS = ("book", "model file", "seed")
INSTRUMENTED = ["model", "bot.core", "bot.discord_app", "safetensors"]
MAX_MEMORY_MB = 2048
HUNG_SECONDS = 30  # one input; the process ends then
MAX_KEPT = 5  # exceptions told of
MISSING = "atheris is not installed: pip install -r requirements-fuzz.lock (Linux; see its wheels)."
FEATURES = re.compile(r"ft: (\d+) corp: (\d+)")


@dataclass(slots=True)
class TargetReport:
    """What came of one target."""

    target: str
    seconds: float = 0.0
    runs: int = 0
    features: int = 0
    kept: int = 0
    escaped: int = 0
    slowest_ms: float = 0.0
    slowest_input: str = ""  # the beginning of its repr
    status: int = 0  # of the process; not 0: an input hung it or took its memory
    examples: list[str] = field(default_factory=list)  # input and traceback


class Watch:
    """Runs inputs, counts, and writes the report down now and then: libFuzzer never returns."""

    def __init__(self, target: str, run: Callable[[bytes], None], file: Path) -> None:
        self._report = TargetReport(target)
        self._run = run
        self._file = file
        self._began = self._written = time.monotonic()

    def __call__(self, raw: bytes) -> None:
        report, began = self._report, time.perf_counter()
        try:
            self._run(raw)
        except Exception:
            report.escaped += 1
            if len(report.examples) < MAX_KEPT:
                report.examples.append(f"{raw[:2000]!r}\n{traceback.format_exc()}")
                self._written = 0.0
        took = 1000 * (time.perf_counter() - began)
        report.runs += 1
        if took > report.slowest_ms and report.runs > 1:
            report.slowest_ms, report.slowest_input = took, repr(raw[:400])
        if time.monotonic() - self._written > 1.0:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        self._report.seconds = self._written - self._began
        self._file.write_text(json.dumps(asdict(self._report)), "utf-8")


def fuzz(target: str, seconds: int, folder: Path) -> None:
    """Fuzz in this process, which ends with it."""
    atheris = importlib.import_module("atheris")
    # numba cannot compile what atheris makes of a module.
    spared = [f"model.kernel.{path.stem}" for path in (ROOT / "model" / "kernel").glob("*.py")]
    with atheris.instrument_imports(include=INSTRUMENTED, exclude=spared):
        targets = importlib.import_module("tests.rigs.fuzz_targets").targets()
    chosen = targets[target]
    corpus = folder / "corpus"
    corpus.mkdir()
    for place, raw in enumerate(chosen.corpus):
        (corpus / f"{place}").write_bytes(raw)
        chosen.run(raw)  # what is compiled and read once is no input's time
    watch = Watch(target, chosen.run, folder / "report.json")
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={chosen.max_bytes}",
        f"-rss_limit_mb={MAX_MEMORY_MB}",
        f"-timeout={HUNG_SECONDS}",
        f"-artifact_prefix={folder}/",
        "-seed=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], watch)
    atheris.Fuzz()


def measure(target: str, seconds: int) -> TargetReport:
    """Fuzz a target in a fresh process; return what came of it."""
    runner.tell(f"{target}, {seconds} s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "tests.rigs.fuzz", "--child", target, str(seconds), name]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
        file = folder / "report.json"
        if not file.exists():
            raise SystemExit(f"{target} did not begin.\n{done.stderr[-3000:]}")
        report = TargetReport(**json.loads(file.read_text("utf-8")))
        report.status = done.returncode
        if found := FEATURES.findall(done.stderr):
            report.features, report.kept = map(int, found[-1])
        if report.status:
            report.examples.append(done.stderr[-3000:])
            report.examples += [
                f"{path.name}: {path.read_bytes()[:2000]!r}"
                for path in folder.iterdir()
                if path.name.startswith(("timeout-", "oom-", "crash-", "slow-unit-"))
            ]
    return report


def show(reports: list[TargetReport]) -> str:
    head = ("target", "s", "runs", "a second", "features", "kept", "escaped", "slowest ms", "ended")
    return table(
        head,
        [
            (
                report.target,
                number(report.seconds),
                number(report.runs),
                number(report.runs / max(report.seconds, 1e-9)),
                number(report.features),
                number(report.kept),
                number(report.escaped),
                number(report.slowest_ms, 1),
                "well" if report.status == 0 else f"status {report.status}",
            )
            for report in reports
        ],
    )


def measure_all(asked: argparse.Namespace, _: Path) -> runner.Report:
    seconds = 8 if asked.quick else asked.seconds
    reports = [measure(target, seconds) for target in asked.targets]
    escaped, ended = sum(one.escaped for one in reports), sum(one.status != 0 for one in reports)
    checks = [
        runner.Check("none escaped", not escaped, f"{escaped} exceptions"),
        runner.Check("none hung", not ended, f"{ended} targets ended by an input"),
    ]
    details = [f"{one.target}, slowest: {one.slowest_input}" for one in reports]
    details += [f"{one.target}: {example}" for one in reports for example in one.examples]
    figures = {"targets": [asdict(one) for one in reports]}
    return runner.Report(show(reports), figures, checks, details)


def main() -> None:
    parser = runner.parser_of(__doc__, quick="all of it, in under a minute")
    parser.add_argument("--seconds", type=int, default=300, metavar="N", help="for each target")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        raise SystemExit(MISSING)
    if asked.child:
        target, seconds, folder = asked.child
        fuzz(target, int(seconds), Path(folder))
        return
    runner.run(asked, measure_all)


if __name__ == "__main__":
    main()
