"""The settings of a guild, and the values that each may have. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import regex

from bot.core.daily import DailyPoem, read_daily
from bot.core.errors import BadSetting
from bot.core.languages import LANGUAGES, sentence
from bot.core.records import (
    FORMS,
    FREE,
    MAX_AVOIDED,
    MAX_AVOIDED_CHARACTERS,
    RANGES,
    Defaults,
    Range,
)
from model import without_invisible

COOLDOWN = Range(0, 3600)
MAX_LISTED = 50  # channels or roles
WORD = regex.compile(r"\p{M}*\p{L}[\p{L}\p{M}]*")
# Apostrophes that Unicode takes for letters; they part words as the others do.
LETTERLIKE = dict.fromkeys(map(ord, "ʹʻʼʽˈꞌ"), "'")
MAX_MARKS = 30  # https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
CHANNEL_MODEL = re.compile(r"[0-9]{1,20} \S{1,100} [0-9a-f]{64}")
SNOWFLAKE = re.compile(r"[1-9][0-9]{0,19}")  # Discord's numbers, without the bound below


@dataclass(frozen=True, slots=True)
class GuildSettings:
    """A guild's settings. An empty list allows all; None is what config.toml says."""

    channels: tuple[str, ...] = ()  # where poems are written
    roles: tuple[str, ...] = ()  # who may ask for them
    managers: tuple[str, ...] = ()  # roles that may do what Manage Server may
    cooldown_seconds: float | None = None
    form: str | None = None
    lines: int | None = None  # of free text
    temperature: float | None = None
    avoid: tuple[str, ...] = ()  # whole words, in seeds and in poems
    switch: bool = True  # whether a new model is used as soon as it is trained
    channel_models: tuple[str, ...] = ()  # each a channel's number, a model's name and its hash
    daily: DailyPoem | None = None  # the poem of the day
    keep_channel: str | None = None  # the channel that kept poems are copied to
    language: str | None = None  # that the bot speaks; None: each member's own

    def model_in(self, *places: str) -> tuple[str, str] | None:
        """Return the name and hash of the model that the first of these channels has, if any."""
        chosen = {
            channel: (name, sha256)
            for channel, name, sha256 in (each.split() for each in self.channel_models)
        }
        return next((chosen[place] for place in places if place in chosen), None)

    def with_model_in(self, channel: str, model: tuple[str, str] | None) -> tuple[str, ...]:
        """Return `channel_models` with another model for a channel, or with none."""
        others = [each for each in self.channel_models if each.split()[0] != channel]
        return tuple(others) if model is None else (*others, " ".join((channel, *model)))

    def adapt(self, defaults: Defaults) -> Defaults:
        """Return the defaults of a poem in this guild."""
        if self.form is not None:
            defaults = replace(defaults, form=self.form)
        if self.lines is not None:
            defaults = replace(defaults, lines=self.lines)
        if self.temperature is not None:
            sampling = defaults.sampling.model_copy(update={"temperature": self.temperature})
            defaults = replace(defaults, sampling=sampling, verse_temperature=self.temperature)
        return defaults

    def change(self, name: str, value: object) -> GuildSettings:
        """Return these settings with another value, None for the default.

        Raises BadSetting for a name or value that is not known.
        """
        if name not in SETTING_RULES:
            allowed = sentence("one of {names}", names=", ".join(SETTING_RULES))
            raise BadSetting("setting", name, allowed)
        fresh: Any = (
            getattr(GuildSettings(), name) if value is None else SETTING_RULES[name](name, value)
        )
        return replace(self, **{name: fresh})

    def as_dict(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults."""
        fresh = asdict(GuildSettings())
        return {name: value for name, value in asdict(self).items() if value != fresh[name]}


def is_snowflake(text: str) -> bool:
    """Whether a text is one of Discord's numbers, which have 64 bits, as Discord writes it.

    >>> [is_snowflake(text) for text in ("10", "0", "010", "١٢", "-1", "99999999999999999999")]
    [True, False, False, False, False, False]
    """
    return SNOWFLAKE.fullmatch(text) is not None and int(text) < 2**64


def read_guild_settings(values: Mapping[str, object]) -> GuildSettings:
    """Read stored settings; what is unknown or no longer valid is left out."""
    guild_settings = GuildSettings()
    for name, value in values.items():
        try:
            guild_settings = guild_settings.change(name, value)
        except BadSetting:
            continue
    return guild_settings


def _numbers(name: str, value: object) -> tuple[str, ...]:
    numbers = _listed(value)
    if len(numbers) > MAX_LISTED:
        raise BadSetting(name, len(numbers), sentence("at most {most}", most=MAX_LISTED))
    for number in numbers:
        if not is_snowflake(number):
            raise BadSetting(name, number, sentence("a channel or role of this server"))
    return numbers


def _channel(name: str, value: object) -> str:
    (number,) = _numbers(name, [value])
    return number


def _channel_models(name: str, value: object) -> tuple[str, ...]:
    listed = _listed(value)
    if len(listed) > MAX_LISTED:
        allowed = sentence("at most {most}", most=MAX_LISTED)
        raise BadSetting("channel models", len(listed), allowed)
    for each in listed:
        if CHANNEL_MODEL.fullmatch(each) is None or not is_snowflake(each.split()[0]):
            allowed = sentence("a channel's number, a model's name and its hash")
            raise BadSetting("channel models", each, allowed)
    return listed


def check_words(name: str, value: object) -> tuple[str, ...]:
    """Return words to avoid in small letters, each once; raise BadSetting."""
    folded = (plain(without_invisible(word)) for word in _listed(value))  # as seeds are
    words = tuple(dict.fromkeys(word.strip().lower() for word in folded))
    if len(words) > MAX_AVOIDED:
        allowed = sentence("at most {most} words", most=MAX_AVOIDED)
        raise BadSetting(name, len(words), allowed)
    for word in words:
        if not WORD.fullmatch(word) or len(word) > MAX_AVOIDED_CHARACTERS:
            allowed = sentence("single words of 1 to {most} letters", most=MAX_AVOIDED_CHARACTERS)
            raise BadSetting(name, word, allowed)
    return words


def plain(text: str) -> str:
    """Return the compatible form of a text, NFKC, with MAX_MARKS at most on each letter.

    A stranger may put thousands on one, and sorting them takes quadratic time.

    >>> plain("ﬁre\N{NARROW NO-BREAK SPACE}①"), len(plain("e" + 1000 * "\N{COMBINING TILDE}"))
    ('fire 1', 30)
    """
    if text.isascii():
        return text
    text = text.translate(LETTERLIKE)
    kept, marks = [], 0
    for character in text:
        is_mark = unicodedata.category(character).startswith("M") or character in "ﾞﾟ"
        marks = marks + 1 if is_mark else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return unicodedata.normalize("NFKC", "".join(kept))


def _listed(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list | tuple) else (str(value),)


def _number(allowed: Range, kind: type[int] | type[float]) -> Callable[[str, object], float]:
    def check(name: str, value: object) -> float:
        try:
            number = kind(str(value))
        except ValueError:
            number = None
        if number is None or number not in allowed:
            raise BadSetting(name.replace("_", " "), value, allowed.sentence)
        return number

    return check


def _form(name: str, value: object) -> str:
    if not isinstance(value, str) or value not in (*FORMS, FREE):
        allowed = sentence("one of {forms} and {last}", forms=", ".join(FORMS), last=FREE)
        raise BadSetting(name, value, allowed)
    return value


def _language(name: str, value: object) -> str:
    if str(value) not in LANGUAGES:
        raise BadSetting(name, value, sentence("one of {names}", names=", ".join(LANGUAGES)))
    return str(value)


def _yes_or_no(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    answers = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
    if str(value).lower() not in answers:
        raise BadSetting(name, value, sentence("on or off"))
    return answers[str(value).lower()]


SETTING_RULES: dict[str, Callable[[str, object], object]] = {
    "channels": _numbers,
    "roles": _numbers,
    "managers": _numbers,
    "cooldown_seconds": _number(COOLDOWN, float),
    "form": _form,
    "lines": _number(RANGES["lines"], int),
    "temperature": _number(RANGES["temperature"], float),
    "avoid": check_words,
    "switch": _yes_or_no,
    "channel_models": _channel_models,
    "daily": read_daily,
    "keep_channel": _channel,
    "language": _language,
}
assert list(SETTING_RULES) == [each.name for each in fields(GuildSettings)]  # noqa: S101 - one rule for each
