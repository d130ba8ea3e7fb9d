"""Names of models, files and books, as they may come from a stranger. Pure, and quick to load."""

from __future__ import annotations

import re
import unicodedata

import regex

MAX_TITLE = 200  # characters of a book's
# What any Sonneteer has called a model; for new ones the model side has the rule, which is as
# strict at least.
NAME = re.compile(r"[^\W_][\w-]{0,63}")
# What a terminal or a page obeys instead of showing it: control characters but line breaks and
# tabs, line separators, changes of direction, halves of characters. As in model.vocabulary.
CONTROL_CHARACTERS = regex.compile(
    r"[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069--[\n\t]]", regex.V1
)
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point and what else no reader sees:
# formats, controls but those that part words, halves of characters.
INVISIBLE = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}\p{Cs}--[\n\r\t]]", regex.V1
)
# Marks that decorate any letter they stand on: enclosing ones, those of no script of their own,
# and those struck through, above or below, by https://www.unicode.org/reports/tr44/#CCC_Values.
_STACKED = "".join(
    rf"\p{{ccc={value}}}"
    for value in (1, 200, 202, 214, 216, 218, 220, 222, 224, 226, 228, 230, 232, 233, 234, 240)
)
_DECORATIONS = regex.compile(
    rf"[\p{{M}}&&[\p{{Me}}\p{{Script=Common}}\p{{Script=Inherited}}{_STACKED}]]", regex.V1
)
# Scripts that are written without marks of another kind.
_BARE = "".join(
    rf"\p{{Script={script}}}"
    for script in "Common Latin Greek Cyrillic Armenian Georgian Coptic Cherokee Gothic".split()
    + "Glagolitic Ethiopic Han Hiragana Katakana Hangul Bopomofo Yi".split()
)
# What stands on no letter of a script that has such marks.
_STRAY = regex.compile(rf"(?<![[\p{{L}}--[{_BARE}]]\p{{M}}])\p{{M}}+", regex.V1)
# Apostrophes, some of which Unicode takes for letters.
_STRAIGHT = str.maketrans(dict.fromkeys("'’‘‛′‵`´ʹʻʼʽˈꞌ＇｀", "'"))
# What Windows takes for a device in every folder, whatever comes after a dot:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE | re.DOTALL)


def is_name(name: str) -> bool:
    """Whether a model has been called that by some version: it is never a path.

    >>> [is_name(name) for name in ("dunes", "con", "../dunes", "")]
    [True, True, False, False]
    """
    return NAME.fullmatch(name) is not None


def is_device(file_name: str) -> bool:
    """Whether Windows takes a file's name for a device.

    >>> [is_device(name) for name in ("CON", "nul.safetensors", "com1", "context", "con-1")]
    [True, True, True, False, False]
    """
    return DEVICE.fullmatch(file_name) is not None


def printable(text: str) -> str:
    """Return a text from a stranger as a terminal may show it.

    >>> printable("\\x1b[2J one\\n\\u202etwo")
    '�[2J one\\n�two'
    """
    return CONTROL_CHARACTERS.sub(REPLACEMENT, text)


def without_invisible(text: str) -> str:
    """Return what a reader sees of a text.

    >>> without_invisible("ro\\N{COMBINING GRAPHEME JOINER}se\\x00s are\\nred")
    'roses are\\nred'
    """
    return text if text.isascii() and text.isprintable() else INVISIBLE.sub("", text)


def skeleton(text: str) -> str:
    """Return the form in which words are compared: small letters, decomposed, without decoration.

    So "café" and "cafe" are one word. Marks that the script of a letter is written with stay. The
    model side has the same in `model.vocabulary`. Takes time by the square of marks in a row.

    >>> skeleton("ﬁRe"), skeleton("Café"), skeleton("ro\N{COMBINING LONG STROKE OVERLAY}se")
    ('fire', 'cafe', 'rose')
    >>> skeleton("की"), skeleton("ro\N{DEVANAGARI VOWEL SIGN U}se")
    ('की', 'rose')
    """
    if text.isascii() and text.isprintable():
        return text.lower()
    for _ in range(2):  # a small letter may be decomposed further
        text = unicodedata.normalize("NFKD", INVISIBLE.sub("", text))
        text = _DECORATIONS.sub("", text).casefold()
    return _STRAY.sub("", INVISIBLE.sub("", text).translate(_STRAIGHT))


def without_decoration(text: str) -> str:
    """Return a text without the marks that decorate whatever letter they stand on."""
    return text if text.isascii() else _DECORATIONS.sub("", text)


def one_line(text: str) -> str:
    """Make a stranger's title or file name fit to show: one line, nothing invisible.

    >>> one_line("My\\n\\u202ebook\\x00"), one_line("../../etc/passwd")
    ('My book', '../../etc/passwd')
    """
    shown = (" " if c.isspace() else c for c in text if c.isspace() or not _is_hidden(c))
    return " ".join("".join(shown).split())


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
