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

from collections.abc import Sequence

import numpy as np
import regex
from numpy.typing import NDArray

from model.characters import BEARERS, REPLACEMENT, bare, printable, skeleton
from model.kernel.compilation import inner
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
    """Whether `id_` would make a run of the book longer than MAX_RUN characters."""
    ring, ring_state = state.ring[row], state.ring_state[row]
    hits = ring_state[HITS]
    if hits + constraints.lengths[id_] <= MAX_HITS:
        return False
    count, after_space = ring_state[COUNT], ring_state[AFTER_SPACE]
    for symbol in constraints.symbols[id_, : constraints.lengths[id_]]:
        if symbol == WHITE_SPACE and after_space == 1:
            continue
        if is_in_book(symbol, ring, count, constraints.grams):
            if hits >= MAX_HITS:
                return True
            hits += 1
        else:
            hits = 0
        # Where the ring has what is old: it is written again when the token is taken on.
        add_symbol(symbol, ring, count)
        count += 1
        after_space = 1 if symbol == WHITE_SPACE else 0
    return False


@inner
def completes_avoided_word(state: BatchState, constraints: Constraints, row: int, id_: int) -> bool:
    """Whether `id_` would end one of the row's words to avoid."""
    codes, count = constraints.letters[id_], state.avoided_count[row]
    return bool(is_avoided(codes, state.word_hash[row], state.avoided[row], count))


# Runs of the book

GRAM = 16  # characters; the sonnets share 15.5 with one another, in the median
MAX_RUN = 24  # … and 23 at the 95th percentile
MAX_HITS = MAX_RUN - GRAM + 1  # grams in a row
WHITE_SPACE = 0  # the symbol of a stretch of it
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


def symbols_of(tokens: Sequence[str]) -> NDArray[np.int32]:
    """Return the symbols (V, W) of each token's characters, -1 behind the last; W is the most.

    A character's symbol is its own id and 1, as in `grams_of`; white space has WHITE_SPACE.
    """
    own = {token: id_ + 1 for id_, token in enumerate(tokens) if len(token) == 1}
    symbols = np.full((len(tokens), max(map(len, tokens), default=1)), -1, np.int32)
    for id_, token in enumerate(tokens):
        symbols[id_, : len(token)] = [WHITE_SPACE if c.isspace() else own[c] for c in token]
    return symbols


@inner
def note_symbol(
    symbol: int, ring: Hashes, state: NDArray[np.int64], known: NDArray[np.uint32]
) -> None:
    """Let a row take on a character: `ring` (RING,) of its hashes; `state` (3,) is its count of
    characters, whether the last was white space, and how many of its last grams the book has.
    """
    if symbol == WHITE_SPACE and state[AFTER_SPACE] == 1:
        return
    count = state[COUNT]
    state[HITS] = state[HITS] + 1 if is_in_book(symbol, ring, count, known) else 0
    add_symbol(symbol, ring, count)
    state[COUNT] = count + 1
    state[AFTER_SPACE] = 1 if symbol == WHITE_SPACE else 0


@inner
def add_symbol(symbol: int, ring: Hashes, count: int) -> None:
    """Put the hash of `count` characters and one more onto the ring (RING,)."""
    longer = ring[count % RING] * np.uint64(HASH_BASE) + np.uint64(symbol)
    ring[(count + 1) % RING] = longer


@inner
def is_in_book(symbol: int, ring: Hashes, count: int, known: NDArray[np.uint32]) -> bool:
    """Whether the last of `count` characters with one more are a gram whose hash is among `known`,
    sorted.
    """
    if len(known) == 0 or count + 1 < GRAM:
        return False
    whole = ring[count % RING] * np.uint64(HASH_BASE) + np.uint64(symbol)
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


def letters_of(tokens: Sequence[str]) -> NDArray[np.int64]:
    """Return the codes (V, W) of each token's letters; W is the most that one has.

    A code is _ENDS, _UNSEEN (behind the last letter, too), below that a mark's, above 0 a letter's.
    """
    codes = [[code for c in token for code in _codes_of(c)] for token in tokens]
    width = max([1, *map(len, codes)])
    return np.array([each + [_UNSEEN] * (width - len(each)) for each in codes], np.int64)


def masked_of(tokens: Sequence[str]) -> NDArray[np.bool_]:
    """Return whether each token is shown as a sign of replacement, which is never written."""
    return np.array([REPLACEMENT in printable(token) for token in tokens], np.bool_)


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
    """Let the row take on a token with `codes` (W,); `word` (N,) has the hashes."""
    for code in codes:
        word[row] = _extend(word[row], code)


@inner
def is_avoided(codes: NDArray[np.int64], word: np.uint64, avoided: Hashes, count: int) -> bool:
    """Whether a token with `codes` (W,) would end one of `avoided[:count]`."""
    for code in codes:
        if code == _ENDS:
            for n in range(count):
                if avoided[n] == word:
                    return True
        word = _extend(word, code)
    return False
