"""The judge of sense, with fake strangers: what is asked, and what is made of the answers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.networks import tutorial_model
from bench.sense import report, verdict
from bench.sense_measures import (
    context_gain,
    cost,
    grammar,
    likeness_rank,
    margin,
    mixed,
    next_line,
    plain,
    rank,
    read_people,
    read_poems,
    salad,
    shuffled,
    without_seed,
    words_only,
    written_poem,
)
from bench.sense_models import OwnNetwork, _branched, _shared, read_linkages
from model.next_line import (
    LINES,
    OTHERS,
    PLACES,
    Figure,
    Poem,
    by_poem,
    chosen,
    questions,
    sample,
    sonnets_of,
)

POEMS = 12
THEMES = (
    "sea",
    "rose",
    "king",
    "bell",
    "snow",
    "ship",
    "harp",
    "moon",
    "gold",
    "lamb",
    "star",
    "oak",
)


def line_of(theme: str, place: int) -> str:
    return f"and still the {theme} returns upon line {'x' * (place + 1)}"


def themed_poems() -> list[Poem]:
    """Return poems that have a word of their own in every line."""
    return [
        Poem(tuple(line_of(theme, place) for place in range(LINES)), "book") for theme in THEMES
    ]


def theme_scorer(context: Sequence[str], texts: Sequence[str]) -> list[float]:
    """Like a text better for each word that the lines before have, but for words of all poems."""
    known = {word for line in context for word in line.split()}
    return [
        -2.0 * len(text) + 3.0 * sum(word in known and word in THEMES for word in text.split())
        for text in texts
    ]


def deaf_scorer(context: Sequence[str], texts: Sequence[str]) -> list[float]:
    """Like each text as before, whatever the context."""
    return [-float(len(text)) for text in texts]


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return a vector of length 1 for texts with one theme, 0 for those without."""
    rows = [[theme in text.split() for theme in THEMES] for text in texts]
    return np.array(rows, np.float32)


def test_words_stay_without_case_and_punctuation() -> None:
    assert plain("O, Feed'st thy light's flame -- 12 self-love!") == (
        "o feed'st thy light's flame self-love"
    )
    assert words_only(Poem(("Ah, me!",) * 2)).lines == ("ah me", "ah me")


def test_sonnets_are_the_poems_of_fourteen_long_lines() -> None:
    lines = "\n".join(line_of("sea", place) for place in range(LINES))
    stanzas = lines.replace("\n", "\n\n", 1)
    assert [len(p.lines) for p in sonnets_of(f"TITLE\n\n1\n{lines}\n\n2\n{lines}\n", "b")] == [
        14,
        14,
    ]
    assert sonnets_of(f"{lines}\nand one more line that is long enough\n", "b") == []
    assert sonnets_of("short\n" * LINES, "b") == []
    # With two blank lines between poems, a single one is between stanzas.
    assert len(sonnets_of(f"{stanzas}\n\n\n{stanzas}\n", "b")) == 2


def test_own_lines_begin_after_the_last_with_a_word_of_the_seed() -> None:
    text = "\n".join(line_of("sea", place) for place in range(LINES))
    assert [
        found.own
        for seed in ("", "And still", "and still the sea returns upon line x and")
        if (found := written_poem(text, seed, "ours"))
    ] == [0, 1, 2]
    assert written_poem("too\nshort", "", "ours") is None
    number = written_poem("\n".join(["1234", *text.split("\n")[1:]]), "1234", "ours")
    assert number is not None
    assert number.own == 1
    assert written_poem(f"unread\n{text}", "", "ours") is None
    assert written_poem(f"unread\n{text}", "unread", "ours") == written_poem(text, "", "ours")


def test_poems_are_read_from_json_lines_and_from_text(tmp_path: Path) -> None:
    text = "\n".join(line_of("sea", place) for place in range(LINES))
    lines, plain_text = tmp_path / "ours.jsonl", tmp_path / "theirs.txt"
    entries = ({"seed": "and", "text": text}, {"seed": "", "text": "one line"})
    lines.write_text("\n".join(map(json.dumps, entries)) + "\n", "utf-8")
    plain_text.write_text(f"{text}\n\n----\n\n{text}\n", "utf-8")
    assert [(poem.source, poem.own) for poem in read_poems(lines)] == [("ours", 1)]
    assert [(poem.source, poem.own) for poem in read_poems(plain_text)] == [("theirs", 0)] * 2


def test_a_folder_of_books_is_one_set_with_a_source_for_each_book(tmp_path: Path) -> None:
    text = "\n".join(line_of("sea", place) for place in range(LINES))
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text(text, "utf-8")
    assert [poem.source for poem in read_people(tmp_path)] == ["one", "two"]


def test_all_that_is_random_comes_from_the_seed() -> None:
    poems = themed_poems() * 2
    for make in (mixed, shuffled, salad):
        assert make(poems, Random("1")) == make(poems, Random("1"))
        assert make(poems, Random("1")) != make(poems, Random("2"))
    assert sample(poems, 5, Random("1")) == sample(poems, 5, Random("1"))
    assert list(questions(poems, PLACES, Random("1"))) == list(
        questions(poems, PLACES, Random("1"))
    )


def test_mixed_lines_come_from_fourteen_poems_at_their_own_places() -> None:
    poems = [Poem(tuple(f"{n} {place}" for place in range(LINES)), "b") for n in range(20)]
    for poem in mixed(poems, Random(1)):
        of, places = zip(*(line.split() for line in poem.lines), strict=True)
        assert len(set(of)) == LINES
        assert places == tuple(map(str, range(LINES)))
    assert mixed(poems[:13], Random(1)) == []


def test_shuffled_poems_keep_their_lines_and_salad_its_words_and_lengths() -> None:
    poems = themed_poems()
    for poem, other in zip(poems, shuffled(poems, Random(1)), strict=True):
        assert sorted(poem.lines) == sorted(other.lines)
        assert poem.lines != other.lines
    tossed = salad(poems, Random(1))
    words = [
        sorted(w for p in some for line in p.lines for w in line.split())
        for some in (poems, tossed)
    ]
    assert words[0] == words[1]
    for poem, other in zip(poems, tossed, strict=True):
        assert [len(a.split()) for a in poem.lines] == [len(b.split()) for b in other.lines]


def test_candidates_are_the_true_line_and_seven_of_others_of_the_same_source_and_place() -> None:
    poems = [*themed_poems(), Poem(("elsewhere",) * LINES, "another book")]
    asked = list(questions(poems, PLACES, Random(1)))
    assert len(asked) == POEMS * len(PLACES)  # the other book has too few poems
    for question in asked:
        poem = poems[question.poem]
        assert question.context == poem.lines[: question.place]
        assert question.candidates[0] == poem.lines[question.place]
        assert len(set(question.candidates)) == 1 + OTHERS
        others = {other.lines[question.place] for other in poems[:POEMS]}
        assert set(question.candidates) <= others


def test_lines_with_words_of_a_seed_are_neither_asked_for_nor_offered() -> None:
    poems = [Poem(p.lines, p.source, own=4 if n < 4 else 0) for n, p in enumerate(themed_poems())]
    seeds = {line for poem in poems for line in poem.lines[: poem.own]}
    asked = list(questions(poems, (3, 6), Random(1)))
    assert {q.place for q in asked if poems[q.poem].own} == {6}
    assert all(seeds.isdisjoint(question.candidates) for question in asked)
    bare = list(questions(without_seed(poems), (4, 6), Random(1)))
    assert {q.place for q in bare if poems[q.poem].own} == {6}
    assert all(seeds.isdisjoint(q.context) for q in bare)


def test_the_choice_the_margin_and_the_rank_are_of_the_first_score() -> None:
    assert chosen([2.0, 1.0, 1.0]) == 1.0
    assert chosen([2.0, 2.0, 1.0]) == 0.5
    assert chosen([1.0, 2.0, 0.0]) == 0.0
    assert margin([2.0, 1.0, 0.0]) == 1.5
    assert rank([2.0, 1.0, 2.0, 3.0]) == 0.5


def test_each_poem_counts_once_in_a_mean_and_its_standard_error() -> None:
    values = by_poem([(0, 1.0), (0, 1.0), (0, 1.0), (1, 0.0)])
    assert values == [1.0, 0.0]
    figure = Figure.of([1.0, 2.0, 3.0, 4.0, math.nan])
    assert (figure.mean, figure.poems) == (2.5, 4)
    assert figure.error == pytest.approx(math.sqrt(5 / 3 / 4))
    assert Figure(1.0, 0.3, 9).above(Figure(0.0, 0.4, 9)) == pytest.approx(2.0)


def test_a_judge_that_hears_the_theme_finds_the_next_line_and_a_deaf_one_does_not() -> None:
    heard = next_line(themed_poems(), theme_scorer, Random(1))
    assert heard["next line chosen"].mean == 1.0
    assert heard["margin, nats/char"].mean == pytest.approx(3.0 / 41, rel=0.2)
    deaf = next_line(themed_poems(), deaf_scorer, Random(1))
    assert deaf["next line chosen"].mean == pytest.approx(1 / (1 + OTHERS))  # all tie
    assert deaf["margin, nats/char"].mean == 0.0
    tossed = next_line(mixed(themed_poems() * 2, Random(1)), theme_scorer, Random(1))
    assert tossed["next line chosen"].mean < 0.5


def test_the_likeness_of_the_next_line_is_ranked() -> None:
    assert likeness_rank(themed_poems(), embed, Random(1)).mean == 1.0
    same = [Poem(tuple(f"{n} {place}" for place in range(LINES)), "b") for n in range(POEMS)]
    assert likeness_rank(same, embed, Random(1)).mean == 0.5


def test_context_gains_over_nothing_and_over_another_poem() -> None:
    gains = context_gain(themed_poems(), theme_scorer, Random(1))
    assert gains["gain over nothing, nats/char"].mean > 0.05
    assert gains["gain over another poem, nats/char"].mean > 0.05
    deaf = context_gain(themed_poems(), deaf_scorer, Random(1))
    assert deaf["gain over another poem, nats/char"].mean == 0.0
    assert deaf["loss on those lines, nats/char"].mean == 1.0


def test_a_poem_costs_what_its_own_lines_do() -> None:
    poems = [Poem(("seed", "four", "five!"), "b", own=1)] * 3
    asked: list[tuple[tuple[str, ...], str]] = []

    def scorer(context: Sequence[str], texts: Sequence[str]) -> list[float]:
        asked.append((tuple(context), texts[0]))
        return [-2.0 * len(texts[0])]

    assert cost(poems, scorer).mean == 2.0
    assert set(asked) == {(("seed",), "four\nfive!")}


def test_grammar_counts_words_left_over_and_the_cost_of_lines_with_a_linkage() -> None:
    poems = [Poem(("a seed", "one two", "three four"), "b", own=1)] * 2
    found = grammar(poems, lambda lines: [(1, 2.0), (2, math.nan)] * (len(lines) // 2))
    assert found["null words"].mean == 0.75
    assert found["disjunct cost of a line"].mean == 2.0


def test_the_first_linkage_after_each_line_is_read() -> None:
    output = """Debug: something
thou art fair
Found 2 linkages (2 had no P.P. violations)
\tLinkage 1, cost vector = (UNUSED=0 DIS= 0.25 LEN=6)
\tLinkage 2, cost vector = (UNUSED=0 DIS= 1.25 LEN=6)
the of
No complete linkages found.
\tUnique linkage, cost vector = (UNUSED=3 DIS= 1.00 LEN=5)
thou art fair
No linkages
Bye."""
    found = read_linkages(["thou art fair", "the of", "thou art fair"], output.split("\n"))
    assert found[:2] == [(0, 0.25), (2, 1.0)]  # walls are no words
    assert found[2][0] == 3
    assert math.isnan(found[2][1])


def test_texts_beside_each_other_see_the_lines_before_and_themselves_alone() -> None:
    sees, places = _branched(2, [2, 1])
    assert places.tolist() == [0, 1, 2, 3, 2]
    assert sees.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    assert (_shared([1, 2, 3], [1, 2]), _shared([1, 2], [3]), _shared([], [1])) == (2, 0, 0)


def test_our_own_network_scores_texts_as_if_each_were_read_alone() -> None:
    scorer = OwnNetwork(tutorial_model())
    texts = ["the sea", "a longer line of words", "I"]
    together = scorer.score(texts, "\n\nonce more\n")
    alone = [scorer.score([text], "\n\nonce more\n")[0] for text in texts]
    torch.testing.assert_close(torch.tensor(together), torch.tensor(alone))
    # A text is worth its parts, each after what came before.
    first, second = scorer.score(["the"], "\n\n")[0], scorer.score([" sea"], "\n\nthe")[0]
    assert scorer(["x"], ["the sea"]) == scorer.score(["the sea"], "\n\nx\n")
    assert scorer.score(["the sea"], "\n\n")[0] == pytest.approx(first + second, rel=1e-4)


def test_the_report_has_a_column_for_each_system_and_says_who_is_above_mixed_lines() -> None:
    found = {
        "sonnets": {"next line chosen": Figure(0.4, 0.03, 100)},
        "mixed": {"next line chosen": Figure(0.12, 0.04, 100)},
    }
    shown = report(found, {"sonnets": 100, "mixed": 100})
    assert "0.400 ± 0.030" in shown
    assert verdict(found, ["sonnets"]) == [
        "next line chosen: sonnets is 5.6 standard errors above mixed lines (passed)"
    ]
    found["mixed"] = {"next line chosen": Figure(0.3, 0.04, 100)}
    assert "(not passed)" in verdict(found, ["sonnets"])[0]
