"""What a check found, what to do about it, and how the results are shown, never with a token."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TextIO

from bot.core.redaction import Redactor

MAX_NAMED = 20  # things of one kind that one result names


class CheckStatus(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"  # the bot runs, but something could be better
    WRONG = "wrong"
    SKIPPED = "skipped"  # could not be checked, for a reason that another result gives


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found."""

    name: str
    state: CheckStatus
    seen: str
    advice: tuple[str, ...] = ()  # what to do, a sentence or so each
    details: tuple[str, ...] = ()  # lines of what was found


MARKS = {
    CheckStatus.OK: "✔",
    CheckStatus.WARNING: "!",
    CheckStatus.WRONG: "✘",
    CheckStatus.SKIPPED: "-",
}
PLAIN = {
    CheckStatus.OK: "+",
    CheckStatus.WARNING: "!",
    CheckStatus.WRONG: "x",
    CheckStatus.SKIPPED: "-",
}
ARROWS = {True: "→", False: "->"}
HIDDEN = "[token hidden]"
WORDS = {
    CheckStatus.OK: "ok",
    CheckStatus.WARNING: "warning",
    CheckStatus.WRONG: "failed",
    CheckStatus.SKIPPED: "skipped",
}


def ok(name: str, seen: str, *details: str) -> CheckResult:
    return CheckResult(name, CheckStatus.OK, seen, details=details)


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


def hide_secrets(result: CheckResult, *secrets: str | None) -> CheckResult:
    """Remove secrets from what is shown; an error may quote one that was typed into config.toml."""
    hide = Redactor(*secrets, hidden=HIDDEN)
    return replace(
        result,
        seen=hide(result.seen),
        advice=tuple(map(hide, result.advice)),
        details=tuple(map(hide, result.details)),
    )


def _visible(text: str) -> str:
    """Take out what a terminal would obey: servers are named by strangers.

    >>> _visible("a\\x1b[2Jb")
    'a?[2Jb'
    """
    return "".join(each if each.isprintable() else "?" for each in text)


def can_show_marks(out: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the marks are shown correctly; a file or pipe takes all that it can encode."""
    try:
        "".join([*MARKS.values(), ARROWS[True]]).encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    if not out.isatty():
        return True
    if sys.platform == "win32":
        return "WT_SESSION" in environment  # the old console has fonts without them
    if environment.get("TERM", "dumb") in ("dumb", "linux"):  # the kernel's own has 512 characters
        return False
    names = (environment.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next((name for name in names if name), "C").lower().replace("-", "")
    return "utf8" in locale


def render(results: Sequence[CheckResult], *, marks: bool) -> str:
    """Return a line for each finding, its details and advice below it, and a summary."""
    shown, arrow = MARKS if marks else PLAIN, ARROWS[marks]
    width = max((len(result.name) for result in results), default=0)
    lines = []
    for result in results:
        lines.append(f"{shown[result.state]} {result.name.ljust(width)}  {result.seen}")
        lines += [f"    {detail}" for detail in result.details]
        lines += [f"    {arrow} {advice}" for advice in result.advice]
    return "\n".join([*map(_visible, lines), "", summary(results)])


def summary(results: Sequence[CheckResult]) -> str:
    """Count the results in one sentence.

    >>> summary([ok("a", ""), warning("b", ""), warning("c", ""), failed("d", "")])
    '4 checks: 1 ok, 2 warnings, 1 failed.'
    """
    counts = Counter(result.state for result in results)
    parts = [f"{counts[state]} {word}" for state, word in WORDS.items() if counts[state]]
    if counts[CheckStatus.WARNING] > 1:
        parts = [f"{part}s" if part.endswith("warning") else part for part in parts]
    checks = "1 check" if len(results) == 1 else f"{len(results)} checks"
    return f"{checks}: {', '.join(parts)}."


def as_json(results: Sequence[CheckResult]) -> str:
    """Return one JSON object: `ok`, as the exit status says, and the findings."""
    content = {"ok": has_no_failure(results), "findings": [asdict(result) for result in results]}
    return json.dumps(content, ensure_ascii=False, indent=2)


def has_no_failure(results: Sequence[CheckResult]) -> bool:
    """Whether nothing is wrong; warnings are allowed."""
    return not any(result.state is CheckStatus.WRONG for result in results)
