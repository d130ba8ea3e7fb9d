"""How long members wait, and how much the service can take: open load on the real thing.

    python -m bench.latency [--rates 1 5 20 50] [--seconds 60] [--poem JSON] [--random-seed N]
                            [--quick] [--json FILE] [--chart FILE]

Each phase has a process of its own, started as the bot starts, all its doors imported, with the
settings of config.toml and the model that ships. But for the flood, limits on waiting are opened
wide, since open load must not be turned away. Members come as a Poisson process, so that a slow
answer does not slow the next question, and read their poems as on Discord (`load_phase.py`). They
ask for poems of 600 characters; `--poem` takes any other fields of a PoemRequest, for example
'{"lines": 14}'.

    burst        50 members ask for a poem of 14 lines at the same moment, five times over
    open load    a row for each rate; served: poems that ended while members came; first: to the
                 first text from the model; whole: to the end of the poem; rows: poems written at
                 once; lag: how late the event loop was, looked at every 5 ms; cores: busy, of
                 those the share of the event loop's thread; req: requests to Discord for a poem
    saturation   the highest rate that is kept up with: after the first third of a phase at least
                 97 % as many poems end as are asked for. Looked for by strides from the
                 highest rate of the table that kept up, then by halving
    fairness     one guild sends 90 % of 1.5 times that rate, nine others share 10 %, with the
                 limits that the bot has; Jain's index over the nine, and in a phase in which they
                 are alone
    Discord      what it takes to write as fast as Discord lets a bot post
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.gauges import ROOT, machine, machine_line
from bench.load_report import Fairness, Phase, Summary, fairness, summarise
from bench.stats import highest_kept
from bench.tables import number, table, write_json

DISCORD_REQUESTS_PER_SECOND = 50  # Discord's global limit for a bot
OTHER_GUILDS = 9
FLOOD_SHARE, FLOOD_LOAD = 0.9, 1.5  # of the load; of the saturation rate
GOALS = {"lag p99": "≤ 20 ms", "lag worst": "≤ 50 ms", "Jain": "≥ 0.95", "memory": "≤ 350 MB"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything is looked at."""

    rates: tuple[float, ...]
    seconds: float  # of a rate
    search_seconds: float  # of a rate that the search looks at
    stride: float  # of the search, a factor
    halvings: int
    flood_seconds: float
    rounds: int


FULL = Plan((1.0, 5.0, 20.0, 50.0), 60.0, 20.0, 1.5, 3, 60.0, 5)
QUICK = Plan((1.0, 5.0, 20.0, 50.0), 2.5, 3.0, 1.5, 0, 2.5, 1)


def measure(phase: Phase) -> dict[str, Any]:
    """Run a phase in a fresh process; return its report, with the seconds it took to start."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", "bench.load_phase", json.dumps(asdict(phase)), str(file)]
        began = time.time()
        subprocess.run(command, cwd=ROOT, check=True)
        report: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return {**report, "start_seconds": report["ready"] - began}


def tell(doing: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {doing} …", file=sys.stderr, flush=True)


def burst(rounds: int) -> Summary:
    tell("50 members at once")
    summary = summarise(measure(Phase(rounds=rounds, poem={"lines": 14})))
    print(f"\n50 members at once, {rounds} round(s), poems of 14 lines, read as they come")
    print(f"  first text   p50 {summary.first.p50:.3f} s, p99 {summary.first.p99:.3f} s")
    print(f"  whole poem   p50 {summary.whole.p50:.3f} s, p99 {summary.whole.p99:.3f} s")
    print(
        f"  {summary.served_rate:.1f} poems/s, {summary.characters_per_second:,.0f} characters/s; "
        f"loop lag p99 {summary.lag_p99_ms:.1f} ms, worst {summary.lag_worst_ms:.1f} ms "
        f"({GOALS['lag worst']}); {summary.peak_mb:.0f} MB; ready after "
        f"{summary.start_seconds:.1f} s (≤ 4 s)"
    )
    return summary


def open_load(base: Phase, plan: Plan) -> list[Summary]:
    summaries = []
    for rate in plan.rates:
        tell(f"{rate:g} poems a second for {plan.seconds:g} s")
        summaries.append(summarise(measure(replace(base, rate=rate, seconds=plan.seconds))))
    print(f"\nopen load, {json.dumps(base.poem)}, {plan.seconds:g} s each")
    show(summaries)
    print(f"  goals: lag p99 {GOALS['lag p99']}, worst {GOALS['lag worst']}; {GOALS['memory']}")
    return summaries


def show(summaries: Sequence[Summary]) -> None:
    """Print phases as a table."""
    head = (
        *("asked/s", "served/s", "refused", "late", "first p50", "p95", "p99 ms"),
        *("whole p50", "p95", "p99 s", "rows", "max", "lag p99", "worst ms"),
        *("MB", "cores", "loop", "req"),
    )
    rows = []
    for one in summaries:
        reasons = ", ".join(f"{count} {reason}" for reason, count in one.refused.items())
        firsts = [number(wait * 1000) for wait in (one.first.p50, one.first.p95, one.first.p99)]
        wholes = [number(wait, 2) for wait in (one.whole.p50, one.whole.p95, one.whole.p99)]
        rows.append(
            (
                *(f"{one.rate:.1f}", f"{one.served_rate:.1f}", reasons or "0"),
                *(f"{one.unfinished}", *firsts, *wholes),
                *(f"{one.rows_mean:.1f}", f"{one.rows_max:.0f}"),
                *(f"{one.lag_p99_ms:.1f}", f"{one.lag_worst_ms:.1f}", f"{one.peak_mb:.0f}"),
                *(f"{one.cores:.2f}", f"{one.loop_share:.0%}", f"{one.requests_per_poem:.1f}"),
            )
        )
    print(table(head, rows, left=0))


def search(base: Phase, plan: Plan, known: Sequence[Summary]) -> tuple[float | None, list[Summary]]:
    """Return the saturation rate and the phases of the search; `known` rates are not run again."""
    seen: list[Summary] = []
    kept_up = {summary.rate: summary.kept_up for summary in known}

    def keeps_up(rate: float) -> bool:
        if rate not in kept_up:
            tell(f"looking for saturation: {rate:.1f} poems a second")
            seen.append(summarise(measure(replace(base, rate=rate, seconds=plan.search_seconds))))
            kept_up[rate] = seen[-1].kept_up
        return kept_up[rate]

    begin = max((rate for rate, kept in kept_up.items() if kept), default=min(kept_up))
    saturation = highest_kept(keeps_up, begin, stride=plan.stride, halvings=plan.halvings)
    found = "not found" if saturation is None else f"{saturation:.1f} poems/s"
    most = max(summary.served_rate for summary in [*known, *seen])
    print(
        f"\nsaturation: {found}, looked for in {plan.search_seconds:g} s each; the most that was "
        f"served: {most:.1f}/s"
    )
    show(seen)
    return saturation, seen


def flood(base: Phase, plan: Plan, saturation: float) -> dict[str, Any]:
    """Compare nine guilds and a tenth that floods with the nine alone."""
    load = FLOOD_LOAD * saturation
    phase = replace(
        base, guilds=OTHER_GUILDS, seconds=plan.flood_seconds, drain_seconds=5.0, limits=True
    )
    tell("nine guilds alone")
    alone = fairness(measure(replace(phase, rate=(1 - FLOOD_SHARE) * load)))
    tell("nine guilds and one that floods")
    report = measure(replace(phase, rate=load, flood_share=FLOOD_SHARE))
    mixed, whole = fairness(report), summarise(report)
    print(
        f"\nfairness: one guild sends {FLOOD_SHARE:.0%} of {load:.1f} poems/s, nine share the rest"
    )
    print(
        f"  Jain's index over the nine ({GOALS['Jain']}): written {mixed.jain_served_others:.3f}, "
        f"wait {mixed.jain_wait_others:.3f}; over all ten: written {mixed.jain_served_all:.3f}, "
        f"wait {mixed.jain_wait_all:.3f}"
    )
    print(_flood_table(alone, mixed))
    refused = ", ".join(f"{count} {reason}" for reason, count in whole.refused.items()) or "nobody"
    print(
        f"  refused: {refused}; lag p99 {whole.lag_p99_ms:.1f}, worst {whole.lag_worst_ms:.1f} ms"
    )
    return {
        "load": load,
        "alone": asdict(alone),
        "flooded": asdict(mixed),
        "phase": asdict(whole),
    }


def _flood_table(alone: Fairness, mixed: Fairness) -> str:
    rows = [
        ("the nine, alone", alone.others_first.p95, alone.others_whole, alone.others_served),
        (
            "the nine in the flood",
            mixed.others_first.p95,
            mixed.others_whole,
            mixed.others_served,
        ),
        ("the one that floods", float("nan"), mixed.flood_whole, mixed.flood_served),
    ]
    head = ("guilds", "first p95 s", "whole p50", "p95 s", "written")
    return table(
        head,
        [
            (who, number(first, 3), number(whole.p50, 3), number(whole.p95, 3), f"{share:.0%}")
            for who, first, whole, share in rows
        ],
    )


def discord_budget(summaries: Sequence[Summary]) -> dict[str, float]:
    """Say how many cores it takes to write as fast as Discord lets a bot post."""

    def allowed(summary: Summary) -> float:
        return DISCORD_REQUESTS_PER_SECOND / summary.requests_per_poem

    nearest = min(summaries, key=lambda summary: abs(summary.served_rate - allowed(summary)))
    poems = allowed(nearest)
    cores = poems * nearest.cpu_per_poem
    least = min(summary.cpu_per_poem for summary in summaries)
    print(
        f"\nDiscord: at {nearest.rate:g} poems/s a poem costs {nearest.requests_per_poem:.1f} "
        f"requests (typing, message, edits); {DISCORD_REQUESTS_PER_SECOND} requests/s are "
        f"{poems:.1f} poems/s; a poem costs {nearest.cpu_per_poem * 1000:.0f} ms of a core there "
        f"({nearest.loop_share:.0%} on the event loop, {nearest.asking_share:.1%} on making "
        f"requests), so that takes {cores:.2f} cores. In the fullest batches seen a poem costs "
        f"{least * 1000:.0f} ms, so that {poems * least:.2f} cores would do"
    )
    return {
        "requests_per_poem": nearest.requests_per_poem,
        "poems_per_second": poems,
        "cpu_seconds_per_poem": nearest.cpu_per_poem,
        "cores": cores,
        "least_cpu_seconds_per_poem": least,
        "least_cores": poems * least,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rates", type=float, nargs="+", metavar="N", help="poems a second")
    parser.add_argument("--seconds", type=float, help="of each rate, and of the flood")
    parser.add_argument("--poem", type=json.loads, metavar="JSON", help="fields of a PoemRequest")
    parser.add_argument("--random-seed", type=int, default=1, help="of who comes when")
    parser.add_argument("--quick", action="store_true", help="all of it, in about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the waits, as PNG")
    return parser.parse_args()


def plan_of(asked: argparse.Namespace) -> Plan:
    plan = QUICK if asked.quick else FULL
    if asked.rates:
        plan = replace(plan, rates=tuple(sorted(asked.rates)))
    if asked.seconds:
        plan = replace(plan, seconds=asked.seconds, flood_seconds=asked.seconds)
    return plan


def main() -> None:
    asked = arguments()
    plan = plan_of(asked)
    base = Phase(poem=asked.poem or {"characters": 600}, random_seed=asked.random_seed)
    about = machine()
    print(machine_line())
    at_once = burst(plan.rounds)
    summaries = open_load(base, plan)
    saturation, found = search(base, plan, summaries)
    flooded = flood(base, plan, saturation or min(plan.rates))
    budget = discord_budget([*summaries, *(one for one in found if one.kept_up)])
    if asked.chart:
        from bench.charts import latency_chart

        poem = ", ".join(f"{value} {key}" for key, value in base.poem.items())
        note = f"poems of {poem}; {about['processor']}, {about['cores']} cores, {about['date']}"
        latency_chart(asked.chart, [*summaries, *found], saturation, note)
    if asked.json:
        report = {
            **about,
            "burst": asdict(at_once),
            "open_load": [asdict(summary) for summary in summaries],
            "saturation": saturation,
            "search": [asdict(summary) for summary in found],
            "fairness": flooded,
            "discord": budget,
        }
        write_json(asked.json, report)


if __name__ == "__main__":
    main()
