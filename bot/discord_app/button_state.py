"""What a button must remember of a poem, packed into Discord's 100 characters of custom_id.

Pure. A custom_id comes back from strangers, so reading one checks everything again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.records import FORMS, FREE, MAX_SEED_CHARACTERS, RANGES, Poem, PoemSettings

MAX_CUSTOM_ID = 100
PREFIX = "sonnet"
HASH_DIGITS = 12
FRACTION = 10_000  # temperature and probabilities are kept to four places
MAX_SNOWFLAKE = 2**64 - 1
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_RECIPE = re.compile(
    r"(?P<model>[0-9a-f]{12})-(?P<random_seed>[0-9a-z]{1,11})-(?P<temperature>[0-9a-z]{1,4})"
    r"-(?P<top_k>[0-9a-z]{1,3})-(?P<top_p>[0-9a-z]{1,4})-(?P<min_p>[0-9a-z]{1,4})"
    r"(?:-(?P<repetition_guard>[0-9a-z]{1,2}))?"  # buttons without it were made when it was off
    r"-(?P<greedy>[gs])(?P<unit>[lc])(?P<length>[0-9a-z]{1,4})(?:-(?P<form>[a-z]))?"
    r":(?P<seed_length>[0-9a-z]{1,3}):(?P<first>[0-9a-z]{1,13})"
)
_BY_INITIAL = {form[0]: form for form in FORMS}  # a test holds that no two begin alike
_OWNERSHIP = re.compile(
    r"(?P<asker>[0-9a-z]{1,13})(?::(?P<parts>[0-9a-z]{1,13}(?:\.[0-9a-z]{1,13})*))?"
)


@dataclass(frozen=True, slots=True)
class PoemState:
    """How a poem was made; its words are in the messages."""

    model: str  # the first digits of the model's hash
    random_seed: int
    settings: PoemSettings
    seed_length: int  # characters at the beginning of the first message
    first: int  # the first message's id, 0 when it is the one with the button


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose reply it is, and which messages came before the one with the button."""

    asker: int
    parts: tuple[int, ...] = ()


def base36(number: int) -> str:
    """Write a whole number in 36 digits.

    >>> base36(1295), base36(0)
    ('zz', '0')
    """
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text or "0"


def poem_state_of(poem: Poem, *, seed_length: int, first: int) -> PoemState:
    model = poem.model_sha256[:HASH_DIGITS]
    return PoemState(model, poem.random_seed, poem.settings, seed_length, first)


def pack_poem_state(state: PoemState) -> str:
    settings = state.settings
    unit, length = ("l", settings.lines) if settings.lines else ("c", settings.characters)
    numbers = [
        state.random_seed,
        round(settings.temperature * FRACTION),
        settings.top_k,
        round(settings.top_p * FRACTION),
        round(settings.min_p * FRACTION),
        settings.repetition_guard,
    ]
    how = "-".join(base36(number) for number in numbers)
    size = f"{'g' if settings.greedy else 's'}{unit}{base36(length or 0)}"
    if settings.form != FREE:
        size += f"-{settings.form[0]}"
    place = f"{base36(state.seed_length)}:{base36(state.first)}"
    return f"{state.model}-{how}-{size}:{place}"


def read_poem_state(text: str) -> PoemState | None:
    """Return what `pack_poem_state` wrote, None for anything else."""
    match = _RECIPE.fullmatch(text)
    if match is None:
        return None
    number = {
        name: int(value or "0", 36)
        for name, value in match.groupdict().items()
        if name not in ("model", "greedy", "unit", "form")
    }
    by_lines = match["unit"] == "l"
    settings = PoemSettings(
        temperature=number["temperature"] / FRACTION,
        top_k=number["top_k"],
        top_p=number["top_p"] / FRACTION,
        min_p=number["min_p"] / FRACTION,
        greedy=match["greedy"] == "g",
        lines=number["length"] if by_lines else None,
        characters=None if by_lines else number["length"],
        repetition_guard=number["repetition_guard"],
        form=_BY_INITIAL.get(match["form"] or "", FREE),
    )
    state = PoemState(
        match["model"], number["random_seed"], settings, number["seed_length"], number["first"]
    )
    return state if _is_sound(state) else None


def _is_sound(state: PoemState) -> bool:
    settings = state.settings
    values = {
        "temperature": settings.temperature,
        "top_k": settings.top_k,
        "top_p": settings.top_p,
        "min_p": settings.min_p,
        "repetition_guard": settings.repetition_guard,
        "lines": settings.lines,
        "characters": settings.characters,
        "random_seed": state.random_seed,
    }
    in_range = all(value is None or value in RANGES[name] for name, value in values.items())
    sound_seed = state.seed_length <= MAX_SEED_CHARACTERS
    return in_range and sound_seed and state.first <= MAX_SNOWFLAKE


def pack_ownership(asker: int, earlier_parts: Sequence[int] = ()) -> str:
    """Pack an asker and message ids, each id as its distance from the one before."""
    steps = []
    before = 0
    for part in sorted(earlier_parts):
        steps.append(base36(part - before))
        before = part
    return base36(asker) + (f":{'.'.join(steps)}" if steps else "")


def read_ownership(text: str) -> Ownership | None:
    """Return what `pack_ownership` wrote, None for anything else."""
    match = _OWNERSHIP.fullmatch(text)
    if match is None:
        return None
    parts: list[int] = []
    for step in (match["parts"] or "").split(".") if match["parts"] else []:
        parts.append(int(step, 36) + (parts[-1] if parts else 0))
    ownership = Ownership(int(match["asker"], 36), tuple(parts))
    ids = (ownership.asker, *parts)
    return ownership if all(number <= MAX_SNOWFLAKE for number in ids) else None
