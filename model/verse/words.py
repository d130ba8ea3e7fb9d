"""Words by their work: which are small, which carry a meaning."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterator
from functools import lru_cache

from model.characters import STRAIGHT

# A word: letters, with apostrophes and hyphens inside; an apostrophe before, as in 'tis.
WORD = re.compile(r"(?:(?<![^\W\d_])')?[^\W\d_]+(?:['-][^\W\d_]+)*")

LINE = 200  # characters; longer texts are looked at once
ARTICLES = frozenset(["a", "an", "the"])  # never under the beat
# May not end a line: what follows belongs to them.
CANNOT_END_LINE = ARTICLES | frozenset(
    """and but or nor if that than as of to in on at by for from with upon into unto i' my thy your
    our their his her its whose no every each some any such what which who is are was were am be
    been shall should will would may might can could must do does did hath has have had doth
    dost hast art wilt shalt canst didst mayst wouldst couldst shouldst i he she we they thou ye
    it's i'm i'll he'll she'll thou'lt o oh when where while whilst though since because lest
    till until ere so too very not yet even only or else then whilst whereon wherein th' t' 'tis
    'twas let lets let's both these those this""".split()
)
FUNCTION_WORDS = CANNOT_END_LINE | frozenset(
    """me thee you him them us it mine thine yours ours theirs hers self myself thyself himself
    herself itself ourselves themselves yourself there here how why now never ever still all
    more most less much many own other others another one ones nought naught none nothing up
    down out off over o'er e'er ne'er again away against between through like unlike before
    after about above under beneath among within without toward towards along be being made make
    makes made say said says well therefore thus hence whence thence hither thither yes aye ay
    nay no lo alas ah said go come came comes goes get got doing having ' 's 'twere 'twill
    'gainst""".split()
)


def straighten(text: str) -> str:
    """Return `text`, as long as it was, with straight apostrophes."""
    return text.translate(STRAIGHT)


def words_of(text: str) -> list[str]:
    """Return the words of `text` in small letters with straight apostrophes, quotation marks out.

    >>> words_of("’Tis the rose’s self-love, 'she' said")
    ["'tis", 'the', "rose's", 'self-love', 'she', 'said']
    """
    return list(_words_of_line(text) if len(text) <= LINE else _find_words(text))


def _find_words(text: str) -> tuple[str, ...]:
    found = []
    for match in WORD.finditer(straighten(text.lower())):
        word = match[0]
        if word.startswith("'") and word not in APOSTROPHIZED:
            word = word[1:]
        found.append(word)
    return tuple(found)


_words_of_line = lru_cache(512)(_find_words)  # a line is asked for again with each line after it


APOSTROPHIZED = frozenset(
    """'tis 'twas 'twere 'twill 'twould 'twixt 'gainst 'gins 'gan 'scape 'scaped 'mongst 'mid
    'neath""".split()
)


def last_word(line: str) -> str:
    """Return the last word of a line, "" where it has none."""
    return (words_of(line) or [""])[-1]


# What words of one family differ in, from the outside to the inside. Two letters must be left.
_ENDINGS = (
    re.compile(r"(?<=..)(?:'s|(?<!s)s'?)$"),
    re.compile(r"(?<=...)(?:ing|ed|er|est|eth|ly|ness|less|ful)$"),
    re.compile(r"(?<=..)(?:ie|e|y|i)$"),
    re.compile(r"(?<=([bdgmnpt]))\1$"),  # running
)


@lru_cache(65536)
def root_of(word: str) -> str:
    """Return what forms of one word have in common, mostly.

    >>> [root_of(word) for word in ("sea's", "seas", "lovely", "loving", "running", "dreamed")]
    ['sea', 'sea', 'lov', 'lov', 'run', 'dream']
    """
    for ending in _ENDINGS:
        word = ending.sub("", word)
    return word


def stem_of(word: str) -> str:
    """Return up to four letters: words that have the same are mostly of one family.

    >>> stem_of("beauties"), stem_of("beauteous")
    ('beau', 'beau')
    """
    return root_of(word)[:4]


# How other forms of a word are spelled, and the word itself. The likelier come first.
_FORMS = tuple(
    (re.compile(ending), base)
    for ending, base in (
        (r"'s$", ""),
        (r"ies$", "y"),
        (r"ying$", "ie"),
        (r"(?<![s'])s$", ""),
        (r"(?<=[sxzh])es$", ""),
        (r"i(?:ed|er|est|eth|ly|ness|less|ful)$", "y"),
        (r"(?<!e)(?:ing|ed|er|est|eth)$", "e"),
        (r"([bdgklmnprt])\1(?:ing|ed|er|est|eth)$", r"\1"),
        (r"(?:ing|ed|er|est|eth|ly|ness|less|ful)$", ""),
    )
)


def base_forms(word: str) -> Iterator[str]:
    """Yield what `word` may be a form of; not all of it are words.

    >>> list(base_forms("hoped")), list(base_forms("running")), list(base_forms("berries"))
    (['hope', 'hop'], ['runne', 'run', 'runn'], ['berry', 'berrie'])
    """
    for ending, base in _FORMS:
        found = ending.sub(base, word)
        if found != word and len(found) > 2:
            yield found


_OFTEN_ANOTHER = re.compile(r"(?:er|est|less)$")  # flower, forest, hopeless


class KnownWords:
    """Words that other forms of them stand for."""

    def __init__(self, words: Collection[str]) -> None:
        self._words = words
        # "billows" for "billow". Other endings would mislead: "mother" is no form of "moth".
        plurals = sorted(word for word in words if word.endswith("s"))
        self._plurals = {base: word for word in plurals for base in base_forms(word)}
        self._families: dict[str, list[str]] = {}
        for word in words:
            self._families.setdefault(self._base(word), []).append(word)

    def form_of(self, word: str) -> str | None:
        """Return the word that is known: `word` itself, or else another form of it.

        >>> known = KnownWords(["dream", "billows"])
        >>> known.form_of("dreaming"), known.form_of("billow"), known.form_of("drear")
        ('dream', 'billows', None)
        """
        forms = (word, *base_forms(word))
        return next((form for form in forms if form in self._words), None) or next(
            (self._plurals[form] for form in forms if form in self._plurals), None
        )

    def forms_of(self, word: str) -> list[str]:
        """Return the other known words that are forms of the same one as `word`.

        >>> known = KnownWords(["dream", "dreamed", "dreams", "moth", "mother", "candles"])
        >>> known.forms_of("dreaming"), known.forms_of("dreams"), known.forms_of("mother")
        (['dream', 'dreamed', 'dreams'], ['dream', 'dreamed'], [])
        >>> known.forms_of("candle"), known.forms_of("pizza")
        (['candles'], [])
        """
        known = word if _OFTEN_ANOTHER.search(word) else self.form_of(word) or word
        return [form for form in self._families.get(self._base(known), ()) if form != word]

    def _base(self, word: str) -> str:
        """Return the shortest known word that this one is a form of, or the word itself."""
        if _OFTEN_ANOTHER.search(word):
            return word
        known = (form for form in base_forms(word) if form in self._words and is_content_word(form))
        base = next(known, None)
        return word if base is None else self._base(base)


def family_of(word: str) -> int:
    """Return a number of the word's family, 0 for a word that says nothing by itself.

    >>> family_of("love") == family_of("lovely") != family_of("lone"), family_of("the")
    (True, 0)
    """
    return zlib.crc32(stem_of(word).encode()) >> 1 | 1 if is_content_word(word) else 0


# Words that begin with the sound of a vowel, by their spelling: "hour", and not "one" or "use".
_VOWEL = re.compile(
    r"(?!one|once|eu|ewe|u(?:ni(?![mn])|s[eu]|ti|topia))[aeiou]|hour|hono|heir|hones"
)


def is_wrong_article(article: str, word: str) -> bool:
    """Whether "a" or "an" cannot stand before a word; False for what is no article.

    >>> [is_wrong_article("an", word) for word in ("perfect", "hundred", "hour", "union")]
    [True, False, False, True]
    >>> [is_wrong_article("a", word) for word in ("perfect", "hundred", "hour", "other")]
    [False, False, True, True]
    """
    if _VOWEL.match(word):
        return article == "a"
    return article == "an" and not word.startswith("h")  # poets have "an hundred", too


@lru_cache(8192)
def is_content_word(word: str) -> bool:
    """Whether `word` says something by itself."""
    return word not in FUNCTION_WORDS and sum(map(str.isalpha, word)) > 2
