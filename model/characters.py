"""Characters as readers see them: what controls a terminal, what is invisible, what decorates.

Text comes from strangers: members, books, model files. Words are compared by their `skeleton`.
"""

from __future__ import annotations

import unicodedata

import regex

# What people type for an apostrophe: phones ’, others a quotation mark, an accent, a prime.
APOSTROPHES = "'’‘‛′‵`´ʹʻʼʽˈꞌ＇｀"
STRAIGHT = str.maketrans(dict.fromkeys(APOSTROPHES, "'"))
# What a terminal or a page obeys instead of showing it: control characters but line breaks and
# tabs, line separators, changes of direction, halves of characters.
CONTROL_CHARACTERS = regex.compile(
    r"[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069--[\n\t]]", regex.V1
)
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point and what else no reader sees:
# formats, control characters but those that part words, halves of characters.
INVISIBLE = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}\p{Cs}--[\n\r\t]]", regex.V1
)
# Marks that decorate any letter they stand on: enclosing ones, those of no script of their own,
# and those struck through, above or below, by https://www.unicode.org/reports/tr44/#CCC_Values.
_STACKED = "".join(
    rf"\p{{ccc={value}}}"
    for value in (1, 200, 202, 214, 216, 218, 220, 222, 224, 226, 228, 230, 232, 233, 234, 240)
)
DECORATIONS = regex.compile(
    rf"[\p{{M}}&&[\p{{Me}}\p{{Script=Common}}\p{{Script=Inherited}}{_STACKED}]]", regex.V1
)
# Scripts that are written without marks of another kind.
_BARE = "".join(
    rf"\p{{Script={script}}}"
    for script in "Common Latin Greek Cyrillic Armenian Georgian Coptic Cherokee Gothic".split()
    + "Glagolitic Ethiopic Han Hiragana Katakana Hangul Bopomofo Yi".split()
)
BEARERS = regex.compile(rf"[\p{{L}}--[{_BARE}]]", regex.V1)
_STRAY = regex.compile(rf"(?<![[\p{{L}}--[{_BARE}]]\p{{M}}])\p{{M}}+", regex.V1)


def printable(text: str) -> str:
    """Return a text from a stranger as a terminal may show it, with as many characters.

    >>> printable("\\x1b[2J one\\n\\u202etwo")
    '�[2J one\\n�two'
    """
    return CONTROL_CHARACTERS.sub(REPLACEMENT, text)


def bare(text: str) -> str:
    """Return the letters of a text for comparing: small, decomposed, without decorating marks.

    Marks that a script is written with, as the vowel signs of Devanagari, stay.

    >>> bare("ﬁRe"), bare("Cafe\N{COMBINING ACUTE ACCENT}"), bare("café"), bare("की")
    ('fire', 'cafe', 'cafe', 'की')
    """
    if text.isascii() and text.isprintable():
        return text.lower()
    for _ in range(2):  # a small letter may be decomposed further
        decomposed = unicodedata.normalize("NFKD", INVISIBLE.sub("", text))
        text = DECORATIONS.sub("", decomposed).casefold()
    return INVISIBLE.sub("", text).translate(STRAIGHT)


def skeleton(text: str) -> str:
    """Return the form in which words are compared: `bare`, without marks of another script.

    So "café" and "cafe" are one word. It takes time by the square of marks in a row.

    >>> skeleton("ro\N{DEVANAGARI VOWEL SIGN U}se"), skeleton("की")
    ('rose', 'की')
    """
    return _STRAY.sub("", bare(text))


def without_invisible(text: str) -> str:
    """Return what a reader sees of a text.

    >>> without_invisible("ro\\N{COMBINING GRAPHEME JOINER}se\\x00s are\\nred")
    'roses are\\nred'
    """
    return text if text.isascii() and text.isprintable() else INVISIBLE.sub("", text)


def without_decoration(text: str) -> str:
    """Return a text without the marks that decorate whatever letter they stand on."""
    return text if text.isascii() else DECORATIONS.sub("", text)
