"""What Schemathesis must know beyond the description; `tests.rigs.api` names this file to it."""

from __future__ import annotations

from typing import Any

import schemathesis

SEEDS = ("seed", "messages", "prompt", "written")


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext | None, body: Any) -> bool:
    """Leave out what is refused for a reason that no schema can say.

    That is an avoided word among the words of the poem, in whatever script and decoration, and a
    line without a sign that can be seen.
    """
    if isinstance(body, dict) and isinstance(lines := body.get("written"), list):
        texts = [line for line in lines if isinstance(line, str)]
        if not all(any(map(str.isprintable, line)) for line in texts):
            return False
    has_avoided = isinstance(body, dict) and bool(body.get("avoid"))
    return not has_avoided or not any(_has_words(body.get(key)) for key in SEEDS)


def _has_words(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_words, value.values()))
    if isinstance(value, list):
        return any(map(_has_words, value))
    return isinstance(value, str) and bool(value)
