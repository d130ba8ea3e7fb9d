"""What must not come out: long runs of the book, words to avoid, and what cannot be shown.

All of it is known by hashes alone. A row carries those of what it has read and written.

- Runs of the book. Whether the last GRAM characters stand in the book is one subtraction and a
  search: Karp and Rabin 1987, modulo 2**64. A run of MAX_RUN characters is so many of these in a
  row, each one further on. Where they would be with the next character, it is not allowed. What is
  shorter is counted, and weighed where lines are chosen.
- Words to avoid. A word is a run of letters and of the marks that their script is written with,
  in the form that `model.characters.bare` gives them. Invisible characters and marks that only
  decorate do not end it. The character that would end a forbidden word is not allowed, so that a
  longer word may come of it. A character may stand for several letters, as a ligature does: each
  has a code. The last bit of a hash tells whether the last letter's script has marks of its own: a
  mark on any other letter does not count.
"""

from __future__ import annotations

import numpy as np
import regex
from numpy.typing import NDArray

from model.characters import BEARERS, REPLACEMENT, bare, printable, skeleton
from model.kernel.compilation import inner
from model.kernel.constraints import NEWLINE, SPACE
from model.kernel.state import AFTER_SPACE, COUNT, HITS, RING, BatchState, Constraints

Hashes = NDArray[np.uint64]


# Each filter has one form: whether it forbids `id_` to `row`. They are asked of a token that was
# drawn. One that is forbidden is drawn again without it, so few of the V tokens are ever asked for.


@inner
def is_forbidden(state: BatchState, constraints: Constraints, row: int, id_: int) -> bool:
    """Whether any filter forbids `id_`."""
    return (
        cannot_be_shown(state, constraints, row, id_)
        or completes_run(state, constraints, row, id_)
        or completes_avoided_word(state, constraints, row, id_)
    )


@inner
def cannot_be_shown(state: BatchState, constraints: Constraints, row: int, id_: int) -> bool:
    """Whether `id_` would be shown as a sign of replacement."""
    return bool(constraints.masked[id_])


@inner
def completes_run(state: BatchState, constraints: Constraints, row: int, id_: int) -> bool:
    """Whether `id_` would make a run of the book one character longer than MAX_RUN."""
    ring, ring_state, is_space = state.ring[row], state.ring_state[row], is_blank(constraints, id_)
    if ring_state[HITS] < MAX_HITS or (is_space and ring_state[AFTER_SPACE] == 1):
        return False
    return bool(is_in_book(id_, is_space, ring, ring_state, constraints.grams))


@inner
def completes_avoided_word(state: BatchState, constraints: Constraints, row: int, id_: int) -> bool:
    """Whether `id_` would end one of the row's words to avoid."""
    codes, count = constraints.letters[id_], state.avoided_count[row]
    return bool(is_avoided(codes, state.word_hash[row], state.avoided[row], count))


@inner
def is_blank(constraints: Constraints, id_: int) -> bool:
    """Whether `id_` is white space."""
    return bool(constraints.form.kinds[id_] == SPACE or constraints.form.kinds[id_] == NEWLINE)


# Runs of the book

GRAM = 16  # characters; the sonnets share 15.5 with one another, in the median
MAX_RUN = 24  # … and 23 at the 95th percentile
MAX_HITS = MAX_RUN - GRAM + 1  # grams in a row
HASH_BASE = 0x9E3779B97F4A7C15 | 1
_FAR = pow(HASH_BASE, GRAM, 2**64)
_MIX = 0xBF58476D1CE4E5B9


def grams_of(ids: NDArray[np.integer], spaces: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Return the sorted hashes of every run of GRAM characters of `ids` (C,).

    `spaces` (V,) tells which ids are white space; a stretch of it counts as one space, as it does
    for the rows.
    """
    ids = ids.astype(np.int64)
    is_space = spaces[ids]
    kept = ~(is_space & np.concatenate([[False], is_space[:-1]]))
    symbols = np.where(is_space, 0, ids + 1)[kept].astype(np.uint64)
    if len(symbols) < GRAM:
        return np.empty(0, np.uint32)
    with np.errstate(over="ignore"):
        hashes = np.zeros(len(symbols) - GRAM + 1, np.uint64)
        for place in range(GRAM):
            hashes = hashes * np.uint64(HASH_BASE) + symbols[place : len(hashes) + place]
        return np.unique(((hashes * np.uint64(_MIX)) >> np.uint64(32)).astype(np.uint32))


@inner
def note_gram(
    id_: int,
    is_space: bool,
    ring: Hashes,
    state: NDArray[np.int64],
    known: NDArray[np.uint32],
) -> None:
    """Let a row take `id_` on: `ring` (RING,) of its hashes; `state` (3,) is its count of
    characters, whether the last was white space, and how many of its last grams the book has.
    """
    if is_space and state[AFTER_SPACE] == 1:
        return
    state[HITS] = state[HITS] + 1 if is_in_book(id_, is_space, ring, state, known) else 0
    count = state[COUNT]
    symbol = np.uint64(0) if is_space else np.uint64(id_ + 1)
    ring[(count + 1) % RING] = ring[count % RING] * np.uint64(HASH_BASE) + symbol
    state[COUNT] = count + 1
    state[AFTER_SPACE] = 1 if is_space else 0


@inner
def is_in_book(
    id_: int,
    is_space: bool,
    ring: Hashes,
    state: NDArray[np.int64],
    known: NDArray[np.uint32],
) -> bool:
    """Whether the last characters with `id_` are a gram whose hash is among `known`, sorted."""
    count = state[COUNT]
    if len(known) == 0 or count + 1 < GRAM:
        return False
    symbol = np.uint64(0) if is_space else np.uint64(id_ + 1)
    whole = ring[count % RING] * np.uint64(HASH_BASE) + symbol
    gram = whole - ring[(count + 1 - GRAM) % RING] * np.uint64(_FAR)
    wanted = np.uint32((gram * np.uint64(_MIX)) >> np.uint64(32))
    low, high = 0, len(known)
    while low < high:
        middle = (low + high) // 2
        if known[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low < len(known) and known[low] == wanted


# Words to avoid

_START = 0xCBF29CE484222324  # FNV-1a: Fowler, Noll and Vo 1991; without its last bit
_PRIME = 0x100000001B3
_ENDS = 0  # a word
_UNSEEN = -1  # of a character that does not count: the word goes on
_MARK = regex.compile(r"\p{M}")
_LETTER = regex.compile(r"\p{L}")


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


def begin_word(word: Hashes, row: int) -> None:
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
def add_letter(codes: NDArray[np.int64], word: Hashes, row: int) -> None:
    """Let the row take on a character with `codes` (W,); `word` (N,) has the hashes."""
    for code in codes:
        word[row] = _extend(word[row], code)


@inner
def is_avoided(codes: NDArray[np.int64], word: np.uint64, avoided: Hashes, count: int) -> bool:
    """Whether a character with `codes` (W,) would end one of `avoided[:count]`."""
    for code in codes:
        if code == _ENDS:
            for n in range(count):
                if avoided[n] == word:
                    return True
        word = _extend(word, code)
    return False
