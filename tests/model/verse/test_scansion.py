"""Titles, syllables and beats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.verse import FORMS, Prosody, make_title, scan_poem
from model.verse.scansion import split_syllables
from tests.verse_words import ALPHABET, small_lexicon

VERSE = Prosody(small_lexicon(), ALPHABET, 2.0)
LINES = ("The river sings to me and to the sea,", "And in my garden walks a yellow bee.")


def test_a_title_names_something_of_the_poem() -> None:
    assert make_title(LINES, VERSE) in ("The River", "The Sea", "My Garden")
    assert make_title(LINES, VERSE, ["garden"]) == "My Garden"
    assert make_title(["o, the river's miracle of the sea runs"], VERSE) == (
        "The River's Miracle of the Sea"
    )


def test_a_poem_that_names_nothing_is_called_as_it_begins() -> None:
    assert make_title(("And so to be, and so", "to be with me"), VERSE) == "And so to be"
    assert make_title((), VERSE) == ""


def test_a_line_has_its_rhyme_letter_its_syllables_and_its_beats() -> None:
    first, second = scan_poem(LINES, FORMS["couplet"], VERSE)
    assert (first.rhyme, second.rhyme) == ("A", "A")
    assert first.text == LINES[0]
    spoken = [part for part in first.syllables if part.text.strip(" ,")]
    assert [part.beat for part in spoken] == [False, True] * 5
    assert [part.text for part in spoken][:3] == ["The", "ri", "ver"]


def test_lines_that_rhyme_with_none_have_no_letter() -> None:
    assert {line.rhyme for line in scan_poem(("a", "b", "c"), FORMS["haiku"], VERSE)} == {""}


@given(st.lists(st.text(max_size=40), max_size=14))
def test_every_character_of_a_line_is_in_a_syllable(lines: list[str]) -> None:
    for line, shown in zip(lines, scan_poem(lines, FORMS["sonnet"], VERSE), strict=True):
        assert shown.text == line


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@given(word=st.text("abcdefghijklmnopqrstuvwxyz'", max_size=14))
def test_a_word_is_cut_into_as_many_parts_as_it_has_syllables(size: int, word: str) -> None:
    parts = split_syllables(word, size)
    assert len(parts) == size
    assert "".join(parts) == word
