"""Which line is kept: what a repetition costs."""

from __future__ import annotations

import pytest

from model.verse import FORMS, Prosody
from model.verse.composer import (
    EACH_MORE,
    FAIR_END,
    FAMILY,
    REPEATED,
    SAME_BEGINNING,
    SMALL_REPEATED,
    SMALL_WORD,
    WRONG_ARTICLE,
    Candidate,
    LineScorer,
)
from model.verse.opening import Theme
from tests.verse_words import ALPHABET, small_lexicon

PROSODY = Prosody(small_lexicon(), ALPHABET, 2.0)


def score(lines: list[str], line: str) -> float:
    scorer = LineScorer(lines, FORMS["haiku"], Theme(), 0, PROSODY)
    return scorer.merit((), Candidate(line))


@pytest.mark.parametrize(
    ("line", "cost"), [("under winter light", REPEATED), ("under wintery light", FAMILY)]
)
def test_a_word_and_its_family_cost_more_each_time_they_come_again(line: str, cost: float) -> None:
    others = ["a river runs by day", "an apple in the night"]
    scores = []
    for said in range(3):
        lines = [f"winter {each}" if n < said else each for n, each in enumerate(others)]
        scores.append(score(lines, line))
    first, second = scores[0] - scores[1], scores[1] - scores[2]
    assert first == pytest.approx(second) == pytest.approx(cost)


@pytest.mark.parametrize(("said", "cost"), [(0, 0), (1, 1), (3, 2), (7, 3)])
def test_a_small_word_costs_as_much_each_time_that_its_number_doubles(said: int, cost: int) -> None:
    lines = [" ".join(["river", *["the"] * said])]
    fresh, again = score(lines, "silver my apple"), score(lines, "silver the apple")
    assert fresh - again == pytest.approx(cost * SMALL_REPEATED)


def test_a_small_word_twice_in_a_line_is_a_repetition_too() -> None:
    once, twice = score([], "silver the my apple"), score([], "silver the apple the")
    assert once - twice == pytest.approx(SMALL_REPEATED)


def test_a_line_that_begins_as_earlier_ones_costs_for_each_of_them() -> None:
    lines = ["by river", "by night"]
    other, same = score(lines, "my by silver apple"), score(lines, "by my silver apple")
    assert other - same == pytest.approx(2 * SAME_BEGINNING)


@pytest.mark.parametrize(("right", "wrong"), [("an apple", "a apple"), ("a river", "an river")])
def test_a_wrong_article_costs_much(right: str, wrong: str) -> None:
    assert score([], f"{right} by day") - score([], f"{wrong} by day") == WRONG_ARTICLE


@pytest.mark.parametrize(("small", "cost"), [("by my", 0.0), ("the with by my", 2 * SMALL_WORD)])
def test_many_small_words_take_a_haiku_its_picture(small: str, cost: float) -> None:
    assert score([], "silver apple") - score([], f"{small} silver apple") == cost


@pytest.mark.parametrize(("end_nats", "cost"), [(FAIR_END, 0.0), (FAIR_END + 3.0, 3.0 * EACH_MORE)])
def test_a_last_word_costs_what_it_is_less_likely_than_most(end_nats: float, cost: float) -> None:
    scorer = LineScorer([], FORMS["haiku"], Theme(), 0, PROSODY)
    fair, other = (scorer.cost(Candidate("a river runs"), 80.0, nats) for nats in (1.0, end_nats))
    assert other - fair == pytest.approx(cost)


@pytest.mark.parametrize(("form", "wanted"), [("sonnet", 2), ("quatrain", 0), ("haiku", 0)])
def test_short_poems_are_not_to_come_back_to_the_seed(form: str, wanted: int) -> None:
    scorer = LineScorer(["a river runs"], FORMS[form], Theme(("river",)), 1, PROSODY)
    assert scorer.wanted == wanted
