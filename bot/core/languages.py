"""The languages that the bot speaks, and sentences that can be said in each of them.

A sentence is English text that remembers what it was made of. The core raises and returns sentences
without knowing who will read them, the log keeps the English, and a door says them in the language
of whoever asked. The translations are in `catalogue/`, a .po file for each language.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Final

FOLDER = Path(__file__).parent / "catalogue"
ENGLISH = "en"
LANGUAGES: Final[Mapping[str, str]] = {  # by code; each as it calls itself
    ENGLISH: "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "pt-BR": "Português do Brasil",
    "ru": "Русский",
}
# How a language writes the comma, the point and the percent sign of an English number.
_NUMBERS: Final[Mapping[str, Mapping[int, str]]] = {
    ENGLISH: {},
    "de": str.maketrans({",": ".", ".": ",", "%": "\N{NO-BREAK SPACE}%"}),
    "fr": str.maketrans(
        {",": "\N{NARROW NO-BREAK SPACE}", ".": ",", "%": "\N{NARROW NO-BREAK SPACE}%"}
    ),
    "es": str.maketrans({",": ".", ".": ",", "%": "\N{NO-BREAK SPACE}%"}),
    "pt-BR": str.maketrans({",": ".", ".": ","}),
    "ru": str.maketrans({",": "\N{NO-BREAK SPACE}", ".": ",", "%": "\N{NO-BREAK SPACE}%"}),
}
MAX_HEADER = 200  # characters of an Accept-Language that are read
MAX_RECOGNISED = 2_000  # characters; looking for fields takes time by their square
MAX_PACKED = 2_000  # characters of what another process says, and of each part of it
MAX_NUMBER = 1e15  # of another process
MAX_DEPTH = 3  # of sentences within sentences, of another process
# A field has a name, and a format only where it is a number's: {size:,} {share:.1%} {seconds:g}
_FIELD = re.compile(r"\{(\w+)(?::((?:\.\d)?[%fg]|,))?\}", re.ASCII)

_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


class Sentence(str):
    """English text, with the message and the values that it was made of.

    A value may be a sentence itself. It is never read as a message: braces in it are text.
    """

    __slots__ = ("messages", "values")

    messages: tuple[str, ...]  # one, or for a count the message for one and for many
    values: Mapping[str, Any]


class _NamedFields(Formatter):
    """Puts values into a message by their names alone, and numbers as a language writes them."""

    def __init__(self, language: str) -> None:
        self._language = language

    def get_field(self, field_name: str, _: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> Any:
        if isinstance(value, Sentence):
            return translate(value, self._language)
        if isinstance(value, date):
            return _long_date(value, self._language)
        text = format(value, format_spec)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return text.translate(_NUMBERS[self._language]) if is_number and format_spec else text


def _long_date(day: date, language: str) -> str:
    if language == ENGLISH:
        return f"{day.day} {day:%B %Y}"
    from babel.dates import format_date  # it is needed by who does not read English alone

    return str(format_date(day, "long", locale=language.replace("-", "_")))


def sentence(message: str, /, **values: object) -> Sentence:
    """Return a sentence, `message` with `values` in the places of its named fields.

    >>> sentence("There is no model called {name}.", name="{x}")
    'There is no model called {x}.'
    """
    return _make((message,), values)


def counted(one: str, many: str, count: int, /, **values: object) -> Sentence:
    """Return a sentence on `count` things, which its messages may name as {count}.

    >>> counted("{count} poem", "{count:,} poems", 1), counted("{count} poem", "{count} poems", 2)
    ('1 poem', '2 poems')
    """
    return _make((one, many), {**values, "count": count})


def _make(messages: tuple[str, ...], values: Mapping[str, Any]) -> Sentence:
    message = messages[0 if values.get("count") == 1 else -1]
    made = Sentence(_NamedFields(ENGLISH).vformat(message, (), values))
    made.messages, made.values = messages, values
    return made


def recognise(text: str, known: Sequence[Sentence]) -> str:
    """Return text that was kept as English as the sentence that it was, if it is a known one.

    What it quotes may be a known sentence, too. A text that is too long to be one stays text.

    >>> recognise("Ann is 1,000.", [sentence("{name} is {age:,}.", name="", age=0)]).values
    {'name': 'Ann', 'age': 1000}
    """
    if isinstance(text, Sentence) or len(text) > MAX_RECOGNISED:
        return text
    for each in known:
        for message in each.messages:
            if match := _pattern(message).fullmatch(text):
                found = _recognised(each.messages, message, match.groupdict(), known)
                if found == text:
                    return found
    return text


# How values with a format are read again, by the last letter of the format.
_FORMATS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "": (r".+", str),
    ",": (r"\d[\d,]{0,20}", lambda text: int(text.replace(",", ""))),
    "%": (r"\d{1,3}(?:\.\d{1,3})?%", lambda text: float(text[:-1]) / 100),
    "f": (r"\d{1,20}(?:\.\d{1,20})?", float),
    "g": (r"\d{1,20}(?:\.\d{1,20})?(?:e[+-]\d{2})?", float),
}


def _format_of(message: str) -> dict[str, str]:
    """Return the last letter of each field's format; a count is a number without one, too."""
    fields = {name: spec[-1:] for name, spec in _FIELD.findall(message)}
    return {name: spec or "," * (name == "count") for name, spec in fields.items()}


@cache
def _pattern(message: str) -> re.Pattern[str]:
    """Return what the English of a message looks like."""
    parts = _FIELD.split(message)
    formats = _format_of(message)
    texts = [re.escape(text) for text in parts[::3]]
    fields = [f"(?P<{name}>{_FORMATS[formats[name]][0]})" for name in parts[1::3]] + [""]
    return re.compile("".join(map("".join, zip(texts, fields, strict=True))), re.DOTALL)


def _recognised(
    messages: tuple[str, ...], message: str, found: Mapping[str, str], known: Sequence[Sentence]
) -> Sentence:
    formats = _format_of(message)
    values = {name: _FORMATS[formats[name]][1](text) for name, text in found.items()}
    values = {
        name: recognise(value, known) if isinstance(value, str) else value
        for name, value in values.items()
    }
    if messages[1:]:
        values.setdefault("count", 1)  # the message for one may leave it out
    return _make(messages, values)


# Sentences that another process says


def pack_sentence(text: str) -> object:
    """Return a sentence as JSON can say it to another process, which has to unpack it.

    >>> pack_sentence(sentence("{name} is here.", name="Ann"))
    {'messages': ['{name} is here.'], 'values': {'name': 'Ann'}}
    """
    if not isinstance(text, Sentence) or len(text) > MAX_PACKED:
        return str(text)[:MAX_PACKED]
    values = {
        name: value if isinstance(value, int | float) else pack_sentence(value)
        for name, value in text.values.items()
    }
    return {"messages": list(text.messages), "values": values}


def unpack_sentence(told: object, *, depth: int = MAX_DEPTH) -> str:
    """Build a sentence anew; raise ValueError for what no process of ours would have packed.

    It may have been taken over, so it gets no more than to say something short: no field of a
    message reaches into a value or makes it longer.
    """
    match told:
        case str():
            return told if len(told) <= MAX_PACKED else told[:MAX_PACKED]
        case {"messages": list() | tuple() as messages, "values": dict() as packed, **rest}:
            fits = depth and not rest and len(messages) in (1, 2)
            if not fits or not all(map(_is_message, messages)):
                raise ValueError("no sentence")
            values = {str(name): _unpack_value(value, depth) for name, value in packed.items()}
            if messages[1:] and not isinstance(values.get("count"), int):
                raise ValueError("no count")
            return _unpacked(tuple(messages), values)
    raise ValueError("no sentence")


def _is_message(message: object) -> bool:
    return (
        isinstance(message, str)
        and len(message) <= MAX_PACKED
        and re.search(r"[{}]", _FIELD.sub("", message)) is None
    )


def _unpack_value(value: object, depth: int) -> object:
    if isinstance(value, int | float):
        if not abs(value) <= MAX_NUMBER:
            raise ValueError("no number of ours")
        return value
    return unpack_sentence(value, depth=depth - 1)


def _unpacked(messages: tuple[str, ...], values: Mapping[str, object]) -> Sentence:
    """Make a sentence; a translation may choose the other message, which must fit as well."""
    try:
        texts = [_NamedFields(ENGLISH).vformat(each, (), values) for each in messages]
    except KeyError as error:
        raise ValueError("a field without a value") from error
    if max(map(len, texts)) > MAX_PACKED:
        raise ValueError("a long sentence")
    return _make(messages, values)


def translate(text: str, language: str | None = None) -> str:
    """Return a sentence in a language, without one in the current one; other text as it is."""
    language = language or _current.get()
    if not isinstance(text, Sentence) or language == ENGLISH:
        return str(text)
    catalogue = _catalogue(language)
    one, many = text.messages[0], text.messages[-1]
    if one == many:
        message = catalogue.gettext(one)
    else:
        message = catalogue.ngettext(one, many, text.values["count"])
    try:
        return _NamedFields(language).vformat(message, (), text.values)
    except KeyError:  # a process that was taken over may name a message and leave out values
        return str(text)


def translate_within(value: Any) -> Any:
    """Return what JSON can say, with each sentence in it in the current language.

    >>> translate_within({"notes": [sentence("It is {what}.", what="late")], "count": 1})
    {'notes': ['It is late.'], 'count': 1}
    """
    match value:
        case str():
            return translate(value)
        case list():
            return [translate_within(each) for each in value]
        case dict():
            return {key: translate_within(each) for key, each in value.items()}
        case _:
            return value


def say(message: str, /, **values: object) -> str:
    """Return `sentence` in the current language."""
    return translate(sentence(message, **values))


def say_counted(one: str, many: str, count: int, /, **values: object) -> str:
    """Return `counted` in the current language."""
    return translate(counted(one, many, count, **values))


def write_number(number: float, spec: str) -> str:
    """Return a number as the current language writes it; `spec` is Python's format.

    >>> write_number(0.25, ".0%")
    '25%'
    """
    return format(number, spec).translate(_NUMBERS[_current.get()])


def translate_name(name: str, language: str | None = None) -> str:
    """Return the name of a command or of an option in a language, or in the current one."""
    language = language or _current.get()
    return name if language == ENGLISH else _catalogue(language).pgettext("name", name)


def translate_text(text: str, language: str) -> str:
    """Return a text without fields, such as the description of a command, in a language."""
    return text if language == ENGLISH else _catalogue(language).gettext(text)


def page_messages(language: str) -> dict[str, str | list[str]]:
    """Return what the page says in a language, by its English; a list has the plural forms."""
    return {
        message.id if isinstance(message.id, str) else message.id[0]: (
            message.string if isinstance(message.string, str) else list(message.string)
        )
        for message in _read(language)
        if any(path.startswith("bot/web/page/") for path, _ in message.locations)
    }


def form_name(form: str) -> str:
    """Return what a form is called, as a sentence; an unknown one as it is."""
    names = {
        "sonnet": sentence("sonnet"),
        "quatrain": sentence("quatrain"),
        "couplet": sentence("couplet"),
        "haiku": sentence("haiku"),
        "free": sentence("free"),
    }
    return names.get(form, form)


# Which language is spoken


def current_language() -> str:
    """Return the code of the language of whoever is answered now."""
    return _current.get()


def speak(language: str) -> None:
    """Speak a language for the rest of this task, and of the tasks that it begins."""
    _current.set(language)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language within a block."""
    before = _current.set(language)
    try:
        yield
    finally:
        _current.reset(before)


def known_language(tag: str) -> str | None:
    """Return the code of the language that a tag such as "es-419" means, None if not known.

    >>> [known_language(tag) for tag in ("es-419", "pt_PT", "DE", "en-GB", "tlh", "")]
    ['es', 'pt-BR', 'de', 'en', None, None]
    """
    wanted = tag.replace("_", "-").partition("-")[0].lower()
    return next((code for code in LANGUAGES if code.partition("-")[0] == wanted), None)


def accepted_language(header: str) -> str:
    """Return the language that an Accept-Language header likes best, English if it has none.

    >>> accepted_language("tlh, fr-CH;q=0.8, ru;q=0.9, *;q=0.1"), accepted_language("")
    ('ru', 'en')
    """
    found: dict[str, float] = {}
    for entry in header[:MAX_HEADER].split(","):
        tag, _, weight = entry.partition(";")
        language = known_language(tag.strip())
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if language is not None and quality > 0:
            found.setdefault(language, quality)
    return max(found, key=lambda language: found[language], default=ENGLISH)


# The catalogues


def catalogue_path(language: str) -> Path:
    return FOLDER / f"{language.replace('-', '_')}.po"


@cache
def _read(language: str) -> Any:
    from babel.messages.pofile import read_po

    with catalogue_path(language).open("rb") as file:
        return read_po(file, locale=language.replace("-", "_"))


@cache
def _catalogue(language: str) -> gettext.GNUTranslations:
    from babel.messages.mofile import write_mo

    compiled = io.BytesIO()
    write_mo(compiled, _read(language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
