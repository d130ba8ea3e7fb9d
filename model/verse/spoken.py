"""What of a text is said, and as which words: numbers, signs and abbreviations as people say them.

No library does this: num2words (LGPL) and inflect (MIT) say 1492 as "one thousand four hundred and
ninety-two", and neither knows abbreviations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from model.verse.pronunciation import look_up
from model.verse.words import APOSTROPHIZED, WORD, straighten

SpokenForm = tuple[str, ...]  # words

MAX_DIGITS = 30  # of a number that is said at all
MAX_CARDINAL = 9  # digits; a longer number is said digit by digit, as on the telephone
MAX_SPELLED = 12  # letters of an abbreviation
SHORT = 3  # capitals that no dictionary has are said one by one; more of them make a word
UNITS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen""".split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = ((10**6, "million"), (1000, "thousand"), (100, "hundred"))
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
MONEY = {"£": "pound", "$": "dollar", "€": "euro", "¥": "yen", "₹": "rupee", "¢": "cent"}
SIGNS = {
    "&": ("and",), "№": ("number",), "%": ("percent",), "°": ("degrees",), "+": ("plus",),
    "=": ("equals",), "½": ("one", "half"), "¼": ("one", "quarter"), "¾": ("three", "quarters"),
    **{sign: (name,) for sign, name in MONEY.items()},
}  # fmt: skip
LETTER_NAMES = {"a": "ay"}  # the dictionary's "a" is the article
VOWEL_LETTERS = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿœ")
ROMAN = re.compile(r"M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
TOKEN = re.compile(
    rf"(?P<money>[{''.join(MONEY)}])?(?P<number>\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)"
    r"(?:\.(?P<decimals>\d{1,9})(?!\d))?(?P<ending>st|nd|rd|th|s)?(?![^\W_])"
    r"|(?P<digits>\d+)|(?P<dotted>(?:[^\W\d_]\.){2,12})"
    rf"|(?P<sign>[{re.escape(''.join(SIGNS))}])|(?P<word>{WORD.pattern})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """What is said at `begin` … `end` of a text, in one way or several."""

    begin: int
    end: int
    ways: tuple[SpokenForm, ...]


def spoken_words(text: str) -> Iterator[SpokenWord]:
    """Yield what is said of `text`, in order.

    >>> [token.ways[0] for token in spoken_words("In 1492 the BBC’s 21st £5 & U.S.A.")][1:]
    [('fourteen', 'ninety', 'two'), ('the',), ("bbc's",), ('twenty', 'first'), \
('five', 'pounds'), ('and',), ('u', 's', 'ay')]
    """
    is_mixed = any(map(str.islower, text))
    for match in TOKEN.finditer(straighten(text)):
        begin, end = match.span()
        if match["word"] is not None:
            word = match["word"]
            if word.startswith("'") and word.lower() not in APOSTROPHIZED:
                word, begin = word[1:], begin + 1
            yield SpokenWord(begin, end, (_say_word(word, is_mixed=is_mixed),))
        elif match["dotted"]:
            letters = match["dotted"].replace(".", "").lower()
            yield SpokenWord(begin, end, (_spell(letters),))
        elif match["sign"]:
            yield SpokenWord(begin, end, (SIGNS[match["sign"]],))
        else:
            yield SpokenWord(begin, end, _say_number(match))


def _say_word(word: str, *, is_mixed: bool) -> SpokenForm:
    """Return a word, or how an abbreviation or a Roman numeral is said in its stead."""
    lower = word.lower()
    if len(word) < 2 or "'" in word or "-" in word:
        return (lower,)
    is_capital = is_mixed and word.isupper()
    if is_capital and ROMAN.fullmatch(word) and (set(word) <= set("IVXL") or not look_up(lower)):
        return _cardinal(_roman(word))
    is_short = is_capital and len(word) <= SHORT
    if (
        (is_short or not VOWEL_LETTERS.intersection(lower))
        and word.isascii()
        and not look_up(lower)
    ):
        return _spell(lower)
    return (lower,)


def _spell(letters: str) -> SpokenForm:
    return tuple(LETTER_NAMES.get(letter, letter) for letter in letters[:MAX_SPELLED])


def _roman(numeral: str) -> int:
    values = [ROMAN_VALUES[letter] for letter in numeral]
    later = [*values[1:], 0]
    return sum(-v if v < after else v for v, after in zip(values, later, strict=True))


def _say_number(match: re.Match[str]) -> tuple[SpokenForm, ...]:
    typed = (match["number"] or match["digits"]).replace(",", "")
    digits = "".join(str(int(digit)) for digit in typed[:MAX_DIGITS])
    if len(digits) > MAX_CARDINAL or (digits.startswith("0") and len(digits) > 1):
        said = tuple(UNITS[int(digit)] for digit in digits)
        return said, tuple("oh" if word == "zero" else word for word in said)
    value = int(digits)
    ways = [_cardinal(value)]
    if 1010 <= value < 2100 and match["number"] == typed and not match["money"]:
        # Two thousand five, and twenty twelve; but nobody says one thousand four hundred and so on.
        ways = [_year(value)] if value < 2000 else [*ways, _year(value)]
    if match["money"] and len(match["decimals"] or "") == 2:
        return ((*ways[-1], _money(match["money"], value), *_cardinal(int(match["decimals"]))),)
    if match["decimals"]:
        point = ("point", *(UNITS[int(digit)] for digit in match["decimals"]))
        ways = [(*ways[-1], *point)]
    ending = (match["ending"] or "").lower()
    if ending and not match["decimals"]:
        ways = [(*way[:-1], _with_ending(way[-1], ending)) for way in ways]
    if match["money"]:
        ways = [(*way, _money(match["money"], value)) for way in ways]
    return tuple(ways)


def _money(sign: str, value: int) -> str:
    name = MONEY[sign]
    return name if value == 1 or name == "yen" else f"{name}s"


def _with_ending(word: str, ending: str) -> str:
    """Return the last word of "21st" or of "1960s".

    >>> _with_ending("two", "nd"), _with_ending("sixty", "th"), _with_ending("ninety", "s")
    ('second', 'sixtieth', 'nineties')
    """
    stem = word[:-1] + "ie" if word.endswith("y") else word
    if ending == "s":
        return f"{stem}s" if word != "six" else "sixes"
    return ORDINALS.get(word, f"{stem}th")


def _cardinal(value: int) -> SpokenForm:
    """Return a number below a billion in words.

    >>> " ".join(_cardinal(1_200_345))
    'one million two hundred thousand three hundred forty five'
    """
    if value < 20:
        return (UNITS[value],)
    if value < 100:
        return (TENS[value // 10], *((UNITS[value % 10],) if value % 10 else ()))
    size, name = next(scale for scale in SCALES if value >= scale[0])
    rest = _cardinal(value % size) if value % size else ()
    return (*_cardinal(value // size), name, *rest)


def _year(value: int) -> SpokenForm:
    """Return a year in words.

    >>> _year(1492), _year(1905), _year(1900)
    (('fourteen', 'ninety', 'two'), ('nineteen', 'oh', 'five'), ('nineteen', 'hundred'))
    """
    century, rest = divmod(value, 100)
    if not rest:
        return (*_cardinal(century), "hundred")
    return (*_cardinal(century), *(("oh",) if rest < 10 else ()), *_cardinal(rest))
