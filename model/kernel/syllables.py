"""Syllables as bits: the one place where such numbers are made and read.

*A set of numbers of syllables* is a whole number: bit n tells that a line may have n of them. A row
carries such a set, because a word may be said in several ways.

*A word's mask* has 24 bits, six for each of four ways to begin: bit group + n - 1 tells that the
word may be said there with n syllables (1–6).

| group        | where the word begins          | words that have it                              |
| ------------ | ------------------------------ | ----------------------------------------------- |
| `ANY_STRESS` | anywhere, in free metre        | every word                                      |
| `INITIAL`    | at the start of a rising line  | those of `WEAK`, and "Beauty", against the beat |
| `WEAK`       | on a weak syllable of a metre  | "delight", "the", any word of one syllable      |
| `STRONG`     | on a strong syllable           | "river", any word of one syllable but articles  |

Which of them a word has, `model.verse.trie` finds out from its stresses.
"""

from __future__ import annotations

from model.kernel.compilation import inner

MAX_WORD_SYLLABLES = 6  # of the longest word
ANY_STRESS, INITIAL, WEAK, STRONG = (MAX_WORD_SYLLABLES * group for group in range(4))
FREE, RISING, FALLING = range(3)  # metres
EVEN = 0x5555_5555  # the even numbers: a rising line goes on with a weak syllable


def word_mask(group: int, syllables: int) -> int:
    """Return the mask of a word that may be said with so many syllables in one group.

    >>> [word_mask(ANY_STRESS, 1), word_mask(ANY_STRESS, 3), word_mask(INITIAL, 1)]
    [1, 4, 64]
    """
    return 1 << (group + syllables - 1)


def fewest_syllables(mask: int) -> int:
    """Return the fewest syllables of a word's mask, in any group; 1 where it has none.

    >>> fewest_syllables(word_mask(WEAK, 3) | word_mask(ANY_STRESS, 4))
    3
    """
    groups = (ANY_STRESS, INITIAL, WEAK, STRONG)
    sizes = range(1, MAX_WORD_SYLLABLES + 1)
    return next((n for n in sizes if any(mask & word_mask(group, n) for group in groups)), 1)


def up_to(most: int) -> int:
    """Return the set of all numbers of syllables from 0 to `most`.

    >>> bin(up_to(3))
    '0b1111'
    """
    return (1 << (most + 1)) - 1


@inner
def syllables_after(reached: int, mask: int, metre: int) -> int:
    """Return the set that follows when a word of `mask` is said after any number of `reached`."""
    anywhere, initial, weak, strong = _sets_by_group(reached, metre)
    result = 0
    for size in range(1, MAX_WORD_SYLLABLES + 1):
        ways = mask >> (size - 1)
        if ways >> ANY_STRESS & 1:
            result |= anywhere << size
        if ways >> INITIAL & 1:
            result |= initial << size
        if ways >> WEAK & 1:
            result |= weak << size
        if ways >> STRONG & 1:
            result |= strong << size
    return result


@inner
def leading_mask(reached: int, metre: int, wanted: int) -> int:
    """Return the bits by which a word leads from a number of `reached` to one of the set `wanted`.

    A word does where its mask has one of them.
    """
    anywhere, initial, weak, strong = _sets_by_group(reached, metre)
    result = 0
    for size in range(1, MAX_WORD_SYLLABLES + 1):
        ways = (
            int(anywhere << size & wanted != 0) << ANY_STRESS
            | int(initial << size & wanted != 0) << INITIAL
            | int(weak << size & wanted != 0) << WEAK
            | int(strong << size & wanted != 0) << STRONG
        )
        result |= ways << (size - 1)
    return result


@inner
def _sets_by_group(reached: int, metre: int) -> tuple[int, int, int, int]:
    """Return those of `reached` after which words of ANY_STRESS, INITIAL, WEAK and STRONG go."""
    if metre == FREE:
        return reached, 0, 0, 0
    even, odd = reached & EVEN, reached & ~EVEN
    if metre == RISING:
        return 0, reached & 1, even & ~1, odd
    return 0, 0, odd, even
