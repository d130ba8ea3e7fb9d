"""Which words of a text go with others."""

from __future__ import annotations

from random import Random

from model.training.related import find_related
from model.training.topics import MIN_PASSAGES
from model.verse.related import RelatedWords

SEA, FARM = ["waves", "sail", "shore"], ["barn", "oats", "mare"]


def text_of(*rare: str, passages: int = 60) -> str:
    """Return passages of the sea and of the farm by turns; the words given are of the farm."""
    random = Random(1)
    poems = []
    for number in range(passages):
        words = [SEA, [*FARM, *rare]][number % 2]
        poems.append("\n".join(f"the {' and '.join(random.sample(words, 3))}" for _ in range(6)))
    return "\n\n\n".join(poems) + "\n"


PLACED = ["barn", "mare", "sail", "waves"]


def test_words_are_related_to_those_they_come_together_with() -> None:
    related = find_related(text_of("plough"), PLACED)
    assert set(related.of("plough")) == {"barn", "mare"}
    assert set(related.of("shore")) == {"sail", "waves"}
    assert RelatedWords.read(related.text) == related


def test_what_can_be_told_of_already_is_not_listed() -> None:
    related = find_related(text_of("barns"), PLACED)
    assert [related.of(word) for word in ("barn", "barns", "wave", "the", "and")] == [()] * 5
    assert related.of("oats")


def test_a_seldom_word_is_not_listed() -> None:
    text = text_of() + "\n\n".join(["the plough and the barn\n"] * (MIN_PASSAGES - 1))
    assert find_related(text, PLACED).of("plough") == ()
    assert find_related("", PLACED) == RelatedWords()


def test_a_word_that_meets_none_of_them_is_not_listed() -> None:
    assert find_related("the plough\n\n\n" * 30, PLACED) == RelatedWords()
