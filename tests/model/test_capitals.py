"""Capitals put back into lower-case text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.capitals import Capitals, find_names

ANY = st.text("aio.?! ,'\n-Ié", max_size=40)


def restored(text: str, prompt: str = "", known: tuple[str, ...] = ()) -> str:
    capitals = Capitals(known, prompt)
    return capitals.write(text) + capitals.rest()


@pytest.mark.parametrize(
    ("small", "restored_"),
    [
        ("the sea\nand the moon", "The sea\nAnd the moon"),
        ("\n\n  'tis late\n", "\n\n  'Tis late\n"),
        ("she said i am, i'll be, o time", "She said I am, I'll be, O time"),
        ("in it is. or is it? it is", "In it is. Or is it? It is"),
        ("o! how fair", "O! how fair"),
        ("go to ann's, ann", "Go to ann's, Ann"),
        ("self-love is i-love", "Self-love is I-love"),
    ],
)
def test_lines_sentences_the_pronoun_and_names_get_capitals(small: str, restored_: str) -> None:
    assert restored(small, known=("Ann",)) == restored_


@pytest.mark.parametrize(
    ("prompt", "more", "shown"),
    [
        ("shall i", " compare i", " compare I"),
        ("my love is li", "ke a rose", "ke a rose"),
        ("gone. ", "then i", "Then I"),
        ("gone.", " then", " Then"),
        ("i", "s it", "s it"),
        ("the sea\n", "and", "And"),
        ("the sea,", " and", " and"),
        ("'", "tis", "Tis"),
        ("o'", "er the sea", "er the sea"),
    ],
)
def test_what_the_prompt_has_begun_goes_on(prompt: str, more: str, shown: str) -> None:
    assert restored(more, prompt) == shown


@given(ANY, st.lists(st.integers(0, 40), max_size=5), ANY)
def test_no_letter_is_lost_and_parts_make_no_difference(
    text: str, cuts: list[int], prompt: str
) -> None:
    capitals = Capitals(("Ai",), prompt)
    places = [0, *sorted(cuts), len(text)]
    parts = [capitals.write(text[a:b]) for a, b in pairwise(places)]
    assert "".join(parts) + capitals.rest() == restored(text, prompt, ("Ai",))
    assert restored(text, prompt, ("Ai",)).lower() == text.lower()


def test_names_are_words_mostly_capital_in_the_midst_of_lines() -> None:
    text = (
        "Then Venus rose and Venus shone,\nAnd then the Rose said I am gone.\n"
        "A rose, the rose, one Rose. Then he\nSaw Venus, and I'm glad, said I'm.\nTHE MOON\n"
    )
    assert find_names(text) == ("Venus",)


def test_a_book_without_capitals_has_no_names() -> None:
    assert find_names("venus and the moon\n" * 5) == ()
