"""Words that must not come, known by their hashes: a row knows that of the word under way.

A word is a run of letters, whatever their case; characters that nobody sees do not end it. The
character that would end a forbidden one is not allowed, so that a longer word may come of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.kernel.compilation import inner
from model.vocabulary import APOSTROPHES, UNSEEN

MAX_AVOIDED = 256  # words
_START = 0xCBF29CE484222325  # FNV-1a: Fowler, Noll and Vo 1991
_PRIME = 0x100000001B3
_UNSEEN = -1  # of a character that a reader does not see: the word goes on

Hashes = NDArray[np.uint64]


def hash_of(word: str) -> int:
    """Return the hash of a word of letters."""
    value = _START
    for letter in word.lower():
        value = ((value ^ ord(letter)) * _PRIME) % 2**64
    return value


def letters_of(characters: str) -> NDArray[np.int64]:
    """Return the code of each character's small letter, 0 where it ends a word, _UNSEEN else."""
    return np.array([_letter_of(character) for character in characters], np.int64)


def _letter_of(character: str) -> int:
    if UNSEEN.match(character):  # Unicode takes some of them for letters
        return _UNSEEN
    is_letter = character.isalpha() and character not in APOSTROPHES  # of which some are, too
    return ord(character.lower()[0]) if is_letter else 0


@inner
def spell(letter: int, word: Hashes, row: int) -> None:
    """Let the row take on a character with the code `letter`; `word` (N,) has the hashes."""
    if letter == 0:
        word[row] = np.uint64(_START)
    elif letter != _UNSEEN:
        word[row] = (word[row] ^ np.uint64(letter)) * np.uint64(_PRIME)


@inner
def is_avoided(letter: int, word: np.uint64, avoided: Hashes, count: int) -> bool:
    """Whether a character with the code `letter` would end one of `avoided`[:count]."""
    if letter == 0:
        for n in range(count):
            if avoided[n] == word:
                return True
    return False
