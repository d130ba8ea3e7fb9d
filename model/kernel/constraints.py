"""What a row of verse may write next: real words only, whose syllables fit the line.

A row walks a trie of words, token by token, and beside it a second one of its poem's own words: the
reader's, and those that rhyme where a rhyme is owed. A word has two paths: as a line begins with
it, and with the space before it. A space or a piece of a word with one ends the word before. The
row carries the set of syllables that the line may have had
before the word under way; what a word does to that set is its mask, see `syllables`. A node of a
trie has the union of the masks of all words below it. So a beginning of a word is allowed if a word
can come of it that fits, and no row walks into a dead end but by what is forbidden of whole words.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.characters import APOSTROPHES
from model.kernel.compilation import inner
from model.kernel.syllables import leading_mask, syllables_after
from model.kernel.vectors import sum_of

LETTER, SPACE, NEWLINE, PAUSE, STOP, OTHER = range(6)  # kinds of tokens; LETTER: or several
IN_WORD, AFTER_WORD, AFTER_PAUSE, AFTER_STOP, DONE = range(5)  # phases of a row
LINE_START, AFTER_SPACE = 0, 1  # roots of a trie: of words as a line begins, and after a space
MAX_POEM_NODES = 8192  # nodes of a poem's own trie
MAX_TRIGRAMS = 256  # of three words, that a poem has had
MAX_FAMILIES = 16  # of the words in a line
NO_SLOT = -1  # the slot of rows that are in no form
NOWHERE = -1  # the node of a row whose word under way is not in the trie

Ints = NDArray[np.int64]
Masks = NDArray[np.int32]


class Trie(NamedTuple):
    """Words, token by token: n nodes, the children of one in a row; or S tries, (S, n).

    The children of node i are first_child[i] … first_child[i + 1] - 1, in the order of their
    tokens. Nodes LINE_START and AFTER_SPACE are the roots.
    """

    first_child: Masks  # (n + 1,)
    token: Masks  # (n,), the id of the token that leads to a node
    inner_mask: Masks  # what the word that ends at a node does within a line; 0: none ends here
    inner_mask_below: Masks  # that of all words below
    final_mask: Masks  # what it does at the end of a line
    final_mask_below: Masks
    word_number: Masks  # its number
    family: Masks  # a number of the word's family; 0: of none


class LineSpecs(NamedTuple):
    """What is asked of the line under way, for each of S poems."""

    syllables: Ints  # (S,)
    continue_mask: Ints  # the set of syllables after which another word may follow
    metre: Ints
    must_rhyme: NDArray[np.bool_]  # only the poem's own words may end it
    must_close: NDArray[np.bool_]  # it ends with a stop
    no_doubles: NDArray[np.bool_]  # two words of a family may not be in it
    boost: NDArray[np.float64]  # by how much the poem's own words are likelier, per token
    trigrams: Ints  # (S, MAX_TRIGRAMS), see `trigram_code`
    trigram_count: Ints


class FormConstraints(NamedTuple):
    """All that rows in a form go by."""

    trie: Trie
    poem_tries: Trie  # of S poems
    lines: LineSpecs
    kinds: Ints  # (V,)
    marks: Ints  # ids of the line break, pauses and stops


class LineState(NamedTuple):
    """Where N rows stand."""

    slot: Ints  # (N,), which poem a row belongs to; NO_SLOT
    phase: Ints
    node: Ints  # in the trie; NOWHERE
    poem_node: Ints  # in the poem's own; NOWHERE
    reached: Ints  # the set of syllables that the line may have had before the word under way
    may_end: NDArray[np.bool_]  # after a word: whether the line may end with it
    twins: Ints  # rows of one number are alike in all but their random state; 0: like no other
    words: Ints  # (N, 2), the numbers of the last two
    families: Ints  # (N, MAX_FAMILIES), of the words that the line has
    family_count: Ints
    log_weight: NDArray[np.float64]  # log of the share of probability that the form has left
    log_boost: NDArray[np.float64]  # log of how much likelier the word under way was made
    copied: Ints  # characters of the longest run of the book in the line; 0 if they are few


def kind_of(text: str) -> int:
    """Return what a token of this text is to a line of verse.

    >>> [kind_of(text) for text in ["\\n", " ", "a", "'", ".", " lo"]]
    [2, 1, 0, 0, 4, 0]
    """
    if text == " ":
        return SPACE
    if text == "\n":
        return NEWLINE
    if len(text) > 1 or text.isalpha() or text in APOSTROPHES or text == "-":
        return LETTER
    if text in ",;:":
        return PAUSE
    return STOP if text in ".!?" else OTHER


def marks_of(kinds: Ints) -> Ints:
    """Return the ids of the line break, pauses and stops."""
    return np.flatnonzero(np.isin(kinds, [NEWLINE, PAUSE, STOP]))


def trigram_code(before: int, between: int, word: int) -> int:
    """Return a number for three words in a row."""
    return (before * 2_097_152 + between) * 2_097_152 + word  # 21 bits each


_trigram_code = inner(trigram_code)


@inner
def _poem_trie(form: FormConstraints, slot: int) -> Trie:
    """Return the trie of one poem's own words: rows of arrays (S, n), as views (n,)."""
    tries = form.poem_tries
    return Trie(
        tries.first_child[slot],
        tries.token[slot],
        tries.inner_mask[slot],
        tries.inner_mask_below[slot],
        tries.final_mask[slot],
        tries.final_mask_below[slot],
        tries.word_number[slot],
        tries.family[slot],
    )


@inner
def find_allowed(
    form: FormConstraints, line_state: LineState, row: int, allowed: NDArray[np.bool_]
) -> None:
    """Fill `allowed` (V,) with what may come next."""
    slot, phase, reached = line_state.slot[row], line_state.phase[row], line_state.reached[row]
    poem = _poem_trie(form, slot)
    allowed[:] = False
    after, may_end, ends_word = reached, line_state.may_end[row], phase == AFTER_WORD
    family = 0  # of the word that would end
    if phase == IN_WORD:
        node, poem_node = line_state.node[row], line_state.poem_node[row]
        _allow_children(form, line_state, row, form.trie, node, reached, family, False, allowed)
        _allow_children(form, line_state, row, poem, poem_node, reached, family, True, allowed)
        family = _family_of(form.trie, node, poem, poem_node)
        word = _word_of(form.trie, node, poem, poem_node)
        if word == NOWHERE or _repeats(form, line_state, row, word):
            return
        ends_word = True
        after, may_end = _after(form, line_state, row)
    after &= form.lines.continue_mask[slot]
    goes_on = after != 0
    if goes_on:
        root = AFTER_SPACE
        _allow_children(form, line_state, row, form.trie, root, after, family, False, allowed)
        _allow_children(form, line_state, row, poem, root, after, family, True, allowed)
    must_close = form.lines.must_close[slot]
    for id_ in form.marks:
        kind = form.kinds[id_]
        if kind == NEWLINE:
            allowed[id_] = may_end and (not must_close or phase == AFTER_STOP)
        elif kind == PAUSE and ends_word:
            allowed[id_] = goes_on or (may_end and not must_close)
        elif kind == STOP and ends_word:
            allowed[id_] = goes_on or may_end


@inner
def _allow_children(
    form: FormConstraints,
    line_state: LineState,
    row: int,
    trie: Trie,
    node: int,
    reached: int,
    family: int,
    is_poems_own: bool,
    allowed: NDArray[np.bool_],
) -> None:
    """Allow the tokens after `node` of which a word can come that the line goes on or ends with.

    Where a rhyme is owed, only the poem's own words may end the line. A token that is a word by
    itself, and may not be one here, is left out: the network expects the word, and the longer
    words that begin with it are not what comes. So "the" under the beat does not become "theft".
    Nor does a word come whose family the line has, or the word before, which is of `family`.
    """
    if node == NOWHERE:
        return
    lines, slot = form.lines, line_state.slot[row]
    metre, whole = lines.metre[slot], 1 << lines.syllables[slot]
    inner_mask = leading_mask(reached, metre, lines.continue_mask[slot])
    final_mask = 0
    if is_poems_own or not lines.must_rhyme[slot]:
        final_mask = leading_mask(reached, metre, whole)
    for child in range(trie.first_child[node], trie.first_child[node + 1]):
        fits = trie.inner_mask[child] & inner_mask | trie.final_mask[child] & final_mask
        is_word = trie.inner_mask[child] | trie.final_mask[child]
        if node == AFTER_SPACE and is_word and not fits and not is_poems_own:
            continue
        if lines.no_doubles[slot] and _has_family(line_state, row, trie.family[child], family):
            continue
        if trie.inner_mask_below[child] & inner_mask | trie.final_mask_below[child] & final_mask:
            allowed[trie.token[child]] = True


@inner
def _has_family(line_state: LineState, row: int, family: int, last: int) -> bool:
    """Whether a word of `family` is in the row's line, whose last word is of `last`."""
    if family == 0:
        return False
    for n in range(line_state.family_count[row]):
        if line_state.families[row, n] == family:
            return True
    return family == last


@inner
def _family_of(trie: Trie, node: int, poem: Trie, poem_node: int) -> int:
    """Return the family of the word that ends here, 0 if none does."""
    if node != NOWHERE and trie.family[node] != 0:
        return int(trie.family[node])
    return 0 if poem_node == NOWHERE else int(poem.family[poem_node])


@inner
def _word_of(trie: Trie, node: int, poem: Trie, poem_node: int) -> int:
    """Return the number of the word that ends here, NOWHERE if none does or it must not."""
    if node != NOWHERE and trie.inner_mask[node] | trie.final_mask[node]:
        return int(trie.word_number[node])
    if poem_node != NOWHERE and poem.inner_mask[poem_node] | poem.final_mask[poem_node]:
        return int(poem.word_number[poem_node])
    return NOWHERE


@inner
def _repeats(form: FormConstraints, line_state: LineState, row: int, word: int) -> bool:
    """Whether the poem has had the row's last two words and `word`, in a row."""
    lines, slot = form.lines, line_state.slot[row]
    code = _trigram_code(line_state.words[row, 0], line_state.words[row, 1], word)
    for n in range(lines.trigram_count[slot]):  # noqa: SIM110 - numba has no generators in any()
        if lines.trigrams[slot, n] == code:
            return True
    return False


@inner
def _after(form: FormConstraints, line_state: LineState, row: int) -> tuple[int, bool]:
    """Return the set of syllables after the word that ends here, and whether the line may end."""
    trie, lines, slot = form.trie, form.lines, line_state.slot[row]
    poem = _poem_trie(form, slot)
    node, poem_node = line_state.node[row], line_state.poem_node[row]
    metre, reached = lines.metre[slot], line_state.reached[row]
    after, at_end = 0, 0
    if node != NOWHERE:
        after |= syllables_after(reached, trie.inner_mask[node], metre)
        if not lines.must_rhyme[slot]:
            at_end |= syllables_after(reached, trie.final_mask[node], metre)
    if poem_node != NOWHERE:
        after |= syllables_after(reached, poem.inner_mask[poem_node], metre)
        at_end |= syllables_after(reached, poem.final_mask[poem_node], metre)
    return after, (at_end >> lines.syllables[slot] & 1) == 1


@inner
def boost_poem_words(
    form: FormConstraints, line_state: LineState, row: int, probs: NDArray[np.float64]
) -> None:
    """Make the poem's own words likelier, of those that may come."""
    slot = line_state.slot[row]
    if form.lines.boost[slot] == 1.0:
        return
    if line_state.phase[row] == IN_WORD:
        _boost_children(form, slot, line_state.poem_node[row], probs)
    _boost_children(form, slot, AFTER_SPACE, probs)


@inner
def _boost_children(
    form: FormConstraints, slot: int, node: int, probs: NDArray[np.float64]
) -> None:
    if node == NOWHERE:
        return
    poem = _poem_trie(form, slot)
    for child in range(poem.first_child[node], poem.first_child[node + 1]):
        if _is_boosted(form, poem, child):
            probs[poem.token[child]] *= form.lines.boost[slot]


@inner
def _is_boosted(form: FormConstraints, poem: Trie, node: int) -> bool:
    """Whether the token that leads to `node` is a letter or more of one of the poem's own words."""
    return bool(poem.inner_mask_below[node] != 0 and form.kinds[poem.token[node]] == LETTER)


@inner
def accept(form: FormConstraints, line_state: LineState, row: int, id_: int) -> None:
    """Let the row stand after `id_`, which was allowed."""
    slot, kind = line_state.slot[row], form.kinds[id_]
    poem = _poem_trie(form, slot)
    if line_state.phase[row] == IN_WORD:
        node = find_child(form.trie, line_state.node[row], id_)
        poem_node = find_child(poem, line_state.poem_node[row], id_)
        if node != NOWHERE or poem_node != NOWHERE:
            _walk_on(form, line_state, row, node, poem_node)
            return
        _end_word(form, line_state, row)
    if kind in (LETTER, SPACE):
        line_state.reached[row] &= form.lines.continue_mask[slot]
        line_state.phase[row] = IN_WORD
        node = find_child(form.trie, AFTER_SPACE, id_)
        _walk_on(form, line_state, row, node, find_child(poem, AFTER_SPACE, id_))
    elif kind == NEWLINE:
        line_state.phase[row] = DONE
    else:
        line_state.phase[row] = AFTER_STOP if kind == STOP else AFTER_PAUSE


@inner
def _walk_on(
    form: FormConstraints, line_state: LineState, row: int, node: int, poem_node: int
) -> None:
    """Let the row stand at the nodes that a token of a word has led to."""
    slot = line_state.slot[row]
    poem = _poem_trie(form, slot)
    line_state.node[row], line_state.poem_node[row] = node, poem_node
    if poem_node == NOWHERE or not poem.inner_mask_below[poem_node]:
        _withdraw_boost(line_state, row)
    elif _is_boosted(form, poem, poem_node):
        line_state.log_boost[row] += math.log(form.lines.boost[slot])


@inner
def _end_word(form: FormConstraints, line_state: LineState, row: int) -> None:
    """Let the word under way end."""
    poem = _poem_trie(form, line_state.slot[row])
    node, poem_node = line_state.node[row], line_state.poem_node[row]
    if poem_node == NOWHERE or not poem.inner_mask[poem_node]:
        _withdraw_boost(line_state, row)
    line_state.log_boost[row] = 0.0
    word = _word_of(form.trie, node, poem, poem_node)
    after, may_end = _after(form, line_state, row)
    line_state.words[row, 0] = line_state.words[row, 1]
    line_state.words[row, 1] = word
    family, count = _family_of(form.trie, node, poem, poem_node), line_state.family_count[row]
    if family != 0 and count < MAX_FAMILIES:
        line_state.families[row, count] = family
        line_state.family_count[row] = count + 1
    line_state.reached[row] = after
    line_state.may_end[row] = may_end


@inner
def _withdraw_boost(line_state: LineState, row: int) -> None:
    """Take back from the row's weight what a word was boosted that did not come."""
    line_state.log_weight[row] -= line_state.log_boost[row]
    line_state.log_boost[row] = 0.0


@inner
def find_child(trie: Trie, node: int, id_: int) -> int:
    """Return the node that `id_` leads to from `node`, NOWHERE if it leads to none."""
    if node == NOWHERE:
        return NOWHERE
    low, high = trie.first_child[node], trie.first_child[node + 1]
    while low < high:
        middle = (low + high) // 2
        if trie.token[middle] < id_:
            low = middle + 1
        else:
            high = middle
    found = low < trie.first_child[node + 1] and trie.token[low] == id_
    return int(low) if found else NOWHERE


@inner
def mask_probs(
    allowed: NDArray[np.bool_], probs: NDArray[np.float64], line_state: LineState, row: int
) -> bool:
    """Take what is not allowed out of `probs`, and the share lost onto the row's weight.

    False when nothing is left.
    """
    total = sum_of(probs)
    for id_ in range(len(probs)):
        probs[id_] = probs[id_] if allowed[id_] else 0.0
    kept = sum_of(probs)
    if kept <= 0.0:
        line_state.log_weight[row] = -np.inf
        line_state.phase[row] = DONE
        return False
    line_state.log_weight[row] += math.log(kept / total)
    return True
