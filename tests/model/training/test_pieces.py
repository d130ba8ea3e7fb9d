"""Pieces of words."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from model.training.pieces import learn_pieces
from model.vocabulary import MAX_PIECE, WORD_WITH_SPACE, Vocabulary


def learn_plainly(text: str, size: int) -> list[str]:
    """Count all pairs anew for each piece."""
    words = [list(word) for word in WORD_WITH_SPACE.findall(text)]
    pieces: list[str] = []
    while len(pieces) < size:
        pairs = Counter(pair for word in words for pair in pairwise(word))
        fitting = {pair: n for pair, n in pairs.items() if len("".join(pair)) <= MAX_PIECE}
        if not fitting or max(fitting.values()) < 2:
            break
        best = min(fitting, key=lambda pair: (-fitting[pair], pair))
        pieces.append("".join(best))
        for word in words:
            place = 0
            while place + 1 < len(word):
                if (word[place], word[place + 1]) == best:
                    word[place : place + 2] = ["".join(best)]
                place += 1
    return list(dict.fromkeys(pieces))


@given(st.text("ab '\n", max_size=60), st.integers(0, 12))
def test_the_most_frequent_pair_becomes_a_piece_again_and_again(text: str, size: int) -> None:
    learnt = learn_pieces(text, size)
    assert list(learnt) == learn_plainly(text, size)[: len(learnt)]
    assert len(learnt) <= size


def test_pieces_never_cross_a_word_and_make_a_text_shorter() -> None:
    text = "the miller's goat, the miller's hen\nand the miller went to the mill.\n" * 3
    pieces = learn_pieces(text, 40)
    assert " miller's" in pieces
    assert all(piece.removeprefix(" ").replace("'", "").isalpha() for piece in pieces)
    vocabulary = Vocabulary.of(text, pieces)
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert len(ids) < len(text) / 3


def test_what_comes_once_is_no_piece() -> None:
    assert learn_pieces("goat", 5) == ()
