"""Poems as messages, and back."""

from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.records import Ending, Poem, PoemSettings, QueuePosition, Sampling
from bot.discord_app import poem_formatting
from bot.discord_app.poem_formatting import (
    MAX_FOOTER,
    MAX_MESSAGE,
    MAX_PARTS,
    escape,
    format_finished,
    format_growing,
    measure,
    plain_words,
    read_last_line,
    read_seed,
    read_verse,
    shown_seed_length,
    split_verse,
    unescape,
)

SETTINGS = PoemSettings(Sampling(temperature=0.6), lines=14, characters=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # what Discord can send: no surrogates
VERSE = st.text(st.sampled_from("ab .,-+#>*_`|~<@:/\\[(\n1🌹é"), max_size=4000)


def _poem(text: str, seed: str = "", notes: tuple[str, ...] = ()) -> Poem:
    return Poem(text, seed, "sonnets", "a1" * 32, 7, SETTINGS, notes)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(poem_formatting).failed == 0


@given(TEXT)
def test_unescape_undoes_escape(text: str) -> None:
    assert unescape(escape(text)) == text


@given(VERSE)
def test_unescape_undoes_escape_where_markdown_is_dense(text: str) -> None:
    assert unescape(escape(text)) == text


@pytest.mark.parametrize(
    "live",
    [
        "**bold**",
        "_it_ and __under__",
        "~~gone~~",
        "||secret||",
        "`code`",
        "```\nblock\n```",
        "> quote",
        ">>> all of it",
        "# heading",
        "-# small",
        "- item",
        "  * item",
        "+ item",
        "1. item",
        "<@1> <@!1> <@&1> <#1>",
        "@everyone @here",
        "<t:0:R>",
        "<:rose:1> <a:rose:1>",
        ":smile:",
        "</sonnet:1>",
        "[text](https://a.example)",
        "http://a.example",
        "discord.gg/abc",
        "<https://a.example>",
        "\\*",
    ],
)
def test_markdown_is_inert(live: str) -> None:
    escaped = escape(live)
    bare = re.sub(r"\\[^0-9A-Za-z\s]", "", escaped)  # what is left for Discord to interpret
    assert not re.search(r"[*_~|`<>@#\[/\\]|:\S|^\s*([-+]|\d+\.)", bare, re.MULTILINE)


@pytest.mark.parametrize("calm", ["shall i compare thee,", "o, 'tis true: a rose", "well-known"])
def test_plain_verse_stays_as_it_is(calm: str) -> None:
    assert escape(calm) == calm


@given(VERSE)
def test_every_part_fits_and_nothing_but_line_ends_is_lost(text: str) -> None:
    parts = format_finished(_poem(text))
    assert len(parts) <= MAX_PARTS
    assert all(measure(part.content) <= MAX_MESSAGE for part in parts)
    shown = "".join(read_verse(part.content) for part in parts)
    assert shown.split() == text.split() or "".join(shown.split()) == "".join(text.split())


@given(st.text(st.sampled_from("ab*<\n 🌹"), max_size=500), st.integers(0, 3000))
def test_the_seed_can_be_read_from_the_first_part(seed: str, length: int) -> None:
    poem = _poem(seed + "and so it goes on\n" * (length // 18), seed)
    first = format_finished(poem)[0].content.strip()  # Discord strips messages
    assert read_seed(first, shown_seed_length(poem)) == seed.strip()


def test_a_cut_is_made_at_a_stanza_or_else_at_a_line_or_else_at_a_word() -> None:
    assert split_verse("x" * 1000 + "\n\n" + "y\n" * 500)[0] == "x" * 1000
    assert split_verse("x" * 1000 + "\n" + "y " * 500)[0] == "x" * 1000
    assert split_verse("x" * 1000 + " " + "y" * 1500)[0] == "x" * 1000
    assert split_verse("x" * 2000)[0] == "x" * 1600


def test_a_part_that_is_full_does_not_change_when_the_poem_grows() -> None:
    verse = "the evening lays its hand\n" * 300
    assert split_verse(verse[:2500])[0] == split_verse(verse)[0]


def test_a_very_long_poem_is_a_file_with_its_beginning_and_end() -> None:
    poem = _poem("a rose\n" + "x*" * 6000 + "\nthe end", "a rose")
    (part,) = format_finished(poem)
    assert part.file is not None
    assert part.file.name == "poem-7.txt"
    assert part.file.text.startswith(poem.text)
    assert measure(part.content) <= MAX_MESSAGE
    assert read_seed(part.content, 6) == "a rose"
    assert read_last_line(part.content) == "the end"


@given(st.text(st.sampled_from("*🌹a\n"), min_size=1, max_size=40))
def test_what_stands_beside_a_file_fits(motif: str) -> None:
    text = (motif * 10_000)[:10_000]
    parts = format_finished(_poem(text, text[:500]))
    assert all(measure(part.content) <= MAX_MESSAGE for part in parts)


def test_notes_are_small_print_and_cut_when_they_are_long() -> None:
    content = format_finished(_poem("a rose", notes=("first *note*\nsecond", "x" * 900)))[0].content
    verse, small = content.split("\n")
    assert verse == "a rose"
    assert small.startswith("-# sonnets · random seed 7 · first \\*note\\* second · xxx")
    assert len(small) <= MAX_FOOTER
    assert small.endswith("…")


def test_a_poem_that_was_cut_short_says_so() -> None:
    poem = Poem("a", "a", "m", "0" * 64, 1, SETTINGS, (), Ending.CANCELLED)
    assert format_finished(poem)[0].content.endswith("Stopped early.")


def test_the_last_line_is_read_without_the_small_print() -> None:
    content = format_finished(_poem("a rose\n\nis a *rose*\n"))[0].content
    assert read_last_line(content) == "is a *rose*"
    assert read_last_line("-# only small print") == ""


def test_a_growing_poem_shows_its_state() -> None:
    assert format_growing("a rose", QueuePosition(0)).content == "a rose\n-# writing…"
    assert (
        format_growing("a rose", QueuePosition(1)).content
        == "a rose\n-# In the queue: yours is next."
    )
    assert "3,000 characters so far" in format_growing("x" * 3000, QueuePosition(0)).content


def test_a_poem_that_reached_the_most_a_poem_may_have_is_not_called_cut_short() -> None:
    poem = Poem("a", "a", "m", "0" * 64, 1, SETTINGS, ("It ends here.",), Ending.CUT_OFF)
    assert format_finished(poem)[0].content.endswith("· It ends here.")


def test_mentions_without_a_name_stay_readable() -> None:
    assert plain_words("<@!1> in <#2>, <@&3> <a:x:4>", {"#2": "verse"}) == (
        "@somebody in #verse, @somebody :x:"
    )
