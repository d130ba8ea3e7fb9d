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

MAX_WORD_SYLLABLES = 6  # syllables of the longest word
ANY_STRESS, INITIAL, WEAK, STRONG = (
    MAX_WORD_SYLLABLES * group for group in range(4)
)  # where a mask's groups begin
SIX = 0b111111
EVERY_OTHER = 0x5555_5555  # even numbers of syllables: a rising line goes on with a weak one
FREE, RISING, FALLING = range(3)  # metres
LETTER, SPACE, NEWLINE, PAUSE, STOP, OTHER = range(6)  # kinds of characters
IN_WORD, AFTER_WORD, AFTER_PAUSE, AFTER_STOP, DONE = range(5)  # phases of a row
MAX_POEM_NODES = 4096  # nodes of a poem's own trie
MAX_TRIGRAMS = 256  # of three words, that a poem has had
NO_SLOT = -1  # the slot of rows that are not guided

Ints = NDArray[np.int64]
Masks = NDArray[np.int32]


class Trie(NamedTuple):
    """Words, letter by letter: n nodes, the children of one in a row; or S tries, (S, n)."""

    first_child: (
        Masks  # (n + 1,): children of i: first_child[i] … first_child[i + 1] - 1; 0: the root
    )
    token: Masks  # (n,), the id of the character that leads to a node
    inner_mask: Masks  # what the word that ends at a node does within a line; 0: none ends here
    inner_mask_below: Masks  # that of all words below
    final_mask: Masks  # what it does at the end of a line
    final_mask_below: Masks
    word_number: Masks  # its number


class LineSpecs(NamedTuple):
    """What is asked of the line under way, for each of S poems."""

    syllables: Ints  # (S,)
    continue_mask: Ints  # numbers of syllables after which another word may follow
    metre: Ints
    must_rhyme: NDArray[np.bool_]  # only the poem's own words may end it
    must_close: NDArray[np.bool_]  # it ends with a stop
    boost: NDArray[np.float64]  # by how much the poem's own words are likelier, per letter
    trigrams: Ints  # (S, MAX_TRIGRAMS), see `trigram_code`
    trigram_count: Ints


class Constraints(NamedTuple):
    """All that guided rows go by."""

    trie: Trie
    poem_tries: Trie
    lines: LineSpecs
    kinds: Ints  # (V,)


class LineState(NamedTuple):
    """Where N rows stand."""

    slot: Ints  # (N,), which poem a row belongs to; NO_SLOT
    phase: Ints
    node: Ints  # in the trie; -1: the word under way is not there
    poem_node: Ints  # in the poem's own
    syllables: Ints  # bits: how many the line may have had before the word under way
    may_end: NDArray[np.bool_]  # after a word: whether the line may end with it
    words: Ints  # (N, 2), the numbers of the last two
    log_weight: NDArray[np.float64]  # log of the share of probability that the guide has left
    nats: NDArray[np.float64]  # what the line has cost the network
    log_boost: NDArray[np.float64]  # log of how much likelier the word under way was made
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


def trigram_code(before: int, between: int, word: int) -> int:
    """Return a number for three words in a row."""
    return (before * 2_097_152 + between) * 2_097_152 + word  # 21 bits each


_trigram_code = inner(trigram_code)


@inner
def syllables_after(syllables: int, mask: int, metre: int) -> int:
    """Return the numbers of syllables after a word of `mask`."""
    result = 0
    if metre == FREE:
        for size in range(1, MAX_WORD_SYLLABLES + 1):
            if mask >> (ANY_STRESS + size - 1) & 1:
                result |= syllables << size
        return result
    even = syllables & EVERY_OTHER
    weak, strong = (even & ~1, syllables & ~even) if metre == RISING else (syllables & ~even, even)
    initial = syllables & 1 if metre == RISING else 0
    for size in range(1, MAX_WORD_SYLLABLES + 1):
        if mask >> (INITIAL + size - 1) & 1:
            result |= initial << size
        if mask >> (WEAK + size - 1) & 1:
            result |= weak << size
        if mask >> (STRONG + size - 1) & 1:
            result |= strong << size
    return result


@inner
def _word_of(constraints: Constraints, slot: int, node: int, poem_node: int) -> int:
    """Return the number of the word that ends here, -1 if none does or it must not."""
    trie, poem_tries = constraints.trie, constraints.poem_tries
    if node >= 0 and trie.inner_mask[node] | trie.final_mask[node]:
        return int(trie.word_number[node])
    if (
        poem_node >= 0
        and poem_tries.inner_mask[slot, poem_node] | poem_tries.final_mask[slot, poem_node]
    ):
        return int(poem_tries.word_number[slot, poem_node])
    return -1


@inner
def _repeats(constraints: Constraints, line_state: LineState, row: int, word: int) -> bool:
    """Whether the poem has had the row's last two words and `word`, in a row."""
    lines, slot = constraints.lines, line_state.slot[row]
    code = _trigram_code(line_state.words[row, 0], line_state.words[row, 1], word)
    for n in range(lines.trigram_count[slot]):  # noqa: SIM110 - numba has no generators in any()
        if lines.trigrams[slot, n] == code:
            return True
    return False


@inner
def _after(constraints: Constraints, line_state: LineState, row: int) -> tuple[int, bool]:
    """Return the numbers of syllables after the word that ends here, and whether the line may."""
    trie, poem_tries, lines = constraints.trie, constraints.poem_tries, constraints.lines
    slot, node, poem_node = line_state.slot[row], line_state.node[row], line_state.poem_node[row]
    metre, syllables = lines.metre[slot], line_state.syllables[row]
    after, at_end = 0, 0
    if node >= 0:
        after |= syllables_after(syllables, trie.inner_mask[node], metre)
        if not lines.must_rhyme[slot]:
            at_end |= syllables_after(syllables, trie.final_mask[node], metre)
    if poem_node >= 0:
        after |= syllables_after(syllables, poem_tries.inner_mask[slot, poem_node], metre)
        at_end |= syllables_after(syllables, poem_tries.final_mask[slot, poem_node], metre)
    return after, (at_end >> lines.syllables[slot] & 1) == 1


@inner
def find_allowed(
    constraints: Constraints, line_state: LineState, row: int, allowed: NDArray[np.bool_]
) -> None:
    """Fill `allowed` (V,) with what may come next."""
    trie, poem_tries, lines = constraints.trie, constraints.poem_tries, constraints.lines
    slot, phase, syllables = line_state.slot[row], line_state.phase[row], line_state.syllables[row]
    allowed[:] = False
    metre, whole, open_ = lines.metre[slot], lines.syllables[slot], lines.continue_mask[slot]
    after, may_end, ends_word = syllables, line_state.may_end[row], phase == AFTER_WORD
    if phase == IN_WORD:
        node, poem_node = line_state.node[row], line_state.poem_node[row]
        if node >= 0:
            for child in range(trie.first_child[node], trie.first_child[node + 1]):
                fits = syllables_after(syllables, trie.inner_mask_below[child], metre) & open_ != 0
                if not fits and not lines.must_rhyme[slot]:
                    fits = (
                        syllables_after(syllables, trie.final_mask_below[child], metre) >> whole & 1
                        == 1
                    )
                if fits:
                    allowed[trie.token[child]] = True
        if poem_node >= 0:
            for child in range(
                poem_tries.first_child[slot, poem_node], poem_tries.first_child[slot, poem_node + 1]
            ):
                fits = (
                    syllables_after(syllables, poem_tries.inner_mask_below[slot, child], metre)
                    & open_
                    != 0
                )
                if not fits:
                    fits = (
                        syllables_after(syllables, poem_tries.final_mask_below[slot, child], metre)
                        >> whole
                        & 1
                        == 1
                    )
                if fits:
                    allowed[poem_tries.token[slot, child]] = True
        word = _word_of(constraints, slot, node, poem_node)
        ends_word = word >= 0 and not _repeats(constraints, line_state, row, word)
        if ends_word:
            after, may_end = _after(constraints, line_state, row)
        else:
            return
    goes_on = after & open_ != 0
    must_close = lines.must_close[slot]
    for id_ in range(len(allowed)):
        kind = constraints.kinds[id_]
        if kind == SPACE:
            allowed[id_] = goes_on
        elif kind == NEWLINE:
            allowed[id_] = may_end and (not must_close or phase == AFTER_STOP)
        elif kind == PAUSE and ends_word:
            allowed[id_] = goes_on or (may_end and not must_close)
        elif kind == STOP and ends_word:
            allowed[id_] = goes_on or may_end


@inner
def boost_poem_words(
    constraints: Constraints, line_state: LineState, row: int, probs: NDArray[np.float64]
) -> None:
    """Make the poem's own words likelier, of those that may come."""
    poem_tries, slot, poem_node = (
        constraints.poem_tries,
        line_state.slot[row],
        line_state.poem_node[row],
    )
    if line_state.phase[row] == IN_WORD and poem_node >= 0 and constraints.lines.boost[slot] != 1.0:
        for child in range(
            poem_tries.first_child[slot, poem_node], poem_tries.first_child[slot, poem_node + 1]
        ):
            if poem_tries.inner_mask_below[slot, child]:
                probs[poem_tries.token[slot, child]] *= constraints.lines.boost[slot]


@inner
def accept(constraints: Constraints, line_state: LineState, row: int, id_: int) -> None:
    """Let the row stand after `id_`, which was allowed."""
    trie, poem_tries = constraints.trie, constraints.poem_tries
    slot, kind, phase = line_state.slot[row], constraints.kinds[id_], line_state.phase[row]
    if kind == LETTER:
        line_state.node[row] = _child(trie.first_child, trie.token, line_state.node[row], id_)
        poem_node = _child(
            poem_tries.first_child[slot], poem_tries.token[slot], line_state.poem_node[row], id_
        )
        line_state.poem_node[row] = poem_node
        if poem_node >= 0 and poem_tries.inner_mask_below[slot, poem_node]:
            line_state.log_boost[row] += math.log(constraints.lines.boost[slot])
        else:
            _withdraw_boost(line_state, row)
        return
    if phase == IN_WORD:
        if (
            line_state.poem_node[row] < 0
            or not poem_tries.inner_mask[slot, line_state.poem_node[row]]
        ):
            _withdraw_boost(line_state, row)
        line_state.log_boost[row] = 0.0
        word = _word_of(constraints, slot, line_state.node[row], line_state.poem_node[row])
        after, may_end = _after(constraints, line_state, row)
        line_state.words[row, 0] = line_state.words[row, 1]
        line_state.words[row, 1] = word
        line_state.syllables[row] = after
        line_state.may_end[row] = may_end
    if kind == SPACE:
        line_state.syllables[row] &= constraints.lines.continue_mask[slot]
        line_state.phase[row] = IN_WORD
        line_state.node[row] = 0
        line_state.poem_node[row] = 0
    elif kind == NEWLINE:
        line_state.phase[row] = DONE
    else:
        line_state.phase[row] = AFTER_STOP if kind == STOP else AFTER_PAUSE


@inner
def _withdraw_boost(line_state: LineState, row: int) -> None:
    """Take back from the row's weight what a word was boosted that did not come."""
    line_state.log_weight[row] -= line_state.log_boost[row]
    line_state.log_boost[row] = 0.0


@inner
def _child(first_child: Masks, token: Masks, node: int, id_: int) -> int:
    if node >= 0:
        for child in range(first_child[node], first_child[node + 1]):
            if token[child] == id_:
                return child
    return -1


@inner
def mask_probs(
    allowed: NDArray[np.bool_], probs: NDArray[np.float64], line_state: LineState, row: int
) -> bool:
    """Take what is not allowed out of `probs`, and the share lost onto the row's weight.

    False when nothing is left.
    """
    kept, total = 0.0, 0.0
    for id_ in range(len(probs)):
        total += probs[id_]
        if allowed[id_]:
            kept += probs[id_]
        else:
            probs[id_] = 0.0
    if kept <= 0.0:
        line_state.log_weight[row] = -np.inf
        line_state.phase[row] = DONE
        return False
    line_state.log_weight[row] += math.log(kept / total)
    return True


@inner
def surprisal(logits: NDArray[np.float32], id_: int) -> float:
    """Return the nats of `id_`: how little the network expected it."""
    largest = logits[0]
    for n in range(1, len(logits)):
        largest = max(largest, logits[n])
    total = 0.0
    for n in range(len(logits)):
        total += math.exp(np.float64(logits[n] - largest))
    return math.log(total) - np.float64(logits[id_] - largest)
