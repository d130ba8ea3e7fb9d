"""What the bot cannot do for somebody, each with a sentence fit to show to them.

BotError
├── BadSetting        a value out of its range
├── BadConfig         config.toml or the environment cannot be used
├── UnknownModel      no model of that name or hash
├── ModelUnusable     a model file that cannot be loaded
├── TooSoon           the asker's cooldown
├── QueueFull         no place in line
└── ShuttingDown      the bot is about to stop
"""

from __future__ import annotations

import math
from collections.abc import Sequence


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


class TooSoon(BotError):
    def __init__(self, wait_seconds: float) -> None:
        super().__init__(
            f"One poem at a time: please wait {math.ceil(wait_seconds)} s and ask again."
        )
        self.wait_seconds = wait_seconds


class QueueFull(BotError):
    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"All pens are busy and {waiting} poems are waiting already. Ask again in a minute."
        )
        self.waiting = waiting


class ShuttingDown(BotError):
    def __init__(self) -> None:
        super().__init__("Sonneteer is about to restart. Ask again in a minute.")
