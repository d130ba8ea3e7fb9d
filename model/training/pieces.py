"""Pieces of words, learnt from a text: what comes together often becomes one token.

Byte pair encoding (Sennrich, Haddow and Birch 2016) within words: of all pairs of neighbours the
most frequent becomes a piece, again and again.

    >>> learn_pieces("low lower lowest low", 3)
    ('lo', 'low', ' low')
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from itertools import pairwise

from model.vocabulary import MAX_PIECE, WORD_WITH_SPACE

Pair = tuple[str, str]
MIN_PIECE_COUNT = 2  # in the text; what comes once teaches nothing


def learn_pieces(text: str, size: int) -> tuple[str, ...]:
    """Return up to `size` pieces of 2 to MAX_PIECE characters, in the order of their making."""
    counts = Counter(WORD_WITH_SPACE.findall(text))
    words = [list(word) for word in counts]  # each as the pieces that it has so far
    times = list(counts.values())
    total: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)  # words that have, or had, a pair
    for number, word in enumerate(words):
        for pair in pairwise(word):
            total[pair] += times[number]
            places[pair].add(number)
    # The most frequent first, the first in the alphabet of several; an entry may be out of date.
    heap = [(-count, pair) for pair, count in total.items()]
    heapq.heapify(heap)
    pieces: dict[str, None] = {}
    while heap and len(pieces) < size:
        count, pair = heapq.heappop(heap)
        if -count != total[pair]:
            if total[pair] >= MIN_PIECE_COUNT:
                heapq.heappush(heap, (-total[pair], pair))
            continue
        piece = "".join(pair)
        if -count < MIN_PIECE_COUNT:
            break
        if len(piece) > MAX_PIECE:
            continue
        pieces[piece] = None
        made: set[Pair] = set()
        for number in places.pop(pair):
            before, after = words[number], _merged(words[number], pair)
            words[number] = after
            for old in pairwise(before):
                total[old] -= times[number]
            for new in pairwise(after):
                total[new] += times[number]
                places[new].add(number)
                made.add(new)
        for new in made:
            heapq.heappush(heap, (-total[new], new))
    return tuple(pieces)


def _merged(word: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    for part in word:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged
