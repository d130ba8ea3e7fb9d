"""What a stranger typed is shown, and is nothing but shown."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.core.records import Poem, PoemScansion, PoemSettings, Sampling
from bot.discord_app.poem_formatting import MAX_MESSAGE, escape, format_finished, measure
from tests.fuzz.discord_markdown import AT_LINE_START, INLINE, folded, read
from tests.fuzz.strings import hostile, sendable

SETTINGS = PoemSettings(Sampling(temperature=0.6), lines=14, characters=None)
LIVE = {
    "member": "<@1> <@!1>",
    "role": "<@&1>",
    "channel": "<#1>",
    "everyone": "@everyone",
    "command": "</sonnet:1>",
    "emoji": "<a:rose:1> :rose:",
    "time": "<t:1700000000:R>",
    "part of the server": "<id:guide>",
    "bare link": "HTTPS://a.example",
    "link in brackets": "<https://a.example> <ann@a.example> <+4930123456>",
    "masked link": "[free](https://a.example)",
    "invite": "DISCORD.gg/abc",
    "code": "```py\nx\n```",
    "bold": "**b**",
    "italics": "*i* _i_",
    "struck": "~~s~~",
    "spoiler": "||s||",
    "heading": "a\n## h",
    "small print": "-# s",
    "quote": "a\n>>> q",
    "item": "a\n  12. i",
}


def test_there_is_an_example_for_each_rule() -> None:
    assert list(LIVE) == [*INLINE, *AT_LINE_START]


@pytest.mark.parametrize("name", LIVE)
def test_the_reader_sees_what_is_live_and_none_of_it_once_it_is_escaped(name: str) -> None:
    assert name in read(LIVE[name]).live
    assert (read(escape(LIVE[name])).live, read(escape(LIVE[name])).shown) == ((), LIVE[name])


@settings(max_examples=400)
@given(hostile)
@example("discord.gg/abc\\")
@example("\\" * 7 + "@everyone")
@example("https:\\\\a.example")
@example("discord\u200b.gg/abc ｄiscord．gg／abc ｈttps：／／a.example ＠everyone ＜@1＞")
@example("\u202e<@1>\u202c\u2066[a](https://b.example)\u2069")
@example("a\u0301\u0302\u0303* b\u0334*")
@example("\u2028# h\u2029> q\x85- i\r- j\v1. k\f-# s")
def test_nothing_that_was_escaped_is_live(text: str) -> None:
    reading = read(escape(text))
    assert (reading.live, reading.shown) == ((), text)


@settings(max_examples=200)
@given(hostile, hostile)
def test_nothing_comes_alive_where_two_texts_meet(one: str, other: str) -> None:
    assert read(escape(one) + "\n" + escape(other)).live == ()
    assert read(f"{escape(one)} · {escape(other)}").live == ()


@settings(max_examples=200)
@given(hostile)
def test_escaping_leaves_no_plain_mark_behind_an_invisible_one(text: str) -> None:
    """A client that dropped what nobody sees would still find a backslash before each mark."""
    invisible = "".join(c for c in escape(text) if c not in "\u200b\u200c\u200d\u2060\ufeff\xad")
    assert not [name for name in read(invisible).live if name != "item" and name != "small print"]


@pytest.mark.parametrize("wide", ["ｈttps：／／a.example", "discord．gg／abc", "＜@1＞", "＃ h"])
def test_wide_signs_are_sent_wide(wide: str) -> None:
    """No client takes them for narrow ones, as this reader would once they were folded."""
    assert escape(wide) == wide or "\\" in escape(wide)
    assert folded(escape(wide)) != escape(wide)
    assert read(escape(wide)).live == ()


@settings(max_examples=60)
@given(seed=sendable, title=sendable, note=sendable, again=st.integers(1, 12))
def test_a_whole_reply_has_a_heading_a_footer_and_nothing_else_that_is_live(
    seed: str, title: str, note: str, again: int
) -> None:
    poem = Poem((seed + "\n") * again, seed, "sonnets", "a1" * 32, 7, SETTINGS, (note,),
                looks=PoemScansion(title))  # fmt: skip
    parts = format_finished(poem)
    assert all(measure(part.content) <= MAX_MESSAGE for part in parts)
    live = [name for part in parts for name in read(part.content).live]
    has_heading = bool(title.split()) and parts[0].file is None
    assert sorted(live) == ["heading"] * has_heading + ["small print"]
