"""What comes from Discord: options, buttons, messages that are read back."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.core.jobs import Progress
from bot.core.poem_settings import complete_settings
from bot.core.records import Asker, Defaults, Poem, PoemRequest, QueuePosition
from bot.core.training.process import apply_event, read_event
from bot.discord_app.button_state import (
    MAX_CUSTOM_ID,
    pack_ownership,
    pack_poem_state,
    read_ownership,
    read_poem_state,
)
from bot.discord_app.messages import read_flags
from bot.discord_app.poem_formatting import (
    MAX_VERSE,
    escape,
    format_finished,
    format_growing,
    help_text,
    measure,
    plain_words,
    read_last_line,
    read_seed,
    read_title,
    read_verse,
    split_verse,
    unescape,
)
from tests.fuzz.answers import answer
from tests.fuzz.strings import hostile, json_values, sendable
from tests.fuzz.test_markdown import SETTINGS

REQUEST = PoemRequest(Asker("discord:1"))
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
ids = st.text(st.sampled_from(DIGITS + "-:.gslc"), max_size=100)
flags = st.lists(
    st.builds(
        lambda name, between, value: f"--{name}{between}{value} ",
        st.sampled_from(["form", "lines", "temperature", "random-seed", "model", "nothing"]),
        st.sampled_from([" ", "=", "", "  "]),
        st.sampled_from(["1", "-1", "٣", "1_0", "nan", "inf", "1e999", "0x1", "9" * 5_000, "x", ""])
        | hostile,
    ),
    max_size=6,
).map("".join)


@given(flags | hostile)
@example("--lines " + "9" * 5_000)
@example("--temperature nan rose")
def test_options_are_taken_or_belong_to_the_seed(typed: str) -> None:
    request = read_flags(plain_words(typed, {}), REQUEST)
    assert plain_words(typed, {}).endswith(request.seed)
    answer(lambda: complete_settings(request, Defaults()))


@given(hostile, st.dictionaries(st.sampled_from(["@1", "@&1", "#1"]), hostile))
def test_mentions_become_words(content: str, names: dict[str, str]) -> None:
    assert "<@1>" not in plain_words(content, names) or any("<@1>" in n for n in names.values())


recipes = st.from_regex(
    r"[0-9a-f]{12}-[0-9a-z]{1,11}-[0-9a-z]{1,4}-[0-9a-z]{1,3}-[0-9a-z]{1,4}-[0-9a-z]{1,4}"
    r"(-[0-9a-z]{1,2})?-[gs][lc][0-9a-z]{1,4}(-[a-z])?:[0-9a-z]{1,3}:[0-9a-z]{1,13}",
    fullmatch=True,
)


@given(recipes | ids | hostile)
def test_a_buttons_recipe_is_sound_or_none(text: str) -> None:
    state = read_poem_state(text)
    if state is not None:
        again = pack_poem_state(state)
        assert len(again) <= MAX_CUSTOM_ID
        assert read_poem_state(again) == state


@given(st.from_regex(r"[0-9a-z]{1,14}(:[0-9a-z]{1,14}(\.[0-9a-z]{0,14}){0,6})?") | ids | hostile)
@example("1:1." + "z" * 5_000)  # more digits than Python reads
def test_a_buttons_owner_is_sound_or_none(text: str) -> None:
    owner = read_ownership(text)
    if owner is not None:
        assert read_ownership(pack_ownership(owner.asker, owner.parts)) == owner


@settings(max_examples=200)
@given(hostile)
def test_what_is_escaped_can_be_read_back(text: str) -> None:
    assert unescape(escape(text)) == text
    unescape(text)


@given(hostile, st.integers(-1, 5_000))
def test_any_message_can_be_read(content: str, length: int) -> None:
    for read in (read_verse, read_title, read_last_line):
        assert isinstance(read(content), str)
    assert isinstance(read_seed(content, length), str)


@given(sendable, st.integers(1, 200), st.integers(0, 500))
def test_any_poem_is_cut_into_pieces_that_fit(motif: str, times: int, keep: int) -> None:
    verse = (motif * times)[:10_000]
    pieces = split_verse(verse, keep=keep)
    assert all(measure(escape(piece)) <= MAX_VERSE for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(verse.split())


@given(sendable, st.lists(hostile, max_size=3), st.integers(0, 10**6))
def test_any_poem_can_be_shown(text: str, notes: list[str], random_seed: int) -> None:
    poem = Poem(text, text[:7], "sonnets", "a1" * 32, random_seed, SETTINGS, tuple(notes))
    format_finished(poem)
    format_growing(text, QueuePosition(0))
    help_text(text, "!", notes, {text: 1})


events = st.dictionaries(
    st.sampled_from(
        "event epoch epochs step steps loss characters_per_second seconds_left watched "
        "running_loss held_out_loss seconds chart text note training_loss".split()
    ),
    json_values | st.sampled_from(["progress", "epoch", "sample", "note", "poem", "done"]),
)


@given(st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode()))
@example(b"9" * 5_000)
@example(b"\xff")
def test_a_line_that_is_no_event_is_an_empty_one(line: bytes) -> None:
    assert isinstance(read_event(line), dict)


@given(events)
def test_an_event_that_makes_no_sense_is_told_by_what_the_foreman_catches(
    event: dict[str, object],
) -> None:
    with suppress(KeyError, TypeError, ZeroDivisionError):
        assert isinstance(apply_event(Progress(), event), Progress)
