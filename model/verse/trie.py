"""Words with their metre as a trie that the kernel walks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.kernel.guide import ANYHOW, INITIAL, STRONG, WEAK, Trie
from model.verse.lexicon import Saying
from model.verse.words import ARTICLES, LEANING


@dataclass(frozen=True, slots=True)
class Part:
    """A word and what it may do: within a line, at its end; 0: nothing there."""

    word: str
    number: int
    inside: int
    last: int


def mask_inside(word: str, sayings: Iterable[Saying]) -> int:
    """Return a word's mask within a line; see `model.kernel.guide`."""
    mask = 0
    for saying in sayings:
        for group, first in ((WEAK, 0), (STRONG, 1)):
            if word in ARTICLES and first == 1:
                continue
            if _walks(saying.stresses, first):
                mask |= 1 << (group + len(saying.stresses) - 1)
        if _walks(saying.stresses, 0) or _turns(saying.stresses):
            mask |= 1 << (INITIAL + len(saying.stresses) - 1)
        mask |= 1 << (ANYHOW + len(saying.stresses) - 1)
    return mask


def mask_last(word: str, sayings: Iterable[Saying], rhyme: str | None = None) -> int:
    """Return a word's mask at the end of a line: its last syllable is stressed.

    With `rhyme`, only for sayings that end so. Free metre takes any word that is not small.
    """
    mask = 0
    if word in LEANING:
        return 0
    for saying in sayings:
        if rhyme is not None and saying.rhyme != rhyme:
            continue
        size = len(saying.stresses)
        if rhyme is None:
            mask |= 1 << (ANYHOW + size - 1)
        if saying.ends_stressed:
            mask |= 1 << (ANYHOW + size - 1)
            for group, first in ((INITIAL, 0), (WEAK, 0), (STRONG, 1)):
                if _walks(saying.stresses, first):
                    mask |= 1 << (group + size - 1)
    return mask


def _walks(stresses: str, first: int) -> bool:
    """Whether a word's main stress falls under the beat; `first` 1: its first syllable does.

    A word of one syllable may stand anywhere: it is stressed if the line wants it.
    """
    if len(stresses) == 1:
        return True
    return all((place + first) % 2 == 1 for place, s in enumerate(stresses) if s == "1")


def _turns(stresses: str) -> bool:
    """Whether a line may begin with it against the beat: "Beauty is…", a trochee."""
    return stresses in ("10", "12")


@dataclass(eq=False, slots=True)
class _Node:
    """A beginning of words, while a trie is made."""

    children: dict[str, _Node] = field(default_factory=dict)  # by letter
    part: Part | None = None  # the word that ends here


def build_trie(parts: Iterable[Part], ids: Mapping[str, int]) -> Trie:
    """Return the trie of `parts`, whose letters are all in `ids`."""
    root = _Node()
    for part in parts:
        node = root
        for letter in part.word:
            node = node.children.setdefault(letter, _Node())
        node.part = part
    # Breadth first, so that the children of a node stand in a row.
    nodes, first, label = [root], [], [0]
    for node in nodes:
        first.append(len(nodes))
        for letter in sorted(node.children):
            label.append(ids[letter])
            nodes.append(node.children[letter])
    first.append(len(nodes))
    size = len(nodes)
    inside, last, word = (np.zeros(size, np.int32) for _ in range(3))
    for place, node in enumerate(nodes):
        found = node.part
        if found is not None:
            inside[place], last[place], word[place] = found.inside, found.last, found.number
    inside_below, last_below = inside.copy(), last.copy()
    for place in range(size - 1, -1, -1):
        for child in range(first[place], first[place + 1]):
            inside_below[place] |= inside_below[child]
            last_below[place] |= last_below[child]

    def whole(values: list[int]) -> NDArray[np.int32]:
        return np.array(values, np.int32)

    return Trie(whole(first), whole(label), inside, inside_below, last, last_below, word)
