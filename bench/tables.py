"""Figures as text: a table for the eye, a file for a program."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Set a table with columns as wide as they need; the first `left` begin at the left.

    >>> print(table(("way", "ms"), [("slow", "10.5"), ("quick", "3.1")]))
    way      ms
    slow   10.5
    quick   3.1
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        cells = list(zip(row, widths, strict=True))
        begun = [cell.ljust(width) for cell, width in cells[:left]]
        lines.append("  ".join(begun + [cell.rjust(width) for cell, width in cells[left:]]))
    return "\n".join(lines)


def number(value: float, digits: int = 0) -> str:
    """Write a figure, a dash for what was not measured.

    >>> number(1234.56, 1), number(float("nan"))
    ('1,234.6', '–')
    """
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


def write_json(path: Path, report: object) -> None:
    """Write everything down; what was not measured becomes null."""
    path.write_text(json.dumps(_plain(report), indent=2, allow_nan=False) + "\n", "utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote."""
    report: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return report


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
