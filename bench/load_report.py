"""The load that a phase is told to put on, and what is read out of its report. Pure.

Whoever reads a report need not load the bot. A poem that had no end when the phase was cut off
counts with the time it had waited by then, which is too little: percentiles that it touches are
lower bounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.stats import jain, mean, quantile

FLOOD = "flood"  # the guild that sends more than its share


@dataclass(frozen=True, slots=True)
class Phase:
    """A load, complete, so that it can be put on again."""

    rate: float = 0.0  # poems asked for a second, of all guilds together
    seconds: float = 0.0
    random_seed: int = 1
    guilds: int = 10
    flood_share: float = 0.0  # of the load, from one further guild
    drain_seconds: float = 30.0  # how long to wait for what is being written at the end
    limits: bool = False  # whether to refuse as config.toml has it; else nobody is refused
    rounds: int = 0  # instead of `rate`: `burst` members ask at once, so many times over
    burst: int = 50
    poem: dict[str, Any] = field(default_factory=lambda: {"characters": 600})  # of a PoemRequest


@dataclass(slots=True)
class Outcome:
    """What became of one request; seconds from the phase's beginning."""

    guild: str
    asked: float
    first: float | None = None  # the first text from the model
    ended: float | None = None
    ending: str = "unfinished"  # an Ending, or the name of the refusal
    refused: bool = False
    characters: int = 0
    requests: int = 0  # to Discord


KEEPS_UP = 0.97  # of what was asked for, after the first third of a phase


@dataclass(frozen=True, slots=True)
class Waits:
    """Percentiles, in seconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Waits:
        return cls(quantile(values, 0.50), quantile(values, 0.95), quantile(values, 0.99))


@dataclass(frozen=True, slots=True)
class Summary:
    """One phase, one row of the table."""

    rate: float  # asked for, poems a second on average
    asked: int
    served_rate: float  # poems a second that ended while others were asking
    refused: dict[str, int]  # by reason
    unfinished: int  # at the cut-off
    first: Waits  # from asking to the first text from the model
    whole: Waits  # from asking to the end
    rows_mean: float
    rows_max: float
    lag_p99_ms: float
    lag_worst_ms: float
    peak_mb: float
    start_seconds: float  # from starting the process to a loaded model
    cores: float  # busy, on average
    cpu_per_poem: float  # seconds
    loop_share: float  # of that, on the event loop's thread: service, door and members
    asking_share: float  # of that, on making the requests
    requests_per_poem: float  # to Discord
    characters_per_second: float
    kept_up: bool


def outcomes_of(report: dict[str, Any]) -> list[Outcome]:
    return [Outcome(*values) for values in report["outcomes"]]


def summarise(report: dict[str, Any]) -> Summary:
    """Sum a phase up."""
    phase, outcomes = Phase(**report["phase"]), outcomes_of(report)
    wall, cpu = report["wall_seconds"], report["cpu_seconds"]
    # Not until an event loop that is overrun gets to the last of them.
    asking = phase.seconds or report["asking_seconds"]
    written = [outcome for outcome in outcomes if not outcome.refused]
    ended = [outcome for outcome in written if outcome.ended is not None]
    return Summary(
        rate=phase.rate,
        asked=len(outcomes),
        served_rate=sum(_ended_within(outcome, 0.0, asking) for outcome in written) / asking,
        refused=dict(Counter(o.ending for o in outcomes if o.refused)),
        unfinished=len(written) - len(ended),
        first=Waits.of([_wait(outcome, outcome.first, wall) for outcome in written]),
        whole=Waits.of([_wait(outcome, outcome.ended, wall) for outcome in written]),
        rows_mean=mean(report["rows"]),
        rows_max=max(report["rows"]),
        lag_p99_ms=quantile(report["lags"], 0.99) * 1000,
        lag_worst_ms=max(report["lags"]) * 1000,
        peak_mb=report["peak_mb"],
        start_seconds=report["start_seconds"],
        cores=cpu / wall,
        cpu_per_poem=cpu / max(1, len(ended)),
        loop_share=report["loop_cpu_seconds"] / cpu,
        asking_share=report["asking_cpu_seconds"] / cpu,
        requests_per_poem=mean([float(outcome.requests) for outcome in ended]),
        characters_per_second=sum(outcome.characters for outcome in outcomes) / wall,
        kept_up=keeps_up(outcomes, asking),
    )


def keeps_up(outcomes: Sequence[Outcome], seconds: float) -> bool:
    """Whether, after the first third, about as many poems ended as were asked for, none refused."""
    begin = seconds / 3
    asked = sum(begin <= outcome.asked <= seconds for outcome in outcomes)
    ended = sum(_ended_within(outcome, begin, seconds) for outcome in outcomes)
    return ended >= KEEPS_UP * asked and not any(outcome.refused for outcome in outcomes)


@dataclass(frozen=True, slots=True)
class Fairness:
    """How guilds fared while one floods."""

    jain_served_others: float  # over the shares of their poems that were written
    jain_wait_others: float  # over their mean waits for the whole poem
    jain_served_all: float  # the flooding guild included
    jain_wait_all: float
    others_first: Waits
    others_whole: Waits
    flood_whole: Waits
    others_served: float  # share of all their poems
    flood_served: float


def fairness(report: dict[str, Any]) -> Fairness:
    """Compare the guilds of a phase; each must have asked for something."""
    wall = report["wall_seconds"]
    guilds: dict[str, list[Outcome]] = {}
    for outcome in outcomes_of(report):
        guilds.setdefault(outcome.guild, []).append(outcome)
    served = {guild: _served(outcomes) for guild, outcomes in guilds.items()}
    waits = {
        guild: [_wait(o, o.ended, wall) for o in outcomes if not o.refused]
        for guild, outcomes in guilds.items()
    }
    means = {guild: mean(values) for guild, values in waits.items() if values}
    others = [outcome for guild, them in guilds.items() if guild != FLOOD for outcome in them]
    return Fairness(
        jain_served_others=jain([share for guild, share in served.items() if guild != FLOOD]),
        jain_wait_others=jain([wait for guild, wait in means.items() if guild != FLOOD]),
        jain_served_all=jain(list(served.values())),
        jain_wait_all=jain(list(means.values())),
        others_first=Waits.of([_wait(o, o.first, wall) for o in others if not o.refused]),
        others_whole=Waits.of([_wait(o, o.ended, wall) for o in others if not o.refused]),
        flood_whole=Waits.of(waits.get(FLOOD, [])),
        others_served=_served(others),
        flood_served=_served(guilds.get(FLOOD, [])),
    )


def _served(outcomes: Sequence[Outcome]) -> float:
    done = [float(o.ended is not None and not o.refused) for o in outcomes]
    return mean(done)


def _ended_within(outcome: Outcome, begin: float, end: float) -> bool:
    return not outcome.refused and outcome.ended is not None and begin <= outcome.ended <= end


def _wait(outcome: Outcome, until: float | None, cut_off: float) -> float:
    return (cut_off if until is None else until) - outcome.asked
