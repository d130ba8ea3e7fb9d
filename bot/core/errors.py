"""What the bot cannot do for somebody, each with a sentence fit to show to them.

BotError
├── BadSetting        a value out of its range
├── BadConfig         config.toml or the environment cannot be used
├── UnknownModel      no model of that name or hash
├── ModelUnusable     a model file that cannot be loaded
├── TooSoon           the asker's cooldown
├── QueueFull         no place in line
│   ├── MemberFull        the asker's own poems are as many as may be
│   └── GuildFull         the poems of the asker's guild are
└── ShuttingDown      the bot is about to stop
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path


class BotError(Exception):
    """The root; `str(error)` is the sentence: what happened, the value, what to do."""


class BadSetting(BotError):
    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} is {value!r}; it must be {allowed}.")
        self.name = name
        self.value = value
        self.allowed = allowed


class BadConfig(BotError):
    """Settings of the installation that cannot be used; the bot does not start."""


class UnknownModel(BotError):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no model called {name!r}. "
            + (f"Choose one of: {', '.join(known)}." if known else "No model is installed.")
        )
        self.name = name
        self.known = tuple(known)


class ModelUnusable(BotError):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The model {name!r} cannot be used. {reason}")
        self.name = name
        self.reason = reason


class FormImpossible(BotError):
    """This model or this seed cannot have that form; told as a note, the poem is free."""

    def __init__(self, form: str, reason: str) -> None:
        super().__init__(f"This is free text and no {form}. {reason}")


class AvoidedSeed(BotError):
    def __init__(self, word: str) -> None:
        super().__init__(
            f"The seed has the word {word!r}, which is to be avoided here. Ask again without it."
        )
        self.word = word


class CannotWrite(BotError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be written: {reason}. Choose another place.")
        self.path = path
        self.reason = reason


class TooSoon(BotError):
    def __init__(self, wait_seconds: float) -> None:
        super().__init__(
            f"One poem at a time: please wait {math.ceil(wait_seconds)} s and ask again."
        )
        self.wait_seconds = wait_seconds


class QueueFull(BotError):
    def __init__(self, waiting: int) -> None:
        others = f" and {_poems(waiting)} waiting already" if waiting else ""
        super().__init__(f"All pens are busy{others}. Ask again in a minute.")
        self.count = waiting


class MemberFull(QueueFull):
    def __init__(self, count: int) -> None:
        BotError.__init__(
            self,
            f"You already have {_poems(count, bare=True)} being written or in line. "
            "Wait until one is done, or stop one.",
        )
        self.count = count


class GuildFull(QueueFull):
    def __init__(self, count: int) -> None:
        BotError.__init__(
            self,
            f"This server already has {_poems(count, bare=True)} being written or in line. "
            "Ask again in a minute.",
        )
        self.count = count


class ShuttingDown(BotError):
    def __init__(self) -> None:
        super().__init__("Sonneteer is about to restart. Ask again in a minute.")


def _poems(count: int, *, bare: bool = False) -> str:
    """Count poems in words that fit one and many.

    >>> _poems(1), _poems(2), _poems(1, bare=True)
    ('1 poem is', '2 poems are', '1 poem')
    """
    noun, verb = ("poem", "is") if count == 1 else ("poems", "are")
    return f"{count} {noun}" if bare else f"{count} {noun} {verb}"
