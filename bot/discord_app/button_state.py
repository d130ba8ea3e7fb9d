"""What a button must remember of a poem, packed into Discord's 100 characters of custom_id.

Pure. A custom_id comes back from strangers, so reading one checks everything again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.records import (
    FORMS,
    FREE,
    MAX_SEED_CHARACTERS,
    RANGES,
    SAMPLING_SETTINGS,
    Poem,
    PoemSettings,
    Sampling,
    SamplingSetting,
)

MAX_CUSTOM_ID = 100
PREFIX = "sonnet"
HASH_DIGITS = 12
FRACTION = 10_000  # temperature and probabilities are kept to four places
MAX_SNOWFLAKE = 2**64 - 1
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

# The settings that are numbers. A button without one of the later ones was made when it was off.
NUMBERS = [setting for setting in SAMPLING_SETTINGS if setting.name != "greedy"]
FIRST_NUMBERS = 4

_RECIPE = re.compile(
    r"(?P<model>[0-9a-f]{12})-(?P<random_seed>[0-9a-z]{1,11})"
    rf"(?P<sampling>(?:-[0-9a-z]{{1,4}}){{{FIRST_NUMBERS},{len(NUMBERS)}}})"
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
    sampling = settings.sampling
    numbers = [round(getattr(sampling, each.name) * _scale(each)) for each in NUMBERS]
    how = "-".join(base36(number) for number in (state.random_seed, *numbers))
    size = f"{'g' if sampling.greedy else 's'}{unit}{base36(length or 0)}"
    if settings.form != FREE:
        size += f"-{settings.form[0]}"
    place = f"{base36(state.seed_length)}:{base36(state.first)}"
    return f"{state.model}-{how}-{size}:{place}"


def read_poem_state(text: str) -> PoemState | None:
    """Return what `pack_poem_state` wrote, None for anything else."""
    match = _RECIPE.fullmatch(text)
    if match is None:
        return None
    sampling = _read_sampling(match["sampling"].split("-")[1:], is_greedy=match["greedy"] == "g")
    if sampling is None:
        return None
    number = {
        name: int(match[name], 36) for name in ("random_seed", "length", "seed_length", "first")
    }
    by_lines = match["unit"] == "l"
    settings = PoemSettings(
        sampling,
        lines=number["length"] if by_lines else None,
        characters=None if by_lines else number["length"],
        form=_BY_INITIAL.get(match["form"] or "", FREE),
    )
    state = PoemState(
        match["model"], number["random_seed"], settings, number["seed_length"], number["first"]
    )
    return state if _is_sound(state) else None


def _scale(setting: SamplingSetting) -> int:
    return FRACTION if setting.kind is float else 1


def _read_sampling(packed: Sequence[str], *, is_greedy: bool) -> Sampling | None:
    values: dict[str, float] = {"greedy": is_greedy}
    for setting, text in zip(NUMBERS, packed, strict=False):
        values[setting.name] = setting.kind(int(text, 36) / _scale(setting))
    in_range = all(values[name] in RANGES[name] for name in values if name in RANGES)
    return Sampling.model_validate(values) if in_range else None


def _is_sound(state: PoemState) -> bool:
    settings = state.settings
    values = {
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
