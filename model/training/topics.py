"""What a passage is about, in numbers: learnt from a text, and read from one for training.

A word that is one token has a vector: its direction tells which words it comes together with, by
positive pointwise mutual information within passages and its first K principal directions (Levy,
Goldberg and Dagan 2015); its length tells how much it says. Small words, words of several tokens,
and all other tokens have zeros.

Shapes: C tokens of the text, V tokens of the vocabulary, K numbers of a vector, L lines,
P passages, N rows, T tokens in a window.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.verse.words import is_content_word
from model.vocabulary import Vocabulary

SHORTEST, LONGEST = 14, 20  # lines of a passage: from the first to the last that may end it
MIN_PASSAGES = 20  # that a word must be in to have a vector
SMOOTHING = 0.75  # of how frequent the other words are: Levy et al.'s
CHUNK = 2_000  # passages counted at once
NOTHING = 0.3  # share of the passages of which nothing is said
NO_TOPIC, NO_KEYWORDS, NO_ENDS = 0.1, 0.2, 0.2  # shares of the others that are read without
NO_WORD = 0.1  # share of the lines read without their keyword, or last word

Ids = NDArray[Any]  # (C,), of whatever integers


class Passages(NamedTuple):
    """Where the lines and passages of a text are."""

    line_of: NDArray[np.int32]  # (C,)
    passage_of: NDArray[np.int32]  # (L,)


def find_passages(ids: Ids, newline: int) -> Passages:
    """Cut a text into passages: at two blank lines, at one after SHORTEST lines, after LONGEST."""
    is_newline = ids == newline
    line_of = np.cumsum(is_newline, dtype=np.int32)
    line_of -= is_newline  # a newline belongs to the line that it ends
    sizes = np.bincount(line_of[~is_newline], minlength=line_of[-1] + 1)  # (L,)
    return Passages(line_of, cut_passages((sizes == 0).tolist()))


def cut_passages(blank_lines: Iterable[bool]) -> NDArray[np.int32]:
    """Return the passage of each line (L,), blank ones too, of whether they are blank."""
    passage_of = []
    passage = lines = blank = 0
    for is_blank in blank_lines:
        if not is_blank:
            if blank > 1 or (blank and lines >= SHORTEST) or lines >= LONGEST:
                passage, lines = passage + 1, 0
            lines += 1
        blank = blank + 1 if is_blank else 0
        passage_of.append(passage)
    return np.array(passage_of, np.int32)


class WordFinder:
    """Finds the words that say something, where they are one token after a space."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        tokens = vocabulary.tokens
        self._says = np.array([t[0] == " " and is_content_word(t[1:]) for t in tokens])  # (V,)
        self._has_letters = np.array([any(map(str.isalpha, t)) for t in tokens])  # (V,)
        self._goes_on = np.array([t[0].isalpha() or t[0] in "'-" for t in tokens])  # (V,)

    def places(self, ids: Ids) -> NDArray[np.int64]:
        """Return the places of the words in a text."""
        found = self._says[ids]
        found[:-1] &= ~self._goes_on[ids[1:]]
        return np.flatnonzero(found)

    def last_places(self, ids: Ids, line_of: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return where the last word of each line (L,) begins, if it is one token; -1 of none."""
        places = np.flatnonzero(self._has_letters[ids])
        last = np.full(int(line_of[-1]) + 1, -1)
        last[line_of[places]] = places  # the last one stays
        return last


def learn_topic_vectors(ids: Tensor, vocabulary: Vocabulary, size: int) -> Tensor:
    """Return a vector for each token (V, K = `size`), from a text (C,)."""
    book = ids.numpy()
    line_of, passage_of = find_passages(book, vocabulary.ids["\n"])
    places = WordFinder(vocabulary).places(book)
    passages = passage_of[line_of[places]]  # (words,), in order
    count = int(passage_of[-1]) + 1
    together = torch.zeros(len(vocabulary), len(vocabulary))
    bounds = np.searchsorted(passages, np.arange(0, count + CHUNK, CHUNK))
    for number, (begin, end) in enumerate(pairwise(bounds.tolist())):
        present = torch.zeros(CHUNK, len(vocabulary), dtype=torch.bfloat16)
        rows, words = passages[begin:end] - number * CHUNK, book[places[begin:end]]
        present[torch.from_numpy(rows).long(), torch.from_numpy(words).long()] = 1
        together += (present.T @ present).float()  # (V, CHUNK) @ (CHUNK, V)
    return _principal_vectors(together, count, size)


def _principal_vectors(together: Tensor, passages: int, size: int) -> Tensor:
    """Return vectors (V, K), of in how many of all passages each two words are (V, V)."""
    vectors = torch.zeros(len(together), size)
    known = (together.diagonal() >= MIN_PASSAGES).nonzero().flatten()  # (W,)
    if not len(known):
        return vectors
    together = together[known][:, known]  # (W, W)
    alone = together.diagonal().clone()  # (W,)
    together.fill_diagonal_(0)
    frequency = alone**SMOOTHING / (alone**SMOOTHING).sum()
    expected = together.sum(1, keepdim=True) * frequency  # (W, 1) * (W,)
    information = torch.log(together / expected.clamp(min=1e-9)).clamp(min=0)
    values, directions = torch.linalg.eigh((information + information.T) / 2)
    found = directions[:, -size:] * values[-size:].clamp(min=0).sqrt()  # (W, ≤ K) * (≤ K,)
    seldom = torch.log(passages / alone)[:, None]
    vectors[known, : found.shape[1]] = functional.normalize(found, dim=1) * seldom
    return vectors


def scaled(vectors: Tensor) -> Tensor:
    """Return vectors (…, K) at the length √K, so that their numbers are about 1; zeros stay."""
    long: float = vectors.shape[-1] ** 0.5
    return functional.normalize(vectors, dim=-1) * long


@dataclass(frozen=True, slots=True)
class TopicTable:
    """What each line of a text is about: the topic of its passage, a keyword, its last word."""

    line_of: Tensor  # (C,)
    passage_of: Tensor  # (L,)
    topics: Tensor  # (P, K)
    keywords: Tensor  # (L,), tokens; 0: it is not said
    ends: Tensor  # (L,), tokens; 0: it is not said
    words: Tensor  # (V, K)

    def of_lines(self, lines: Tensor) -> Tensor:
        """Return topics, keywords and last words (N, T, 3K) of numbers of lines (N, T)."""
        parts = (
            self.topics[self.passage_of[lines]],
            self.words[self.keywords[lines]],
            self.words[self.ends[lines]],
        )
        return torch.cat(parts, dim=-1)


def read_topics(
    ids: Tensor, vocabulary: Vocabulary, vectors: Tensor, random: torch.Generator
) -> TopicTable:
    """Find what the lines of a text (C,) are about; some do not say, so that none need to."""
    book = ids.cpu().numpy()
    line_of, passage_of = find_passages(book, vocabulary.ids["\n"])
    weight = vectors.norm(dim=1).cpu()  # (V,)
    finder = WordFinder(vocabulary)
    places = finder.places(book)  # (W,)
    places = places[weight.numpy()[book[places]] > 0]
    words, lines = torch.from_numpy(book[places]).long(), torch.from_numpy(line_of[places]).long()
    passages = torch.from_numpy(passage_of).long()  # (L,)
    topics = torch.zeros(int(passage_of[-1]) + 1, vectors.shape[1])
    # (words, K) added up to (P, K), in parts: a long book has millions of words
    parts = torch.split(words, CHUNK), torch.split(passages[lines], CHUNK)
    for some, of in zip(*parts, strict=True):
        topics.index_add_(0, of, vectors[some].cpu())
    is_last = torch.from_numpy(finder.last_places(book, line_of)[line_of[places]] == places)
    ends = torch.zeros(len(passages), dtype=torch.long)  # token 0 says nothing
    ends[lines[is_last]] = words[is_last]
    # A keyword is drawn from the others, those that say much more often: the largest random key.
    keys = torch.rand(len(words), generator=random) ** (1 / weight[words])
    order = torch.argsort(keys)
    order = order[~is_last[order]]
    keywords = np.zeros(len(passages), np.int64)
    keywords[lines[order].numpy()] = words[order].numpy()  # the last one stays

    def dropped(share: float, count: int) -> Tensor:
        return torch.rand(count, generator=random) < share

    nothing = dropped(NOTHING, len(topics))  # (P,)
    topics[nothing | dropped(NO_TOPIC, len(topics))] = 0
    said = {"keywords": torch.from_numpy(keywords), "ends": ends}
    for kind, share in zip(said.values(), (NO_KEYWORDS, NO_ENDS), strict=True):
        silent = nothing | dropped(share, len(topics))  # (P,)
        kind[silent[passages] | dropped(NO_WORD, len(passages))] = 0
    device = vectors.device
    return TopicTable(
        line_of=torch.from_numpy(line_of).to(device),
        passage_of=passages.to(device),
        topics=scaled(topics).to(device),
        words=scaled(vectors),
        **{name: kind.to(device) for name, kind in said.items()},
    )
