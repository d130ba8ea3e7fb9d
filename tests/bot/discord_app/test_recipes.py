"""What buttons carry."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from bot.core.records import FORMS, FREE, RANGES, PoemSettings
from bot.discord_app import recipes
from bot.discord_app.recipes import (
    MAX_CUSTOM_ID,
    MAX_SNOWFLAKE,
    PREFIX,
    Ownership,
    Recipe,
    pack_ownership,
    pack_recipe,
    read_ownership,
    read_recipe,
)

IDS = st.integers(1, MAX_SNOWFLAKE)


def _fractions(name: str) -> st.SearchStrategy[float]:
    allowed = RANGES[name]
    return st.integers(int(allowed.low * 10_000), int(allowed.high * 10_000)).map(
        lambda number: number / 10_000
    )


def _whole(name: str) -> st.SearchStrategy[int]:
    return st.integers(int(RANGES[name].low), int(RANGES[name].high))


@st.composite
def _recipes(draw: st.DrawFn) -> Recipe:
    by_lines = draw(st.booleans())
    settings = PoemSettings(
        temperature=draw(_fractions("temperature")),
        top_k=draw(_whole("top_k")),
        top_p=draw(_fractions("top_p")),
        min_p=draw(_fractions("min_p")),
        greedy=draw(st.booleans()),
        lines=draw(_whole("lines")) if by_lines else None,
        characters=None if by_lines else draw(_whole("characters")),
        repetition_guard=draw(_whole("repetition_guard")),
        form=draw(st.sampled_from([FREE, *FORMS])),
    )
    model = draw(st.text("0123456789abcdef", min_size=12, max_size=12))
    return Recipe(
        model, draw(_whole("random_seed")), settings, draw(st.integers(0, 500)), draw(IDS)
    )


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(recipes).failed == 0


@given(_recipes())
def test_a_recipe_comes_back_and_fits_into_a_custom_id(recipe: Recipe) -> None:
    packed = pack_recipe(recipe)
    assert read_recipe(packed) == recipe
    assert len(f"{PREFIX}:continue:{packed}") <= MAX_CUSTOM_ID


@given(IDS, st.lists(IDS, max_size=4, unique=True))
def test_an_ownership_comes_back(asker: int, parts: list[int]) -> None:
    owned = read_ownership(pack_ownership(asker, parts))
    assert owned == Ownership(asker, tuple(sorted(parts)))


def test_an_ownership_of_five_parts_sent_in_ten_minutes_fits_into_a_custom_id() -> None:
    ten_minutes = 600_000 << 22  # a snowflake counts milliseconds above 22 bits
    parts = [2**63 + number * ten_minutes for number in range(4)]
    assert len(f"{PREFIX}:delete:{pack_ownership(MAX_SNOWFLAKE, parts)}") <= MAX_CUSTOM_ID


@given(st.text(max_size=100))
def test_anything_else_is_no_recipe_and_no_ownership(text: str) -> None:
    recipe, ownership = read_recipe(text), read_ownership(text)
    assert recipe is None or read_recipe(pack_recipe(recipe)) == recipe
    assert ownership is None or ownership.asker <= MAX_SNOWFLAKE


def test_a_button_from_before_the_repetition_guard_writes_without_one() -> None:
    recipe = read_recipe("a1a1a1a1a1a1-7-4mo-0-7ps-0-sle:6:0")
    assert recipe is not None
    assert recipe.settings.repetition_guard == 0


def test_values_out_of_range_are_refused() -> None:
    good = "a1a1a1a1a1a1-7-4mo-0-7ps-0-sle:6:0"
    assert read_recipe(good) is not None
    for bad in ("-zzzz-0-7ps-0-sle:6:0", "-4mo-0-7ps-0-sl0:6:0", "-4mo-0-7ps-0-sle:zzz:0"):
        assert read_recipe(f"a1a1a1a1a1a1-7{bad}") is None


def test_no_two_forms_begin_alike() -> None:
    assert len({form[0] for form in FORMS}) == len(FORMS)
