"""What a crowd is told to do and what it tells afterwards.

Plain records: whoever reads a report need not load the bot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FLOOD = "flood"  # the guild that sends more than its share


@dataclass(frozen=True, slots=True)
class Phase:
    """A load, complete, so that it can be put on again."""

    rate: float = 0.0  # poems asked for a second, of all guilds together
    seconds: float = 0.0
    random_seed: int = 1
    guilds: int = 10
    flood_share: float = 0.0  # of the load, from one further guild
    drain_seconds: float = 30.0  # how long to wait for what is being written at the end
    limits: bool = False  # whether to refuse as config.toml has it; else nobody is refused
    rounds: int = 0  # instead of `rate`: `burst` members ask at once, so many times over
    burst: int = 50
    poem: dict[str, Any] = field(default_factory=lambda: {"characters": 600})  # of a PoemRequest


@dataclass(slots=True)
class Outcome:
    """What became of one request; seconds from the phase's beginning."""

    guild: str
    asked: float
    first: float | None = None  # the first text from the model
    ended: float | None = None
    ending: str = "unfinished"  # an Ending, or the name of the refusal
    refused: bool = False
    characters: int = 0
    requests: int = 0  # to Discord
