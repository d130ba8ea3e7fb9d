"""Words that must not come, known by their hashes: a row knows that of the word under way.

A word is a run of letters, whatever their case. The character that would end a forbidden one is
not allowed, so that a longer word may come of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.kernel.compilation import inner
from model.vocabulary import APOSTROPHES

MAX_AVOIDED = 256  # words
_START = 0xCBF29CE484222325  # FNV-1a: Fowler, Noll and Vo 1991
_PRIME = 0x100000001B3

Hashes = NDArray[np.uint64]


def hash_of(word: str) -> int:
    """Return the hash of a word of letters."""
    value = _START
    for letter in word.lower():
        value = ((value ^ ord(letter)) * _PRIME) % 2**64
    return value


def letters_of(characters: str) -> NDArray[np.int64]:
    """Return the code of each character's small letter, 0 where it is none.

    Unicode takes some apostrophes for letters; they end a word here as the others do.
    """
    letters = (c if c.isalpha() and c not in APOSTROPHES else "" for c in characters)
    return np.array([ord(c.lower()[0]) if c else 0 for c in letters], np.int64)


@inner
def spell(letter: int, word: Hashes, row: int) -> None:
    """Let the row take on a character with the code `letter`; `word` (N,) has the hashes."""
    if letter == 0:
        word[row] = np.uint64(_START)
    else:
        word[row] = (word[row] ^ np.uint64(letter)) * np.uint64(_PRIME)


@inner
def is_avoided(letter: int, word: np.uint64, avoided: Hashes, count: int) -> bool:
    """Whether a character with the code `letter` would end one of `avoided`[:count]."""
    if letter == 0:
        for n in range(count):
            if avoided[n] == word:
                return True
    return False
