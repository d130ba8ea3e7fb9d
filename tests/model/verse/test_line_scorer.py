"""Which line is kept: what a repetition costs."""

from __future__ import annotations

import pytest

from model.verse import FORMS, Prosody
from model.verse.composer import FAMILY, REPEATED, Candidate, LineScorer
from model.verse.opening import Theme
from tests.verse_words import ALPHABET, small_lexicon

PROSODY = Prosody(small_lexicon(), ALPHABET, 2.0)


def score(lines: list[str], line: str) -> float:
    scorer = LineScorer(lines, FORMS["haiku"], Theme(), 0, PROSODY)
    return scorer.score((), Candidate(line, 80.0))


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
