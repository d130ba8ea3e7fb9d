"""What Schemathesis must know beyond the description; `tests.rigs.api` names this file to it."""

from __future__ import annotations

from typing import Any

import schemathesis

SEEDS = ("seed", "messages", "prompt")


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: Any) -> bool:
    """Leave out opening words beside words to avoid.

    One that has an avoided word is refused, in whatever script and decoration; no schema says so.
    """
    has_avoided = isinstance(body, dict) and bool(body.get("avoid"))
    return not has_avoided or not any(_has_words(body.get(key)) for key in SEEDS)


def _has_words(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_words, value.values()))
    if isinstance(value, list):
        return any(map(_has_words, value))
    return isinstance(value, str) and bool(value)
