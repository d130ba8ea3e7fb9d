"""Which words of a text go with those that have a place among the topics.

Two words go together by their pointwise mutual information within passages, times the logarithm of
how often they meet: alone, it would favour chance meetings of rare words.

Shapes: O words to relate, W words with a place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from model.training.topics import MIN_PASSAGES, SMOOTHING, cut_passages
from model.verse.plan import RELATED
from model.verse.related import MAX_LISTED, RelatedWords
from model.verse.words import KnownWords, is_content_word, words_of


def find_related(text: str, placed: Sequence[str]) -> RelatedWords:
    """Return the words of a text, in lower case, that are no forms of those `placed`."""
    lines = text.split("\n")
    passage_of = cut_passages(not line for line in lines).tolist()
    passages: list[set[str]] = [set() for _ in range(passage_of[-1] + 1)]
    for line, passage in zip(lines, passage_of, strict=True):
        passages[passage].update(words_of(line))
    counts = Counter(word for words in passages for word in words)
    known = KnownWords(frozenset(placed))
    others = [
        word
        for word, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        if count >= MIN_PASSAGES
        and (word.isalpha() and word.isascii() and is_content_word(word))
        and known.form_of(word) is None
    ]
    others = sorted(others[:MAX_LISTED])
    rows = {word: row for row, word in enumerate(others)}
    columns = {word: column for column, word in enumerate(placed)}
    together = np.zeros((len(others), len(placed)), np.float32)
    for words in passages:
        here = np.ix_(
            [rows[word] for word in words if word in rows],
            [columns[word] for word in words if word in columns],
        )
        together[here] += 1
    frequency = np.array([counts[word] for word in placed]) ** SMOOTHING  # (W,)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = together.sum(axis=1, keepdims=True) * (frequency / frequency.sum())  # (O, W)
        nearness = np.log(together / expected) * np.log1p(together)  # (O, W); NaN, -inf: never met
    nearness = np.nan_to_num(nearness, nan=0.0, neginf=0.0)
    found = []
    for word, row in rows.items():
        nearest = np.argsort(-nearness[row], kind="stable")[:RELATED]
        near = [placed[column] for column in nearest if nearness[row, column] > 0]
        if near:
            found.append(" ".join([word, *near]) + "\n")
    return RelatedWords("".join(found))
