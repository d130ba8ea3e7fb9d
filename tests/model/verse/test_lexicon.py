"""The words of a book: which are kept, how they are written down, when there is no verse."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.verse.lexicon import Lexicon, LexiconEntry, NoVerse, Variant, make_lexicon
from model.verse.related import RelatedWords
from tests.texts import VERSES
from tests.verse_words import small_lexicon


def test_a_book_gives_its_words_with_their_counts() -> None:
    lexicon = make_lexicon("The cat sat.\nThe cat's hat, and thou lov'st it.\n")
    cat = lexicon.get("cat")
    assert cat == LexiconEntry("cat", 1, (Variant("1", "K", "AE_T"),))
    assert {entry.word for entry in lexicon.entries} >= {"cat's", "lov'st", "thou"}


def test_words_that_nobody_can_say_are_left_out() -> None:
    assert make_lexicon("the cat sat on zlorp and then it went home again\n").get("zlorp") is None


def test_words_of_elsewhere_help_out_and_are_not_counted() -> None:
    often, seldom = LexiconEntry("dog", 9, (Variant("1", "D", "AO_G"),)), LexiconEntry("emu", 1, ())
    lexicon = make_lexicon("the cat sat\n", Lexicon((often, seldom)))
    found = lexicon.get("dog")
    assert found is not None
    assert found.count == 0
    assert lexicon.get("emu") is None


def test_prose_writes_no_verse() -> None:
    with pytest.raises(NoVerse, match="lines have 76"):
        make_lexicon(
            "the cat sat on the mat and it did not want to go away at all, not even for a\n"
        )


def test_another_language_writes_no_verse() -> None:
    with pytest.raises(NoVerse, match="not English"):
        make_lexicon("über allen gipfeln\nist ruh\nin allen wipfeln\nspürest du\n")


def test_our_own_verses_are_english() -> None:
    assert len(make_lexicon(VERSES.lower())) > 40


RELATED = RelatedWords("candle light night\nclock hour\n")


def test_a_lexicon_is_read_as_it_was_written() -> None:
    lexicon = small_lexicon()
    assert Lexicon.read(lexicon.write()) == lexicon
    related = replace(lexicon, related=RELATED)
    assert Lexicon.read(related.write()) == related != lexicon
    assert Lexicon.read("") == Lexicon()


def test_related_words_of_elsewhere_are_kept() -> None:
    assert make_lexicon("the cat sat\n", Lexicon((), RELATED)).related == RELATED


@pytest.mark.parametrize(
    "text",
    [
        *(
            "cat",
            "cat 1 1/K/AE_T\nant 1 1/N/AE_T",
            "cat x 1/K/AE_T",
            "cat 1 9/K/AE_T",
            "a b 1 1//AH",
        ),
        *(
            f"cat 1 1/K/AE_T\n{related}"
            for related in ("\n", "\ndog", "\ndog cat", "\n\ndog cat\n")
        ),
        *(
            f"cat 1 1/K/AE_T\n\n{related}\n"
            for related in ("dog 1", "dog cat\nant bee", "dog" + 7 * " a")
        ),
    ],
)
def test_what_is_no_lexicon_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="lexicon"):
        Lexicon.read(text)


@given(st.text(max_size=200))
def test_any_text_is_a_lexicon_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert Lexicon.read(text).write() == text


def test_fire_and_desire_have_a_syllable_less_in_verse() -> None:
    desire = make_lexicon("desire\n").get("desire")
    assert desire is not None
    assert {variant.stresses for variant in desire.variants} == {"01"}
