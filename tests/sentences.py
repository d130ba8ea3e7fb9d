"""What a reader of another language would still read in English."""

from __future__ import annotations

import re

from bot.core.languages import Sentence, translate

NAMES = re.compile(r"'.*'|\".*\"|[\w.+-]+/[\w.+-]+|[\d.,]*|\ufffd", re.DOTALL)  # quoted, or a kind


def left_in_english(told: str, language: str = "de") -> list[str]:
    """Return the parts of a sentence that no translation reaches, but for names and numbers."""
    if not isinstance(told, Sentence):
        return [] if NAMES.fullmatch(told) else [told]
    found = [] if translate(told, language) != told else [str(told)]
    for value in told.values.values():
        found += left_in_english(value, language) if isinstance(value, str) else []
    return found
