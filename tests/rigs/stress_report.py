"""What a long run comes to: its goals, its tables, its figures."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from dataclasses import dataclass, field

from bench.stats import quantile
from bench.tables import number, table
from tests.rigs.bot_process import (
    Figures,
    Looks,
    buckets_between,
    growth,
    lowest_by_minute,
    of_family,
    quantile_of,
    total_of,
)
from tests.rigs.runner import Check
from tests.rigs.stress_members import FAULTS, Command, CommandLog, End, PlayedFault, by_fault

GROWTH_GOAL = 2.0  # MB an hour
LAG_GOAL = 0.02  # seconds, of 99 in 100
ENOUGH_MINUTES = 8  # of the second half, to judge memory by
MORE_FILES, MORE_THREADS = 10, 8  # that may be open in the end: kept connections, a pool's threads
SHOWN = 12  # of what went wrong
POEMS: tuple[tuple[str, bool | None, bool | None], ...] = (
    ("all", None, None),
    ("asked for without a fault", True, False),
    ("during a fault", False, False),
    ("thirty at once in a channel", None, True),
)
COMPLAINT = re.compile(r" (WARNING|ERROR|CRITICAL) +(\S+?):? (.*)")


@dataclass
class StressReport:
    """What was seen of an run."""

    seconds: float
    log: CommandLog
    faults: list[PlayedFault]
    looks: Looks
    before: Figures
    after: Figures
    files: tuple[int, int]
    threads: tuple[int, int]
    loop: tuple[float, float]  # seconds that the event loop's thread ran, and waited to run
    own_lags: list[float]
    own_errors: list[str]
    unfinished: int
    sessions: int
    resumed: int
    status: int = 0
    bot_log: str = ""
    buckets: dict[float, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.buckets = buckets_between(self.before, self.after)


def judge(report: StressReport) -> list[Check]:
    """Hold a run against its goals."""
    ends, after = report.log.ends(), report.after
    wrong = sum(ends[end] for end in FAULTS)
    seen = ", ".join(f"{ends[end]} {end.lower()}" for end in FAULTS)
    rows = total_of(after, "sonneteer_rows_running")
    waiting = total_of(after, "sonneteer_rows_waiting")
    stuck = [fault for fault in report.faults if fault.note]
    bound, _ = quantile_of(report.buckets, 0.99)
    asked = len(report.log.commands)
    return [
        Check("answers", not wrong, f"{asked} commands: {seen}; {ends[End.LOST]} lost, counted"),
        Check("recovered", not stuck, f"{len(report.faults)} faults, {len(stuck)} not recovered"),
        check_memory(report.looks),
        Check("loop lag", bound <= LAG_GOAL, lag_seen(report.buckets)),
        Check("nothing left", not rows and not waiting, f"{rows:.0f} rows, {waiting:.0f} in line"),
        _check_more("open files", report.files, MORE_FILES),
        _check_more("threads", report.threads, MORE_THREADS),
        Check("the end", report.status == 0, f"exit status {report.status} after SIGTERM"),
    ]


def check_memory(looks: Looks) -> Check:
    """Judge the growth of memory, where there is enough of a run to do so."""
    rise, error = growth(looks.memory)
    minutes = len(lowest_by_minute(looks.memory)) / 2
    seen = f"{rise:+.1f} ± {error:.1f} MB an hour over the last {minutes:.0f} minutes"
    if math.isnan(rise) or minutes < ENOUGH_MINUTES:
        return Check("memory flat", True, f"{seen} (too few to judge)")
    if rise < GROWTH_GOAL:
        return Check("memory flat", True, seen)
    noise = rise < 2 * error
    return Check("memory flat", noise, f"{seen}{' (within its noise)' if noise else ''}")


def lag_seen(buckets: dict[float, float]) -> str:
    looks = buckets.get(math.inf, 0.0)
    within = buckets.get(LAG_GOAL, 0.0)
    parts = []
    for share in (0.5, 0.99, 0.999):
        bound, line = quantile_of(buckets, share)
        parts.append(f"p{share * 100:g} ≤ {1000 * bound:.0f} ms (some {1000 * line:.1f})")
    return f"{', '.join(parts)}; {within:.0f} of {looks:.0f} looks within 20 ms"


def _check_more(name: str, counts: tuple[int, int], more: int) -> Check:
    first, last = counts
    return Check(name, last <= first + more, f"{first} at first, {last} in the end")


def complaints(log: str) -> Counter[str]:
    """Count the log's warnings and errors, with numbers taken out."""
    counted: Counter[str] = Counter()
    for line in log.splitlines():
        if (found := COMPLAINT.search(line)) is not None:
            told = re.sub(r"0x[0-9a-f]+|[0-9a-f]{8}|\d+", "#", found[3])[:110]
            counted[f"{found[1]} {found[2]}: {told}"] += 1
    return counted


def show(report: StressReport) -> str:
    """Write everything for the eye."""
    minutes = report.seconds / 60
    parts = (
        f"{minutes:.0f} minutes, {len(report.log.commands)} commands, "
        f"{len(report.faults)} faults, {report.sessions} sessions, {report.resumed} resumed",
        _show_kinds(report.log),
        _show_poems(report.log),
        _show_faults(report.faults),
        _show_memory(report.looks),
        _show_figures(report),
    )
    return "\n".join(parts)


def details(report: StressReport) -> list[str]:
    """Return what went wrong, a line each, and of what the bot complained."""
    wrong = [_describe(command) for command in report.log.faults()]
    wrong += [f"{one.name} at {one.at:.0f} s: {one.note}" for one in report.faults if one.note]
    wrong += [f"ours: {error}" for error in report.own_errors[:SHOWN]]
    wrong += [f"no answer: {failed}" for failed in report.looks.failed[:SHOWN]]
    told = complaints(report.bot_log).most_common(SHOWN)
    return wrong + [f"{n} × {one}" for one, n in told]


def _describe(command: Command) -> str:
    where = "a direct message" if command.guild is None else f"server {command.guild}"
    said = " ".join(command.said.split())[:80]
    return (
        f"{command.kind} at {command.asked_at:.0f} s on {where}, {command.number}: {command.end()} "
        f"({command.answers} answers, {said!r})"
    )


def _show_kinds(log: CommandLog) -> str:
    kinds = log.by_kind()
    columns = [end for end in End if any(ends[end] for ends in kinds.values())]
    rows = [
        (kind, str(ends.total()), *(str(ends[end] or "") for end in columns))
        for kind, ends in kinds.items()
    ]
    return table(("asked", "in all", *columns), rows)


def _show_poems(log: CommandLog) -> str:
    rows = []
    for name, calm, burst in POEMS:
        seconds = log.poem_seconds(calm=calm, burst=burst)
        shares = [quantile(seconds, share) for share in (0.5, 0.95, 0.99)]
        slowest = max(seconds, default=math.nan)
        figures = (number(each, 1) for each in (*shares, slowest))
        rows.append((name, str(len(seconds)), *figures))
    return table(("poems", "count", "s, p50", "p95", "p99", "most"), rows)


def _show_faults(faults: list[PlayedFault]) -> str:
    rows = []
    for name, played in by_fault(faults).items():
        seconds = [one.seconds for one in played if not math.isnan(one.seconds)]
        most = max(seconds, default=math.nan)
        figures = (number(quantile(seconds, 0.5), 1), number(most, 1))
        rows.append((name, str(len(played)), str(len(seconds)), *figures))
    return table(("fault", "played", "recovered", "s, median", "s, most"), rows)


def _show_memory(looks: Looks) -> str:
    points = lowest_by_minute(looks.memory)
    step = max(1, len(points) // 10)
    rows = [(f"{seconds // 60 + 1:.0f}", number(low, 1)) for seconds, low in points[::step]]
    return table(("minute", "MB at the least"), rows, left=0)


def _show_figures(report: StressReport) -> str:
    looks, after = report.looks, report.after
    lines = []
    for name in (
        *("sonneteer_discord_connects_total", "sonneteer_discord_disconnects_total"),
        *("sonneteer_discord_sessions_lost_total", "sonneteer_discord_http_requests_total"),
        *("sonneteer_discord_rate_limits_total", "sonneteer_discord_repeated_events_total"),
        *("sonneteer_discord_unreadable_events_total", "sonneteer_training_jobs_total"),
        "sonneteer_requests_total",
    ):
        told = "  ".join(
            f"{labels} {value:.0f}".strip() for labels, value in of_family(after, name)
        )
        lines.append(f"{name.removeprefix('sonneteer_').removesuffix('_total')}: {told}")
    healthz = ", ".join(f"{status}: {count}" for status, count in sorted(looks.health.items()))
    slowest = 1000 * quantile(looks.health_seconds, 0.99)
    lines.append(f"healthz: {healthz}, p99 {slowest:.0f} ms; metrics: {looks.scrapes} times")
    ran, waited = report.loop
    lines.append(
        f"the bot's event loop ran {ran:.0f} s and waited {waited:.1f} s for a processor; "
        f"load {os.getloadavg()[1]:.1f}"
    )
    own = [1000 * quantile(report.own_lags, share) for share in (0.5, 0.99)]
    lines.append(
        f"this process, Discord and members: loop lag p50 {own[0]:.1f}, p99 {own[1]:.1f} ms"
    )
    return "\n".join(lines)


def summary(report: StressReport) -> dict[str, object]:
    """Return the figures for a file."""
    kinds = report.log.by_kind()
    faults = by_fault(report.faults)
    return {
        "seconds": report.seconds,
        "commands": len(report.log.commands),
        "ends": {kind: {str(end): n for end, n in ends.items()} for kind, ends in kinds.items()},
        "wrong": [_describe(command) for command in report.log.faults()],
        "poem_seconds": report.log.poem_seconds(),
        "calm_poem_seconds": report.log.poem_seconds(calm=True),
        "burst_poem_seconds": report.log.poem_seconds(burst=True),
        "faults": {name: [vars(one) for one in played] for name, played in faults.items()},
        "sessions": report.sessions,
        "resumed": report.resumed,
        "memory_mb": report.looks.memory,
        "memory_growth_mb_an_hour": growth(report.looks.memory),
        "files": report.looks.files,
        "threads": report.looks.threads,
        "loop_seconds": report.loop,
        "lag_buckets": {str(bound): count for bound, count in report.buckets.items()},
        "own_lag_p99_seconds": quantile(report.own_lags, 0.99),
        "healthz": {str(status): count for status, count in report.looks.health.items()},
        "figures": report.after,
        "complaints": dict(complaints(report.bot_log)),
        "own_errors": report.own_errors,
    }
