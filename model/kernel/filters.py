"""Runs of characters that must not come out: the book's own, known by their hashes alone.

A row carries the hashes of what it has read and written, so that whether its last GRAM characters
stand in the book is one subtraction and a search. Karp and Rabin 1987, modulo 2**64. A run of
MAX_RUN characters of the book is so many of these in a row, each one further on, and where they
would be had the next character is not allowed. What is shorter is counted, for those who choose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.kernel.compilation import inner

GRAM = 16  # characters; the sonnets share 15.5 with one another, in the median
MAX_RUN = 24  # … and 23 at the 95th percentile
MAX_HITS = MAX_RUN - GRAM + 1  # grams in a row
HASH_BASE = 0x9E3779B97F4A7C15 | 1
RING = 32  # hashes that a row remembers, more than GRAM
_FAR = pow(HASH_BASE, GRAM, 2**64)
_MIX = 0xBF58476D1CE4E5B9

GramHashes = NDArray[np.uint64]


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
    ring: GramHashes,
    state: NDArray[np.int64],
    known: NDArray[np.uint32],
) -> None:
    """Let a row take `id_` on: `ring` (RING,) of its hashes; `state` is its count of characters,
    whether the last was white space, and how many of its last grams stand in the book.
    """
    if is_space and state[1] == 1:
        return
    state[2] = state[2] + 1 if is_in_book(id_, is_space, ring, state, known) else 0
    count = state[0]
    symbol = np.uint64(0) if is_space else np.uint64(id_ + 1)
    ring[(count + 1) % RING] = ring[count % RING] * np.uint64(HASH_BASE) + symbol
    state[0] = count + 1
    state[1] = 1 if is_space else 0


@inner
def is_in_book(
    id_: int,
    is_space: bool,
    ring: GramHashes,
    state: NDArray[np.int64],
    known: NDArray[np.uint32],
) -> bool:
    """Whether the last characters with `id_` are a gram whose hash is among `known`, sorted."""
    count = state[0]
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
