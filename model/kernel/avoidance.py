"""Words that must not come, known by their hashes: a row knows that of the word under way.

A word is a run of letters and of the marks that their script is written with, in the form that
`model.vocabulary.bare` gives them; characters that nobody sees and marks that only decorate do not
end it. The character that would end a forbidden one is not allowed, so that a longer word may come
of it. A character may stand for several letters, as a ligature does: each has a code.

The last bit of a hash tells whether the last letter's script has marks of its own: a mark on any
other letter does not count.
"""

from __future__ import annotations

import numpy as np
import regex
from numpy.typing import NDArray

from model.kernel.compilation import inner
from model.vocabulary import BEARERS, REPLACEMENT, bare, printable, skeleton

MAX_AVOIDED = 512  # words: each of 200 as it was listed, and as it is on the model's alphabet
_START = 0xCBF29CE484222324  # FNV-1a: Fowler, Noll and Vo 1991; without its last bit
_PRIME = 0x100000001B3
_ENDS = 0  # a word
_UNSEEN = -1  # of a character that does not count: the word goes on
_MARK = regex.compile(r"\p{M}")
_LETTER = regex.compile(r"\p{L}")

WordHashes = NDArray[np.uint64]


def hash_of(word: str) -> int:
    """Return the hash of a word of letters and marks."""
    value = _START
    for part in skeleton(word):
        code = _code_of(part)
        value = ((value ^ abs(code)) * _PRIME) % 2**64
        value = value & ~1 | (code & 1 if code > 0 else 1)
    return value


def letters_of(characters: str) -> NDArray[np.int64]:
    """Return the codes (V, W) of each character's letters; W is the most that one has.

    A code is _ENDS, _UNSEEN (behind the last letter, too), below that a mark's, above 0 a letter's.
    """
    codes = [_codes_of(character) for character in characters]
    width = max([1, *map(len, codes)])
    return np.array([each + [_UNSEEN] * (width - len(each)) for each in codes], np.int64)


def masked_of(characters: str) -> NDArray[np.bool_]:
    """Return whether each character is shown as a sign of replacement, which is never written."""
    return np.array([shown == REPLACEMENT for shown in printable(characters)], np.bool_)


def _codes_of(character: str) -> list[int]:
    codes = [_code_of(part) for part in bare(character)]
    # ™ ends a word as other signs do, while a letter in a circle is a letter.
    is_word = _LETTER.match(character) or _MARK.match(character)
    return codes if len(codes) < 2 or is_word else [_ENDS]


def _code_of(part: str) -> int:
    """Return the code of a character that is bare."""
    if _MARK.match(part):
        return -ord(part)
    if not _LETTER.match(part):
        return _ENDS
    return 2 * ord(part) + (BEARERS.match(part) is not None)


def begin_word(word: WordHashes, row: int) -> None:
    """Let the row be where a word may begin; `word` (N,) has the hashes."""
    word[row] = np.uint64(_START)


@inner
def _extend(word: np.uint64, code: int) -> np.uint64:
    """Return the hash of `word` with one more code."""
    one = np.uint64(1)
    if code == _ENDS:
        return np.uint64(_START)
    if code == _UNSEEN:
        return word
    if code < 0:
        if word & one:
            return ((word ^ np.uint64(-code)) * np.uint64(_PRIME)) | one
        return word
    mixed = (word ^ np.uint64(code)) * np.uint64(_PRIME)
    return ((mixed >> one) << one) | (np.uint64(code) & one)


@inner
def add_letter(codes: NDArray[np.int64], word: WordHashes, row: int) -> None:
    """Let the row take on a character with `codes` (W,); `word` (N,) has the hashes."""
    for code in codes:
        word[row] = _extend(word[row], code)


@inner
def is_avoided(codes: NDArray[np.int64], word: np.uint64, avoided: WordHashes, count: int) -> bool:
    """Whether a character with `codes` (W,) would end one of `avoided[:count]`."""
    for code in codes:
        if code == _ENDS:
            for n in range(count):
                if avoided[n] == word:
                    return True
        word = _extend(word, code)
    return False
