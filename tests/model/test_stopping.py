from itertools import cycle, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.config import MAX_CHARACTERS, LengthConfig
from model.stopping import FinishReason, StoppingCriteria


def recite(
    text: str, prompt: str = "", *, lines: int | None = None, characters: int | None = None
) -> tuple[str, FinishReason | None]:
    """Write `text` over and over until the poem ends; what is shown, and why it ended."""
    stopping = StoppingCriteria(LengthConfig(lines=lines, characters=characters), prompt)
    shown = ""
    for character in cycle(text):
        if stopping.finished is not None:
            break
        shown += stopping.write(character)
    return shown, stopping.finished


def test_a_poem_by_characters_has_them_exactly_the_prompt_included() -> None:
    assert recite("abc", "mmm", characters=8) == ("abcab", FinishReason.LENGTH)


def test_a_poem_by_lines_ends_before_the_break_of_its_last_line() -> None:
    assert recite("ab\n", lines=3) == ("ab\nab\nab", FinishReason.LENGTH)


def test_the_prompts_lines_count_and_its_unfinished_line_is_finished() -> None:
    assert recite("ab\n", "k\nl", lines=3) == ("ab\nab", FinishReason.LENGTH)
    assert recite("ab\n", "k\nl", lines=2) == ("ab", FinishReason.LENGTH)


@pytest.mark.parametrize("prompt", ["a\nb\n", "a\n\nb\n", "a\nb\nc"])
def test_a_prompt_with_enough_lines_ends_at_once(prompt: str) -> None:
    assert recite("abc", prompt, lines=2) == ("", FinishReason.LENGTH)


@pytest.mark.parametrize("prompt", ["abc", "abcd"])
def test_a_prompt_with_enough_characters_ends_at_once(prompt: str) -> None:
    assert recite("abc", prompt, characters=3) == ("", FinishReason.LENGTH)


def test_blank_lines_are_kept_one_at_a_time_and_not_counted() -> None:
    assert recite("ab\n\n\n \n", lines=3)[0] == "ab\n\nab\n\nab"
    assert recite("a\n\n", lines=2)[0] == "a\n\na"


def test_a_number_that_stands_over_a_poem_is_a_blank_line() -> None:
    """The sonnets are numbered in the book, and the model had learnt to number its own."""
    assert recite("ab\n\n110\n", lines=2)[0] == "ab\n\nab"
    assert recite("ab\n 7 \n", lines=2)[0] == "ab\n\nab"
    assert recite("12\nab\n", lines=2)[0] == "ab\n\nab"


def test_numbers_among_words_and_long_ones_are_text() -> None:
    assert recite(" 3 men\n", lines=2)[0] == " 3 men\n 3 men"
    assert recite("31415926\n", lines=2)[0] == "31415926\n31415926"
    assert recite("1\n", "room ", lines=1)[0] == "1"


def test_by_characters_numbers_and_blank_lines_come_as_they_are() -> None:
    assert recite("\n\n7\n", characters=5)[0] == "\n\n7\n\n"


def test_no_blank_line_stands_before_the_first_words() -> None:
    assert recite("\n\nab", lines=1) == ("ab", FinishReason.LENGTH)


def test_a_blank_line_at_the_end_of_the_prompt_is_the_only_one() -> None:
    assert recite("\nab", "k\n\n", lines=2)[0] == "ab"
    assert recite("\nab", "k\n", lines=2)[0] == "\nab"


def test_by_characters_blank_lines_come_as_they_are() -> None:
    assert recite("\n\n\na", characters=8)[0] == "\n\n\na\n\n\na"


@pytest.mark.parametrize("text", ["a", "\n", " "])
def test_a_poem_by_lines_that_finds_no_end_is_cut_off(text: str) -> None:
    shown, finish = recite(text, "k", lines=2)
    assert finish is FinishReason.CUT_OFF
    assert 1 + len(shown) <= MAX_CHARACTERS


def test_a_poem_without_a_length_goes_on_to_the_most_there_is() -> None:
    shown, finish = recite("a", "k")
    assert (1 + len(shown), finish) == (MAX_CHARACTERS, FinishReason.CUT_OFF)


@given(st.text("ab \n", max_size=20), st.text("ab \n", max_size=60), st.integers(1, 6))
@example("", "\n\na", 1)
@example("a\n ", "\n\n\nb\n", 2)
def test_by_lines_no_letter_is_left_out(prompt: str, stream: str, lines: int) -> None:
    stopping = StoppingCriteria(LengthConfig(lines=lines), prompt)
    shown = read = ""
    for character in stream:
        if stopping.finished is not None:
            break
        read += character
        shown += stopping.write(character)
    assert "".join(shown.split()) == "".join(read.split())
    assert "\n\n\n" not in shown
    inked = [line for line in (prompt + shown).split("\n") if line.strip()]
    if stopping.finished is None:
        assert len(inked) <= lines
    elif read:
        assert len(inked) == lines
        assert not (prompt + shown).endswith("\n")


@given(
    st.text("ab 1\n", max_size=60),
    st.lists(st.integers(0, 60), max_size=6),
    st.sampled_from([LengthConfig(lines=3), LengthConfig(characters=20), LengthConfig()]),
    st.sampled_from([(), ("b a",), ("aa", "\n\n"), ("abab", "ba")]),
)
@example("xabab", [5], LengthConfig(), ("abab", "ba"))
def test_it_does_not_matter_in_how_many_parts_the_text_comes(
    stream: str, cuts: list[int], length: LengthConfig, stop: tuple[str, ...]
) -> None:
    length = length.model_copy(update={"stop": stop})
    letters, parts = StoppingCriteria(length, "a"), StoppingCriteria(length, "a")
    shown = ""
    for character in stream:
        if letters.finished is None:
            shown += letters.write(character)
    begins = [0, *sorted(cuts), len(stream)]
    shown_in_parts = ""
    for begin, end in pairwise(begins):
        if parts.finished is None:
            shown_in_parts += parts.write(stream[begin:end])
    assert parts.finished is letters.finished
    assert shown_in_parts == shown


@given(st.text("ab", max_size=40), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_text_comes_up_to_the_first_stop_string_and_no_further(
    stream: str, stops: list[str]
) -> None:
    stopping = StoppingCriteria(LengthConfig(stop=tuple(stops)), "")
    shown = ""
    for character in stream:
        if stopping.finished is not None:
            break
        shown += stopping.write(character)
        assert stream.startswith(shown)
    # The place where a stop string is first complete, and where that one begins.
    ends = [end for end in range(len(stream) + 1) if stream[:end].endswith(tuple(stops))]
    if stops and ends:
        begins = [ends[0] - len(stop) for stop in stops if stream[: ends[0]].endswith(stop)]
        assert (shown, stopping.finished) == (stream[: min(begins)], FinishReason.STOP)
    else:
        assert stopping.finished is None
        assert not any(stop in shown for stop in stops)


def test_what_was_held_for_a_stop_string_comes_when_the_poem_ends_otherwise() -> None:
    stopping = StoppingCriteria(LengthConfig(characters=6, stop=("end.",)), "")
    assert [stopping.write("the e"), stopping.write("nd.")] == ["the ", "en"]
    assert stopping.finished is FinishReason.LENGTH
