"""Words with their metre as a trie that the kernel walks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.kernel.constraints import Trie
from model.kernel.syllables import ANY_STRESS, INITIAL, STRONG, WEAK, word_mask
from model.verse.lexicon import Variant
from model.verse.words import ARTICLES, CANNOT_END_LINE, family_of


@dataclass(frozen=True, slots=True)
class TrieWord:
    """A word and what it may do: within a line, at its end; 0: nothing there."""

    word: str
    number: int
    inner_mask: int
    final_mask: int


def make_inner_mask(word: str, variants: Iterable[Variant]) -> int:
    """Return a word's mask within a line; see `model.kernel.syllables`."""
    mask = 0
    for variant in variants:
        for group, first in ((WEAK, 0), (STRONG, 1)):
            if word in ARTICLES and first == 1:
                continue
            if walks(variant.stresses, first):
                mask |= word_mask(group, len(variant.stresses))
        if walks(variant.stresses, 0) or turns(variant.stresses):
            mask |= word_mask(INITIAL, len(variant.stresses))
        mask |= word_mask(ANY_STRESS, len(variant.stresses))
    return mask


def make_final_mask(word: str, variants: Iterable[Variant], rhyme: str | None = None) -> int:
    """Return a word's mask at the end of a line: its last syllable is stressed.

    With `rhyme`, only for sayings that end so. Free metre takes any word that is not small.
    """
    mask = 0
    if word in CANNOT_END_LINE:
        return 0
    for variant in variants:
        if rhyme is not None and variant.rhyme != rhyme:
            continue
        size = len(variant.stresses)
        if rhyme is None:
            mask |= word_mask(ANY_STRESS, size)
        if variant.ends_stressed:
            mask |= word_mask(ANY_STRESS, size)
            for group, first in ((INITIAL, 0), (WEAK, 0), (STRONG, 1)):
                if walks(variant.stresses, first):
                    mask |= word_mask(group, size)
    return mask


def walks(stresses: str, first: int) -> bool:
    """Whether a word's main stress falls under the beat; `first` 1: its first syllable does.

    A word of one syllable may stand anywhere: it is stressed if the line wants it.
    """
    if len(stresses) == 1:
        return True
    return all((place + first) % 2 == 1 for place, s in enumerate(stresses) if s == "1")


def turns(stresses: str) -> bool:
    """Whether a line may begin with it against the beat: "Beauty is…", a trochee."""
    return stresses in ("10", "12")


@dataclass(eq=False, slots=True)
class _Node:
    """A beginning of words, while a trie is made."""

    children: dict[int, _Node] = field(default_factory=dict)  # by token
    part: TrieWord | None = None  # the word that ends here


def build_trie(parts: Iterable[TrieWord], encode: Callable[[str], Sequence[int]]) -> Trie:
    """Return the trie of `parts`; `encode` maps a word, or one after a space, to ids of tokens."""
    line_start, after_space = _Node(), _Node()
    for part in parts:
        for root, text in ((line_start, part.word), (after_space, f" {part.word}")):
            node = root
            for id_ in encode(text):
                node = node.children.setdefault(id_, _Node())
            node.part = part
    # Breadth first, so that the children of a node stand in a row.
    nodes, first, token = [line_start, after_space], [], [0, 0]
    for node in nodes:
        first.append(len(nodes))
        for id_ in sorted(node.children):
            token.append(id_)
            nodes.append(node.children[id_])
    first.append(len(nodes))
    size = len(nodes)
    inner_mask, final_mask, word, family = (np.zeros(size, np.int32) for _ in range(4))
    for place, node in enumerate(nodes):
        found = node.part
        if found is not None:
            inner_mask[place], final_mask[place], word[place] = (
                found.inner_mask,
                found.final_mask,
                found.number,
            )
            family[place] = family_of(found.word)
    inner_mask_below, final_mask_below = inner_mask.copy(), final_mask.copy()
    for place in range(size - 1, -1, -1):
        for child in range(first[place], first[place + 1]):
            inner_mask_below[place] |= inner_mask_below[child]
            final_mask_below[place] |= final_mask_below[child]

    def whole(values: list[int]) -> NDArray[np.int32]:
        return np.array(values, np.int32)

    masks = (inner_mask, inner_mask_below, final_mask, final_mask_below)
    return Trie(whole(first), whole(token), *masks, word, family)
