"""A reader's words, laid out as lines that scan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.verse import FORMS, Prosody, SeedTooLong, lay_out_seed
from model.verse.opening import Opening
from tests.verse_words import ALPHABET, small_lexicon

VERSE = Prosody(small_lexicon(), ALPHABET, 2.0)


def fold(text: str) -> str:
    return ALPHABET.fold(text).text


def laid_out(seed: str, form: str = "sonnet") -> Opening:
    return lay_out_seed(seed, FORMS[form], VERSE, fold)


def test_a_few_words_begin_the_first_line() -> None:
    opening = laid_out("My Garden, 🙂 today")
    assert opening.lines == ()
    assert opening.rest == "my garden, today"
    assert opening.shown == "My Garden, 🙂 today"
    assert opening.theme.words[:2] == ("garden", "today")


@pytest.mark.parametrize(
    ("seed", "theme"),
    [
        ("walking by day", ("walking", "day", "walks")),
        ("a shower of rain", ("shower", "rain")),  # which shows nothing
        ("the lanterns", ("lanterns", "lantern")),
        ("the gardens", ("gardens", "garden")),
        ("thinking of a key", ("thinking", "key")),
    ],
)
def test_a_poem_may_come_back_to_other_forms_of_the_seeds_words(
    seed: str, theme: tuple[str, ...]
) -> None:
    assert laid_out(seed).theme.words == theme


def test_nothing_begins_nothing() -> None:
    assert laid_out("") == laid_out(" \n ") == Opening()
    assert laid_out("🙂\n🙂") == Opening(shown="🙂 🙂 ")


def test_a_longer_seed_breaks_where_a_line_is_full() -> None:
    opening = laid_out("the river sings to me and to the sea and runs away")
    assert opening.lines == ("the river sings to me and to the sea",)
    assert opening.rest == "and runs away"
    assert opening.shown == "The river sings to me and to the sea\nAnd runs away"


def test_a_line_breaks_before_the_word_that_would_be_too_long() -> None:
    opening = laid_out("the river sings to me and walks beautiful garden")
    assert opening.lines == ("the river sings to me and walks",)
    assert opening.rest == "beautiful garden"


def test_a_readers_own_lines_stay() -> None:
    opening = laid_out("roses are red\nviolets are blue\nand")
    assert opening.lines == ("roses are red", "violets are blue")
    assert opening.rest == "and"


def test_a_seed_of_just_a_line_leaves_the_next_to_be_written() -> None:
    opening = laid_out("the river sings to me and to the sea")
    assert (len(opening.lines), opening.rest) == (1, "")
    assert opening.shown.endswith("\n")


def test_stanzas_of_the_form_are_set_in_the_seed_too() -> None:
    opening = laid_out(
        "\n".join(f"line {word}" for word in ("one", "two", "three", "four", "five"))
    )
    assert "Line four\n\nLine five" in opening.shown


def test_a_seed_that_fills_the_form_is_refused() -> None:
    with pytest.raises(SeedTooLong, match="fills 2 lines, and a couplet has 2"):
        laid_out(
            "the river sings to me and to the sea and runs away to me and to the day", "couplet"
        )


@given(st.text(max_size=120), st.sampled_from(sorted(FORMS)))
def test_nothing_that_was_typed_is_lost_and_laying_out_again_changes_nothing(
    seed: str, form: str
) -> None:
    try:
        opening = laid_out(seed, form)
    except SeedTooLong:
        return
    if opening.text.strip():
        shown = opening.shown.lower().split()
        assert [word for word in shown if fold(word).strip()] == [
            word for word in seed.lower().split() if fold(word).strip()
        ] or seed.lower().upper() != seed.upper()
    again = laid_out(opening.text, form)
    assert again.lines == opening.lines
    assert again.rest == opening.rest


def test_a_line_of_the_readers_own_may_be_a_little_long() -> None:
    opening = laid_out("in my garden i am singing to the mountains\nand nobody")
    assert opening.lines == ("in my garden i am singing to the mountains",)


def test_no_line_ends_with_words_that_lean_on_the_next() -> None:
    opening = laid_out("the river sings to me and say in the morning")
    assert opening.lines == ("the river sings to me and say",)
    assert opening.rest == "in the morning"
    alone = laid_out("the river sings to me and say in the")
    assert (alone.lines, alone.rest) == (("the river sings to me and say",), "in the")
