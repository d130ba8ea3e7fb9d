"""How breaks of agreement are counted, with a parser that knows four words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from bench.agreement import judge, read_verbs, row

VERBS = {"loves": "love", "love": "loves", "is": "are", "are": "is"}
PAIRS = {("he", "loves"), ("you", "love"), ("eyes", "are"), ("eye", "is")}


def parse(lines: Sequence[str]) -> list[tuple[int, float]]:
    """Leave a verb over where its subject is not the word before it."""
    left = []
    for line in lines:
        words = line.split()
        pairs = set(pairwise(words))
        left.append((sum(word in VERBS for word in words) - len(pairs & PAIRS), 0.0))
    return left


def test_a_verb_in_the_wrong_number_is_a_break() -> None:
    lines = ["my eyes is bright", "my eye is bright", "he loveth me", "and thou lovest me"]
    found = judge(lines, VERBS, parse)
    assert [(verb.word, verb.other) for verb in found] == [
        ("is", "are"),
        ("is", "are"),
        ("loves", "love"),
        ("love", "loves"),
    ]
    assert row("ours", lines, found)[1:5] == ("4", "4", "3", "1")


def test_a_word_that_may_be_no_verb_is_not_asked_for() -> None:
    assert judge(["the love of men", "he and love"], VERBS, parse) == []


def test_the_parsers_own_lists_say_what_is_a_verb(tmp_path: Path) -> None:
    (tmp_path / "words.v.2.1").write_text("carry.v\nwander.v\nmiss.v\n")
    (tmp_path / "words.v.2.2").write_text("carries.v\nmisses.v\n")
    verbs = read_verbs(tmp_path)
    assert (verbs["carry"], verbs["misses"], verbs["are"]) == ("carries", "miss", "is")
    assert "wander" not in verbs
