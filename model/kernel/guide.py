"""What a row of verse may write next: real words only, whose syllables fit the line.

A row walks a trie of words, and beside it a second one of its poem's own words: the reader's, and
those that rhyme where a rhyme is owed. It carries the set of syllables that the line may have had
before the word under way, a bit for each number, so that a word may be said in several ways. What
a word does to that set is a mask of 24 bits, how many syllables it may have (1–6, a bit each) for
each of four ways to begin; a node has the union of the words below it. So a beginning of a word
is allowed if a word can come of it that fits, and no row walks into a dead end but by what is
forbidden of whole words.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.kernel.compilation import inner
from model.vocabulary import APOSTROPHES

SIZES = 6  # syllables of the longest word
ANYHOW, INITIAL, WEAK, STRONG = (SIZES * group for group in range(4))  # where a mask's groups begin
SIX = 0b111111
EVERY_OTHER = 0x5555_5555  # even numbers of syllables: a rising line goes on with a weak one
FREE, RISING, FALLING = range(3)  # metres
LETTER, SPACE, NEWLINE, PAUSE, STOP, OTHER = range(6)  # kinds of characters
IN_WORD, AFTER_WORD, AFTER_PAUSE, AFTER_STOP, DONE = range(5)  # phases of a row
MAX_OWN = 4096  # nodes of a poem's own trie
MAX_PHRASES = 256  # of three words, that a poem has had
NO_ROW = -1  # the slot of rows that are not guided

Ints = NDArray[np.int64]
Masks = NDArray[np.int32]


class Trie(NamedTuple):
    """Words, letter by letter: n nodes, the children of one in a row; or S tries, (S, n)."""

    first: Masks  # (n + 1,): the children of i are first[i] … first[i + 1] - 1; 0 is the root
    label: Masks  # (n,), the id of the character that leads to a node
    inside: Masks  # what the word that ends at a node does within a line; 0: none ends here
    inside_below: Masks  # that of all words below
    last: Masks  # what it does at the end of a line
    last_below: Masks
    word: Masks  # its number


class Lines(NamedTuple):
    """What is asked of the line under way, for each of S poems."""

    syllables: Ints  # (S,)
    may_go_on: Ints  # numbers of syllables after which another word may follow
    metre: Ints
    owes: NDArray[np.bool_]  # only the poem's own words may end it
    closes: NDArray[np.bool_]  # it ends with a stop
    favour: NDArray[np.float64]  # by how much the poem's own words are likelier, per letter
    phrases: Ints  # (S, MAX_PHRASES), see `phrase_of`
    phrase_count: Ints


class Guide(NamedTuple):
    """All that guided rows go by."""

    trie: Trie
    own: Trie
    lines: Lines
    kinds: Ints  # (V,)


class Walk(NamedTuple):
    """Where N rows stand."""

    slot: Ints  # (N,), which poem a row belongs to; NO_ROW
    phase: Ints
    node: Ints  # in the trie; -1: the word under way is not there
    own: Ints  # in the poem's own
    syllables: Ints  # bits: how many the line may have had before the word under way
    may_end: NDArray[np.bool_]  # after a word: whether the line may end with it
    words: Ints  # (N, 2), the numbers of the last two
    weight: NDArray[np.float64]  # log of the share of probability that the guide has left
    nats: NDArray[np.float64]  # what the line has cost the network
    favoured: NDArray[np.float64]  # log of how much likelier the word under way was made
    copied: Ints  # characters of the longest run of the book in the line; 0 if they are few


def kind_of(character: str) -> int:
    """Return what a character is to a line of verse.

    >>> [kind_of(character) for character in "\\n a'."]
    [2, 1, 0, 0, 4]
    """
    if character == " ":
        return SPACE
    if character == "\n":
        return NEWLINE
    if character.isalpha() or character in APOSTROPHES or character == "-":
        return LETTER
    if character in ",;:":
        return PAUSE
    return STOP if character in ".!?" else OTHER


def phrase_of(before: int, between: int, word: int) -> int:
    """Return a number for three words in a row."""
    return (before * 2_097_152 + between) * 2_097_152 + word  # 21 bits each


_phrase = inner(phrase_of)


@inner
def spans(syllables: int, mask: int, metre: int) -> int:
    """Return the numbers of syllables after a word of `mask`."""
    result = 0
    if metre == FREE:
        for size in range(1, SIZES + 1):
            if mask >> (ANYHOW + size - 1) & 1:
                result |= syllables << size
        return result
    even = syllables & EVERY_OTHER
    weak, strong = (even & ~1, syllables & ~even) if metre == RISING else (syllables & ~even, even)
    initial = syllables & 1 if metre == RISING else 0
    for size in range(1, SIZES + 1):
        if mask >> (INITIAL + size - 1) & 1:
            result |= initial << size
        if mask >> (WEAK + size - 1) & 1:
            result |= weak << size
        if mask >> (STRONG + size - 1) & 1:
            result |= strong << size
    return result


@inner
def _word_of(guide: Guide, slot: int, node: int, own: int) -> int:
    """Return the number of the word that ends here, -1 if none does or it must not."""
    trie, mine = guide.trie, guide.own
    if node >= 0 and trie.inside[node] | trie.last[node]:
        return int(trie.word[node])
    if own >= 0 and mine.inside[slot, own] | mine.last[slot, own]:
        return int(mine.word[slot, own])
    return -1


@inner
def _repeats(guide: Guide, walk: Walk, row: int, word: int) -> bool:
    """Whether the poem has had the row's last two words and `word`, in a row."""
    lines, slot = guide.lines, walk.slot[row]
    code = _phrase(walk.words[row, 0], walk.words[row, 1], word)
    for n in range(lines.phrase_count[slot]):  # noqa: SIM110 - numba has no generators in any()
        if lines.phrases[slot, n] == code:
            return True
    return False


@inner
def _after(guide: Guide, walk: Walk, row: int) -> tuple[int, bool]:
    """Return the numbers of syllables after the word that ends here, and whether the line may."""
    trie, mine, lines = guide.trie, guide.own, guide.lines
    slot, node, own = walk.slot[row], walk.node[row], walk.own[row]
    metre, syllables = lines.metre[slot], walk.syllables[row]
    after, at_end = 0, 0
    if node >= 0:
        after |= spans(syllables, trie.inside[node], metre)
        if not lines.owes[slot]:
            at_end |= spans(syllables, trie.last[node], metre)
    if own >= 0:
        after |= spans(syllables, mine.inside[slot, own], metre)
        at_end |= spans(syllables, mine.last[slot, own], metre)
    return after, (at_end >> lines.syllables[slot] & 1) == 1


@inner
def allow(guide: Guide, walk: Walk, row: int, allowed: NDArray[np.bool_]) -> None:
    """Fill `allowed` (V,) with what may come next."""
    trie, mine, lines = guide.trie, guide.own, guide.lines
    slot, phase, syllables = walk.slot[row], walk.phase[row], walk.syllables[row]
    allowed[:] = False
    metre, whole, open_ = lines.metre[slot], lines.syllables[slot], lines.may_go_on[slot]
    after, may_end, ends_word = syllables, walk.may_end[row], phase == AFTER_WORD
    if phase == IN_WORD:
        node, own = walk.node[row], walk.own[row]
        if node >= 0:
            for child in range(trie.first[node], trie.first[node + 1]):
                fits = spans(syllables, trie.inside_below[child], metre) & open_ != 0
                if not fits and not lines.owes[slot]:
                    fits = spans(syllables, trie.last_below[child], metre) >> whole & 1 == 1
                if fits:
                    allowed[trie.label[child]] = True
        if own >= 0:
            for child in range(mine.first[slot, own], mine.first[slot, own + 1]):
                fits = spans(syllables, mine.inside_below[slot, child], metre) & open_ != 0
                if not fits:
                    fits = spans(syllables, mine.last_below[slot, child], metre) >> whole & 1 == 1
                if fits:
                    allowed[mine.label[slot, child]] = True
        word = _word_of(guide, slot, node, own)
        ends_word = word >= 0 and not _repeats(guide, walk, row, word)
        if ends_word:
            after, may_end = _after(guide, walk, row)
        else:
            return
    goes_on = after & open_ != 0
    closes = lines.closes[slot]
    for id_ in range(len(allowed)):
        kind = guide.kinds[id_]
        if kind == SPACE:
            allowed[id_] = goes_on
        elif kind == NEWLINE:
            allowed[id_] = may_end and (not closes or phase == AFTER_STOP)
        elif kind == PAUSE and ends_word:
            allowed[id_] = goes_on or (may_end and not closes)
        elif kind == STOP and ends_word:
            allowed[id_] = goes_on or may_end


@inner
def favour(guide: Guide, walk: Walk, row: int, chances: NDArray[np.float64]) -> None:
    """Make the poem's own words likelier, of those that may come."""
    mine, slot, own = guide.own, walk.slot[row], walk.own[row]
    if walk.phase[row] == IN_WORD and own >= 0 and guide.lines.favour[slot] != 1.0:
        for child in range(mine.first[slot, own], mine.first[slot, own + 1]):
            if mine.inside_below[slot, child]:
                chances[mine.label[slot, child]] *= guide.lines.favour[slot]


@inner
def take(guide: Guide, walk: Walk, row: int, id_: int) -> None:
    """Let the row stand after `id_`, which was allowed."""
    trie, mine = guide.trie, guide.own
    slot, kind, phase = walk.slot[row], guide.kinds[id_], walk.phase[row]
    if kind == LETTER:
        walk.node[row] = _child(trie.first, trie.label, walk.node[row], id_)
        own = _child(mine.first[slot], mine.label[slot], walk.own[row], id_)
        walk.own[row] = own
        if own >= 0 and mine.inside_below[slot, own]:
            walk.favoured[row] += math.log(guide.lines.favour[slot])
        else:
            _account(walk, row)
        return
    if phase == IN_WORD:
        if walk.own[row] < 0 or not mine.inside[slot, walk.own[row]]:
            _account(walk, row)
        walk.favoured[row] = 0.0
        word = _word_of(guide, slot, walk.node[row], walk.own[row])
        after, may_end = _after(guide, walk, row)
        walk.words[row, 0] = walk.words[row, 1]
        walk.words[row, 1] = word
        walk.syllables[row] = after
        walk.may_end[row] = may_end
    if kind == SPACE:
        walk.syllables[row] &= guide.lines.may_go_on[slot]
        walk.phase[row] = IN_WORD
        walk.node[row] = 0
        walk.own[row] = 0
    elif kind == NEWLINE:
        walk.phase[row] = DONE
    else:
        walk.phase[row] = AFTER_STOP if kind == STOP else AFTER_PAUSE


@inner
def _account(walk: Walk, row: int) -> None:
    """Take back from the row's weight what a word was favoured that did not come."""
    walk.weight[row] -= walk.favoured[row]
    walk.favoured[row] = 0.0


@inner
def _child(first: Masks, label: Masks, node: int, id_: int) -> int:
    if node >= 0:
        for child in range(first[node], first[node + 1]):
            if label[child] == id_:
                return child
    return -1


@inner
def restrict(
    allowed: NDArray[np.bool_], chances: NDArray[np.float64], walk: Walk, row: int
) -> bool:
    """Take what is not allowed out of `chances`, and the share lost onto the row's weight.

    False when nothing is left.
    """
    kept, total = 0.0, 0.0
    for id_ in range(len(chances)):
        total += chances[id_]
        if allowed[id_]:
            kept += chances[id_]
        else:
            chances[id_] = 0.0
    if kept <= 0.0:
        walk.weight[row] = -np.inf
        walk.phase[row] = DONE
        return False
    walk.weight[row] += math.log(kept / total)
    return True


@inner
def cost(logits: NDArray[np.float32], id_: int) -> float:
    """Return the nats of `id_`: how little the network expected it."""
    largest = logits[0]
    for n in range(1, len(logits)):
        largest = max(largest, logits[n])
    total = 0.0
    for n in range(len(logits)):
        total += math.exp(np.float64(logits[n] - largest))
    return math.log(total) - np.float64(logits[id_] - largest)
