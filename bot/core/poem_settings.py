"""What a poem is written with: defaults filled in, every range checked, the seed cleaned."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TypeVar

import regex

from bot.core.errors import AvoidedSeed, BadSetting
from bot.core.guild_settings import check_words, plain
from bot.core.languages import form_name, sentence
from bot.core.records import (
    FORMS,
    FREE,
    MAX_LINE_CHARACTERS,
    MAX_STOP_CHARACTERS,
    MAX_STOPS,
    RANGES,
    Defaults,
    PoemRequest,
    PoemSettings,
)
from model import (
    CONTROL_CHARACTERS,
    Opening,
    Sampling,
    SettingError,
    skeleton,
    without_decoration,
    without_invisible,
)

_LETTERS = regex.compile(r"[\p{L}\p{M}]+")

Value = TypeVar("Value")


def complete_settings(request: PoemRequest, defaults: Defaults) -> PoemSettings:
    """Fill in the defaults and check every range; raise BadSetting."""
    _check_ranges(request)
    if request.lines is not None and request.characters is not None:
        raise BadSetting("length", "lines and characters", sentence("one of the two"))
    _check_stops(request.stop)
    avoid = _check_avoided(request)
    form = _form_of(request, defaults)
    _check_written(request.written, form)
    lines = defaults.lines if request.lines is None else request.lines
    return PoemSettings(
        form=form,
        avoid=avoid,
        sampling=_sampling_of(request, defaults, form),
        lines=None if request.characters is not None else FORMS.get(form, lines),
        characters=request.characters,
        stop=request.stop,
    )


def _check_ranges(request: PoemRequest) -> None:
    lengths = {name: getattr(request, name) for name in ("lines", "characters", "random_seed")}
    asked = {**request.sampling, **lengths}
    for name, allowed in RANGES.items():
        value = asked.get(name)
        if value is not None and value not in allowed:
            raise BadSetting(name.replace("_", " "), value, allowed.sentence)


def _sampling_of(request: PoemRequest, defaults: Defaults, form: str) -> Sampling:
    usual = defaults.sampling.model_dump()
    if form != FREE:
        usual["temperature"] = defaults.verse_temperature
    asked = {name: value for name, value in request.sampling.items() if value is not None}
    try:
        return Sampling.checked(**{**usual, **asked})
    except SettingError as error:
        raise BadSetting(error.name.replace("_", " "), error.value, error.allowed) from error


def _check_stops(stops: tuple[str, ...]) -> None:
    if len(stops) > MAX_STOPS:
        allowed = sentence("at most {most} strings", most=MAX_STOPS)
        raise BadSetting("stop", f"{len(stops)} strings", allowed)
    for stop in stops:
        if not 1 <= len(stop) <= MAX_STOP_CHARACTERS:
            allowed = sentence("text of 1 to {most} characters", most=MAX_STOP_CHARACTERS)
            raise BadSetting("stop", stop, allowed)


def _check_avoided(request: PoemRequest) -> tuple[str, ...]:
    """Return the words to avoid in small letters; raise AvoidedSeed where the seed has one."""
    words = check_words("avoid", request.avoid)
    if (word := avoided_word(request.seed, words)) is not None:
        raise AvoidedSeed(word)
    for number, line in enumerate(request.written, 1):
        if (word := avoided_word(line, words)) is not None:
            raise AvoidedSeed(word, number)
    return words


def _check_written(lines: tuple[str, ...], form: str) -> None:
    if not lines:
        return
    require_form(form)
    if len(lines) > FORMS[form]:
        allowed = sentence("at most {most} for a {form}", most=FORMS[form], form=form_name(form))
        raise BadSetting("written", f"{len(lines)} lines", allowed)
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_CHARACTERS or not any(map(str.isprintable, line)):
            allowed = sentence("text of 1 to {most} characters", most=MAX_LINE_CHARACTERS)
            raise BadSetting(f"line {number}", line, allowed)


def require_form(form: str) -> None:
    """Raise BadSetting for free text, which has no lines to write one by one."""
    if form == FREE:
        *others, last = FORMS
        allowed = sentence(
            "{forms} or {last} to write line by line", forms=", ".join(others), last=last
        )
        raise BadSetting("form", form, allowed)


def avoided_word(text: str, avoid: tuple[str, ...]) -> str | None:
    """Return the first word of `text` that is on the list, None if there is none.

    Invisible characters and marks do not split a word; case and decoration do not count.

    >>> avoided_word("The ROSE is out", ("rose",)), avoided_word("Roses", ("rose",))
    ('rose', None)
    >>> avoided_word("ro\\N{ZERO WIDTH SPACE}se", ("rose",)), avoided_word("ro\\tse", ("rose",))
    ('rose', None)
    """
    if not avoid:
        return None
    avoided = {skeleton(word): word for word in reversed(avoid)}
    seen = skeleton(plain(without_decoration(without_invisible(text))))
    return next((avoided[word] for word in _LETTERS.findall(seen) if word in avoided), None)


def _form_of(request: PoemRequest, defaults: Defaults) -> str:
    """Return the form that was asked for; raise BadSetting for one that is not known.

    A request for a length, a stop or the likeliest letters, without a form, means free text. A poem
    that is written line by line has a form all the same where free text is the default.
    """
    greedy = request.sampling.get("greedy")
    free = [request.lines, request.characters, greedy or None, request.stop or None]
    if request.form is None:
        if free != [None] * len(free):
            return FREE
        needs_form = request.line_by_line or request.written
        return next(iter(FORMS)) if needs_form and defaults.form == FREE else defaults.form
    if request.form != FREE and request.form not in FORMS:
        allowed = sentence("one of {forms} and {last}", forms=", ".join(FORMS), last=FREE)
        raise BadSetting("form", request.form, allowed)
    if request.form != FREE and free != [None] * len(free):
        allowed = sentence("{free} with a length, a stop or greedy writing", free=FREE)
        raise BadSetting("form", request.form, allowed)
    return request.form


def either(asked: Value | None, default: Value) -> Value:
    return default if asked is None else asked


def printable_seed(typed: str) -> str:
    """Remove what is invisible or cannot be stored: control characters and lone surrogates.

    Marks that change the direction of text are removed, too: they would reach beyond the seed.
    """
    text = re.sub("\r\n|[\r\u2028\u2029]", "\n", typed).replace("\t", " ")
    return CONTROL_CHARACTERS.sub("", text)


def clean_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Clean lines as seeds are; each stays one.

    >>> clean_lines((" The\\nsea\\x07 ",))
    ('The sea',)
    """
    return tuple(printable_seed(line).replace("\n", " ").strip() for line in lines)


def last_part(text: str, most: int) -> str:
    """Return at most the last `most` characters, from the beginning of a line or else of a word.

    The beginning is looked for in the first half of them; text without any is cut anywhere.

    >>> last_part("one two\\nthree four\\nfive", 20), last_part("one two three", 8)
    ('three four\\nfive', 'three')
    >>> last_part("one two", 3), last_part("onetwothree", 5)
    ('two', 'three')
    """
    if len(text) <= most:
        return text
    cut = len(text) - most
    for parting in (r"\n", r"\s"):
        found = re.compile(parting).search(text, cut - 1, cut + most // 2)
        if found is not None:
            return text[found.end() :].lstrip()
    return text[cut:]


def allow_for_seed(opening: Opening, settings: PoemSettings) -> PoemSettings:
    """Count in the seed as the network reads it what `settings` counts in it as it is shown."""
    if settings.characters is None:
        return settings
    characters = settings.characters - len(opening.shown) + len(opening.text)
    return replace(settings, characters=min(max(characters, 1), int(RANGES["characters"].high)))
