"""What comes of a stranger's input: something, or one of the project's own errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bot.core.errors import BotError
from model import ModelError

Result = TypeVar("Result")
MAX_SENTENCE = 1_000  # characters; Discord takes 2,000 in a message


def answer(run: Callable[[], Result]) -> Result | None:
    """Return the result of `run`, None where it refuses in a sentence that can be shown."""
    try:
        return run()
    except (BotError, ModelError) as error:
        sentence = str(error)
    assert 0 < len(sentence) < MAX_SENTENCE
    sentence.encode("utf-8")
    return None
