"""Tokens and their ids, and the folding of strangers' text onto a book's alphabet.

A token is a character, or a piece of a word with the space before it. A text is cut into words
first, and each word from its beginning into the longest pieces that there are. So the tokens of a
word never depend on its neighbours, and a text that ends with a word can always be continued.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from model.characters import APOSTROPHES, STRAIGHT, printable

# Punctuation that NFKC leaves alone although every reader takes it for its plain cousin.
PLAIN_PUNCTUATION = {
    **dict.fromkeys(f"{APOSTROPHES}‚", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    "…": "...",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "đ": "d",
    "ł": "l",
    "ı": "i",
    "þ": "th",
    "ð": "d",
}


MAX_FOUND = 2_000  # characters whose equivalents are remembered
MAX_PIECE = 15  # characters of a piece
# What pieces are cut from: a word and the space before it. Everything else is single characters.
WORD_WITH_SPACE = re.compile(r" ?[^\W\d_]+(?:['-][^\W\d_]+)*|[\s\S]")
SPACE = re.compile(r"\s")  # none is in a word, but for one before it


@dataclass(frozen=True, slots=True)
class FoldedText:
    """A text on a model's alphabet: what the network reads, and what it had to leave out."""

    text: str
    left_out: tuple[str, ...]  # distinct, in order of appearance


@dataclass(frozen=True)
class Vocabulary:
    """Sorted distinct characters, then pieces of words; a token's id is its place.

    >>> Vocabulary.of("hello").encode("hole")
    [1, 3, 2, 0]
    >>> Vocabulary(" ehlo", ("he", " hell")).encode("he hello")
    [5, 6, 4]
    """

    characters: str
    pieces: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, pieces: Iterable[str] = ()) -> Vocabulary:
        """Return the characters of a text, and those of the pieces that are made of them."""
        known = set(text)
        return cls("".join(sorted(known)), tuple(each for each in pieces if known.issuperset(each)))

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        return (*self.characters, *self.pieces)

    @cached_property
    def ids(self) -> dict[str, int]:
        return {token: place for place, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.characters) + len(self.pieces)

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The tokens as they are written for people; ids are their places."""
        return tuple(printable(token) for token in self.tokens)

    def encode(self, text: str) -> list[int]:
        """Map a text to ids 0…V-1; a character outside the alphabet raises KeyError."""
        ids = self.ids
        if not self.pieces:
            return [ids[character] for character in text]
        return [id_ for word in WORD_WITH_SPACE.findall(text) for id_ in self.encode_word(word)]

    def encode_word(self, word: str) -> list[int]:
        """Map what `WORD_WITH_SPACE` finds to ids: from its beginning, the longest that there are.

        Greedy search in the vocabulary does as well as the merges it was learnt by: Uzan et
        al. 2024.
        """
        ids, found, begin = self.ids, [], 0
        while begin < len(word):
            end = min(len(word), begin + self._longest)
            while end > begin + 1 and word[begin:end] not in ids:
                end -= 1
            found.append(ids[word[begin:end]])
            begin = end
        return found

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.pieces), default=1)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, as it may be shown: see `printable`."""
        shown = self.shown
        return "".join([shown[place] for place in ids])

    def fold(self, text: str) -> FoldedText:
        """Put `text` onto this alphabet; never raises, whatever the Unicode.

        Each character is kept, else replaced by the nearest equivalent whose characters are all
        known (case, compatibility form, plain punctuation, letter without accent), else left out.

        >>> Vocabulary("\\n 'abcdeft").fold("Café ‘Ted’ 🙂")
        FoldedText(text="cafe 'ted' ", left_out=('🙂',))
        """
        kept: list[str] = []
        left_out: dict[str, None] = {}
        for cluster in _clusters(text):
            if all(character in self.ids for character in cluster):
                kept.append(cluster)
                continue
            for character in unicodedata.normalize("NFC", cluster.replace("\r\n", "\n")):
                equivalent = self._equivalent(character)
                if equivalent is not None:
                    kept.append(equivalent)
                elif not _leans_on_another(character):
                    left_out[character] = None
        return FoldedText("".join(kept), tuple(left_out))

    @cached_property
    def _equivalents(self) -> dict[str, str | None]:
        """What was found for characters beyond the alphabet."""
        return {}

    def _equivalent(self, character: str) -> str | None:
        found = self._equivalents
        equivalent = found.get(character, character)
        if equivalent == character:  # not looked for yet, or another thread has just cleared all
            equivalent = self._find_equivalent(character)
            if len(found) >= MAX_FOUND:  # there are a million
                found.clear()
            found[character] = equivalent
        return equivalent

    def _find_equivalent(self, character: str) -> str | None:
        ids = self.ids
        if character in ids:
            return character
        for candidate in _equivalents(character):
            if candidate and all(part in ids for part in candidate):
                return candidate
        return None


class TokenSplitter:
    """Cuts a text that comes in parts into what its tokens are made of, as it is shown.

    Joined they are the text again. A character that the vocabulary lacks counts as a token. A word
    is cut once it is whole, since its end decides its tokens.

    >>> splitter = TokenSplitter(Vocabulary(" ehlo", ("he", " hell")))
    >>> splitter.write("he Hel"), splitter.write("lo"), splitter.rest()
    (['he'], [], [' Hell', 'o'])
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._held = ""  # the beginning of a word

    def write(self, text: str) -> list[str]:
        """Return the tokens of what is whole now."""
        if not self._vocabulary.pieces:
            return list(text)
        text, place = self._held + text, 0
        for space in SPACE.finditer(text):
            place = space.start() if space[0] == " " else space.end()
        self._held = text[place:]
        return self._split(text[:place])

    def rest(self) -> list[str]:
        """Return the tokens of what was held back: no more text comes."""
        held, self._held = self._held, ""
        return self._split(held)

    def _split(self, text: str) -> list[str]:
        return [part for word in WORD_WITH_SPACE.findall(text) for part in self._parts_of(word)]

    def _parts_of(self, word: str) -> Iterator[str]:
        """Yield the parts of a word; one that changes its length on the alphabet is characters."""
        folded = self._vocabulary.fold(word).text
        if len(folded) != len(word):
            yield from word
            return
        start = 0
        for id_ in self._vocabulary.encode_word(folded):
            end = start + len(self._vocabulary.tokens[id_])
            yield word[start:end]
            start = end


def _clusters(text: str) -> Iterator[str]:
    """Yield each character with the marks that follow it; CR LF is one.

    An alphabet may hold a letter and its accent apart, so marks are joined to their letter only
    where they are not known as they stand.
    """
    start = 0
    for place in range(1, len(text)):
        if not (_leans_on_another(text[place]) or text[place - 1 : place + 1] == "\r\n"):
            yield text[start:place]
            start = place
    if text:
        yield text[start:]


def _leans_on_another(character: str) -> bool:
    """Whether `character` is read with the one before: a mark, a joiner, a Hangul vowel or tail."""
    return (
        unicodedata.category(character).startswith("M")
        or character == "\u200d"
        or "\u1160" <= character <= "\u11ff"
    )


def _equivalents(character: str) -> Iterator[str]:
    """Yield what may stand for `character`, nearest first."""
    if character in "\r\v\f\x85\u2028\u2029":
        yield "\n"
    if character.isspace():
        yield " "
    # NFKC makes a blank and a mark of an acute accent that stands alone.
    compatible = unicodedata.normalize("NFKC", character.translate(STRAIGHT))
    plain = "".join(PLAIN_PUNCTUATION.get(part, part) for part in compatible)
    lowered = "".join(PLAIN_PUNCTUATION.get(part, part) for part in compatible.lower())
    bare = "".join(
        part for part in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(part)
    )
    for form in (character, compatible, plain, bare):
        yield from (form, form.lower(), form.upper(), form.casefold())
    yield lowered
    if plain == '"':  # a book without double quotes has single ones
        yield "'"
    if not plain.isalnum():  # and one without straight marks has those of its printer
        yield from (other for other, straight in PLAIN_PUNCTUATION.items() if straight == plain)
