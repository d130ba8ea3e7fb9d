"""Cards: pictures of poems, whatever their text."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.core.card import MAX_KNOWN, WIDTH, _has, draw_card
from bot.core.records import Poem, PoemScansion, PoemSettings, Sampling

SETTINGS = PoemSettings(Sampling(temperature=0.7, min_p=0.05), lines=14, characters=None)


def draw(text: str, title: str = "The Sea") -> Image.Image:
    poem = Poem(text, "", "sonnets", "f" * 64, 7, SETTINGS, (), looks=PoemScansion(title))
    return Image.open(io.BytesIO(draw_card(poem)))


def ink_of(image: Image.Image) -> int:
    return sum(image.convert("L").histogram()[:120])


def test_a_card_is_as_tall_as_its_poem() -> None:
    short, tall = draw("one line"), draw("a line\n" * 14)
    assert short.width == tall.width == WIDTH
    assert short.height < tall.height


def test_words_and_title_are_on_it() -> None:
    assert ink_of(draw("the sea " * 4)) > ink_of(draw("the sea")) > 0
    assert draw("the sea", "A").tobytes() != draw("the sea", "B").tobytes()


@pytest.mark.parametrize("text", ["x" * 5_000, "word " * 900, "a\n" * 400, "🙂", ""])
def test_a_text_too_long_or_of_other_signs_still_makes_a_card(text: str) -> None:
    assert draw(text).height < 12_000


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=80), st.text(max_size=30))
def test_any_text_makes_a_card(text: str, title: str) -> None:
    assert draw(text, title).width == WIDTH


# Unicode's paragraph separators (bidirectional class B), with which no line can be laid out, and
# their kin: controls, lone surrogates, what turns text around, private and unassigned characters.
UNDRAWN = [
    *("\n", "\r", "\x1c", "\x1d", "\x1e", "\x85", "\u2029"),
    *("\0", "\t", "\v", "\x1f", "\u2028", "\u202e", "\u2066", "\ud800", "\ue000", "\uffff"),
]


@pytest.mark.parametrize("character", UNDRAWN, ids=lambda character: f"{ord(character):04x}")
def test_what_cannot_be_drawn_is_left_out_wherever_it_stands(character: str) -> None:
    text = f"the{character}sea"
    poem = Poem(text, "", text, "f" * 64, 7, SETTINGS, (), looks=PoemScansion(text))
    assert Image.open(io.BytesIO(draw_card(poem))).width == WIDTH


def test_the_characters_that_are_remembered_are_bounded() -> None:
    assert _has.cache_info().maxsize == MAX_KNOWN
