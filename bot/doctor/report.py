"""How findings are shown: a line each, the way out below, and never a token."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TextIO

from bot.core.findings import Finding, State
from bot.core.redaction import Redactor

MARKS = {State.OK: "✔", State.WARNING: "!", State.WRONG: "✘", State.SKIPPED: "-"}
PLAIN = {State.OK: "+", State.WARNING: "!", State.WRONG: "x", State.SKIPPED: "-"}
ARROWS = {True: "→", False: "->"}
HIDDEN = "[a token, not shown]"
WORDS = {State.OK: "fine", State.WARNING: "could be better", State.WRONG: "wrong"}


def hide_token(finding: Finding, token: str | None) -> Finding:
    """Take tokens out of what is shown: one typed into config.toml, say, stands in its sentence."""
    hide = Redactor(token, HIDDEN)
    return replace(finding, seen=hide(finding.seen), advice=tuple(map(hide, finding.advice)))


def printable(text: str) -> str:
    """Take out what a terminal would obey: servers are named by strangers.

    >>> printable("a\\x1b[2Jb")
    'a?[2Jb'
    """
    return "".join(each if each.isprintable() else "?" for each in text)


def can_show_marks(out: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the marks come out as they are meant; a file or pipe takes whatever it can encode."""
    try:
        "".join([*MARKS.values(), ARROWS[True]]).encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    if not out.isatty():
        return True
    if os.name == "nt":
        return "WT_SESSION" in environment  # the old console has fonts without them
    if environment.get("TERM", "dumb") in ("dumb", "linux"):  # the kernel's own has 512 characters
        return False
    names = (environment.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next((name for name in names if name), "C").lower().replace("-", "")
    return "utf8" in locale


def render(findings: Sequence[Finding], *, marks: bool) -> str:
    """Return a line for each finding, its advice below it, and a summary."""
    shown, arrow = MARKS if marks else PLAIN, ARROWS[marks]
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{shown[finding.state]} {finding.name.ljust(width)}  {finding.seen}")
        lines += [f"    {arrow} {advice}" for advice in finding.advice]
    return "\n".join([*map(printable, lines), "", summary(findings)])


def summary(findings: Sequence[Finding]) -> str:
    """Count the findings in one sentence.

    >>> summary([Finding("a", State.OK, ""), Finding("b", State.WRONG, "")])
    '2 things were looked at: 1 fine, 1 wrong.'
    """
    counts = Counter(finding.state for finding in findings)
    looked = sum(counts[state] for state in WORDS)
    parts = [f"{counts[state]} {word}" for state, word in WORDS.items() if counts[state]]
    skipped = f" {counts[State.SKIPPED]} could not be." if counts[State.SKIPPED] else ""
    things = "thing was" if looked == 1 else "things were"
    return f"{looked} {things} looked at: {', '.join(parts)}.{skipped}"


def as_json(findings: Sequence[Finding]) -> str:
    """Return one JSON object: `ok`, as the exit status says, and the findings."""
    content = {"ok": is_well(findings), "findings": [asdict(finding) for finding in findings]}
    return json.dumps(content, ensure_ascii=False, indent=2)


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing is wrong; warnings are allowed."""
    return not any(finding.state is State.WRONG for finding in findings)
