"""What somebody found who looked at an installation, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_NAMED = 20  # of one kind in a finding


class CheckStatus(StrEnum):
    """How it is with what was looked at."""

    OK = "ok"
    WARNING = "warning"  # the bot runs, and something is less than it could be
    WRONG = "wrong"
    SKIPPED = "skipped"  # could not be looked at, for a reason that another finding tells


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at."""

    name: str
    state: CheckStatus
    seen: str
    advice: tuple[str, ...] = ()  # what to do, a sentence or so each


def ok(name: str, seen: str) -> CheckResult:
    return CheckResult(name, CheckStatus.OK, seen)


def warning(name: str, seen: str, *advice: str) -> CheckResult:
    return CheckResult(name, CheckStatus.WARNING, seen, advice)


def failed(name: str, seen: str, *advice: str) -> CheckResult:
    return CheckResult(name, CheckStatus.WRONG, seen, advice)


def skipped(name: str, why: str) -> CheckResult:
    return CheckResult(name, CheckStatus.SKIPPED, f"not checked: {why}")


def first_of(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and how many more there are.

    >>> first_of(["a"] * 22)[-2:]
    ['a', 'and 2 more']
    """
    more = len(lines) - MAX_NAMED
    return [*lines[:MAX_NAMED], *([f"and {more:,} more"] if more > 0 else [])]
