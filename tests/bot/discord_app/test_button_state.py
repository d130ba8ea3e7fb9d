"""What buttons carry."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from bot.core.records import FORMS, FREE, RANGES, PoemSettings, Sampling
from bot.discord_app import button_state
from bot.discord_app.button_state import (
    MAX_CUSTOM_ID,
    MAX_SNOWFLAKE,
    PREFIX,
    Ownership,
    PoemState,
    pack_ownership,
    pack_poem_state,
    read_ownership,
    read_poem_state,
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
def _recipes(draw: st.DrawFn) -> PoemState:
    by_lines = draw(st.booleans())
    settings = PoemSettings(
        Sampling(
            temperature=draw(_fractions("temperature")),
            top_k=draw(_whole("top_k")),
            top_p=draw(_fractions("top_p")),
            min_p=draw(_fractions("min_p")),
            repetition_guard=draw(_whole("repetition_guard")),
            greedy=draw(st.booleans()),
        ),
        lines=draw(_whole("lines")) if by_lines else None,
        characters=None if by_lines else draw(_whole("characters")),
        form=draw(st.sampled_from([FREE, *FORMS])),
    )
    model = draw(st.text("0123456789abcdef", min_size=12, max_size=12))
    return PoemState(
        model, draw(_whole("random_seed")), settings, draw(st.integers(0, 500)), draw(IDS)
    )


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(button_state).failed == 0


@given(_recipes())
def test_a_recipe_comes_back_and_fits_into_a_custom_id(state: PoemState) -> None:
    packed = pack_poem_state(state)
    assert read_poem_state(packed) == state
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
    state, ownership = read_poem_state(text), read_ownership(text)
    assert state is None or read_poem_state(pack_poem_state(state)) == state
    assert ownership is None or ownership.asker <= MAX_SNOWFLAKE


def test_a_button_from_before_the_repetition_guard_writes_without_one() -> None:
    state = read_poem_state("a1a1a1a1a1a1-7-4mo-0-7ps-0-sle:6:0")
    assert state is not None
    assert state.settings.sampling.repetition_guard == 0


def test_values_out_of_range_are_refused() -> None:
    good = "a1a1a1a1a1a1-7-4mo-0-7ps-0-sle:6:0"
    assert read_poem_state(good) is not None
    for bad in ("-zzzz-0-7ps-0-sle:6:0", "-4mo-0-7ps-0-sl0:6:0", "-4mo-0-7ps-0-sle:zzz:0"):
        assert read_poem_state(f"a1a1a1a1a1a1-7{bad}") is None


def test_no_two_forms_begin_alike() -> None:
    assert len({form[0] for form in FORMS}) == len(FORMS)
