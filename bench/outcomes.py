"""How faults went: what is noted of each, what becomes of the notes, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan, nan

from bench.figures import quantile
from bench.tables import number, table

HEAD = (
    "group",
    "fault",
    "tried",
    "survived",
    "answers 0",
    "of these meant",
    "1",
    "more",
    "s, median",
    "s, most",
)


@dataclass
class Outcome:
    """How a fault went once."""

    group: str
    name: str
    counts: list[tuple[int, int]] = field(default_factory=list)  # answers: to be given, given
    seconds: float = nan  # from the fault to the answer to a new command
    wrong: list[str] = field(default_factory=list)  # what was not as it ought to be

    def judge(self, *, rows: float = 0.0, restarts: int = 0) -> Outcome:
        """Note wrong numbers of answers, rows that are left, and clients that were begun anew."""
        for expected, got in self.counts:
            if got != expected:
                self.wrong.append(f"{got} answers instead of {expected}")
        if rows:
            self.wrong.append(f"{rows:.0f} rows left")
        if restarts:
            self.wrong.append(f"{restarts} clients begun anew")
        return self


@dataclass
class Row:
    """How a fault went each time."""

    group: str
    name: str
    tried: int = 0
    survived: int = 0
    none: int = 0  # commands without an answer
    none_meant: int = 0  # of them, where there could be none
    one: int = 0
    more: int = 0
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.tried += 1
        self.survived += not outcome.wrong
        for expected, got in outcome.counts:
            self.none += got == 0
            self.none_meant += got == expected == 0
            self.one += got == 1
            self.more += got > 1
        if not isnan(outcome.seconds):
            self.seconds.append(outcome.seconds)
        self.wrong += outcome.wrong


def gather(outcomes: Iterable[Outcome]) -> list[Row]:
    """Put together what was tried several times, in the order of the first times."""
    rows: dict[tuple[str, str], Row] = {}
    for outcome in outcomes:
        key = outcome.group, outcome.name
        rows.setdefault(key, Row(*key)).add(outcome)
    return list(rows.values())


def total(rows: Sequence[Row]) -> Row:
    """Add everything up."""
    whole = Row("all", f"{len(rows)} faults")
    for name in ("tried", "survived", "none", "none_meant", "one", "more"):
        setattr(whole, name, sum(getattr(row, name) for row in rows))
    whole.seconds = [seconds for row in rows for seconds in row.seconds]
    return whole


def show(rows: Sequence[Row]) -> str:
    """Set the table."""
    return table(HEAD, [_cells(row) for row in (*rows, total(rows))], left=2)


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.tried, row.survived, row.none, row.none_meant, row.one, row.more)
    slowest = max(row.seconds, default=nan)
    times = (number(quantile(row.seconds, 0.5), 1), number(slowest, 1))
    return (row.group, row.name, *map(str, counts), *times)
