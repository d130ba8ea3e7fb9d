"""A guild's settings: what each may be, and what becomes of those that were kept."""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from bot.core.daily import DailyPoem
from bot.core.errors import BadSetting
from bot.core.guild_settings import SETTING_RULES, GuildSettings, plain, read_guild_settings
from bot.core.poem_settings import avoided_word
from bot.core.records import Defaults, Sampling
from model import without_invisible

EVERY = "".join(map(chr, range(sys.maxunicode + 1)))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    SCALARS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)
# Near to what is allowed, so that much of it is.
NUMBERS = st.integers(-1, 600) | st.floats(-1, 4000) | st.sampled_from(["7", "0.5", "1e400", "x"])
NEAR = st.sampled_from([
    *("sonnet", "free", "Haiku", "on", "NO", "1234", "12345678901234567890", "sea", " Rose "),
    *("ｓｅａ", "café", "STRASSE", "İ", "two words", "", "0"),
])  # fmt: skip
KEPT = st.dictionaries(
    st.sampled_from([*SETTING_RULES, "something else"]),
    JSON | NUMBERS | NEAR | st.lists(NEAR),
    max_size=9,
)


# What each may be


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("channels", ["1", "12345678901234567890"], ("1", "12345678901234567890")),
        ("channels", "123", ("123",)),
        ("roles", [7], ("7",)),
        ("managers", ("1",) * 50, ("1",) * 50),
        ("managers", [], ()),
        ("cooldown_seconds", 0, 0.0),
        ("cooldown_seconds", "3600", 3600.0),
        ("form", "free", "free"),
        ("form", "haiku", "haiku"),
        ("lines", 1, 1),
        ("lines", "500", 500),
        ("temperature", 0.05, 0.05),
        ("temperature", "2", 2.0),
        ("avoid", ["Sea", " rose ", "SEA"], ("sea", "rose")),
        ("avoid", "Café", ("café",)),
        ("avoid", ["की", "हिन्दी", "น้ำ"], ("की", "हिन्दी", unicodedata.normalize("NFKC", "น้ำ"))),
        ("switch", False, False),
        ("switch", "On", True),
        ("switch", "no", False),
    ],
)
def test_what_a_setting_may_be_is_taken(name: str, value: object, kept: object) -> None:
    assert getattr(GuildSettings().change(name, value), name) == kept


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("channels", ["general"], "channels is 'general'; it must be a channel or role"),
        ("channels", ["1" * 21], "it must be a channel or role"),
        ("roles", ["1", "١٢"], "it must be a channel or role"),
        ("managers", ["1"] * 51, "managers is 51; it must be at most 50"),
        ("cooldown_seconds", -1, "cooldown seconds is -1; it must be between 0 and 3,600"),
        ("cooldown_seconds", 3601, "between 0 and 3,600"),
        ("cooldown_seconds", "nan", "between 0 and 3,600"),
        ("form", "limerick", "form is 'limerick'; it must be one of sonnet, quatrain"),
        ("form", ["sonnet"], "it must be one of sonnet, quatrain"),
        ("lines", 0, "lines is 0; it must be between 1 and 500"),
        ("lines", 501, "between 1 and 500"),
        ("lines", 2.5, "between 1 and 500"),
        ("lines", True, "between 1 and 500"),
        ("temperature", 0.04, "temperature is 0.04; it must be between 0.05 and 2.0"),
        ("temperature", "2.1", "between 0.05 and 2.0"),
        ("temperature", "hot", "temperature is 'hot'"),
        ("avoid", ["two words"], "single words of 1 to 30 letters"),
        ("avoid", ["x" * 31], "single words of 1 to 30 letters"),
        ("avoid", ["\u0940"], "single words of 1 to 30 letters"),
        ("avoid", ["\u0336"], "single words of 1 to 30 letters"),
        ("avoid", [""], "single words of 1 to 30 letters"),
        ("avoid", [f"a{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(201)], "at most 200"),
        ("switch", "perhaps", "switch is 'perhaps'; it must be on or off"),
        ("switch", 1, "it must be on or off"),
    ],
)
def test_what_a_setting_may_not_be_is_refused(name: str, value: object, sentence: str) -> None:
    with pytest.raises(BadSetting, match=sentence):
        GuildSettings().change(name, value)


@pytest.mark.parametrize("name", ["colour", "adapt", "__class__", ""])
def test_a_setting_that_there_is_not_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(
        BadSetting,
        match=r"it must be one of channels, roles, .*, channel_models, daily, keep_channel",
    ):
        GuildSettings().change(name, "x")


def test_words_to_avoid_are_kept_as_seeds_are_compared() -> None:
    """A full-width word was kept as it was typed, which is never how it stands in a seed."""
    assert GuildSettings().change("avoid", ["ｓｅａ", "ﬁre", "Cafe\u0301"]).avoid == (
        "sea",
        "fire",
        "café",
    )


# Changes


OWN = f"12 walks {'a1' * 32}"


def test_a_channel_has_its_own_model_before_its_category() -> None:
    settings = GuildSettings(channel_models=(OWN,))
    settings = settings.change("channel_models", settings.with_model_in("7", ("sea", "b2" * 32)))
    assert settings.model_in("12", "7") == ("walks", "a1" * 32)
    assert settings.model_in("9", "7") == ("sea", "b2" * 32)
    assert settings.model_in("9", "") is None
    assert settings.with_model_in("12", None) == (f"7 sea {'b2' * 32}",)


@pytest.mark.parametrize("value", ["12", "x walks a1", f"0 walks {'a1' * 32}", [OWN] * 51])
def test_what_names_no_channel_and_model_is_refused(value: object) -> None:
    with pytest.raises(BadSetting, match="channel models"):
        GuildSettings().change("channel_models", value)


@pytest.mark.parametrize("name", SETTING_RULES)
def test_none_puts_a_setting_back(name: str) -> None:
    settled = GuildSettings(
        channels=("1",),
        roles=("2",),
        managers=("3",),
        cooldown_seconds=0.0,
        form="haiku",
        lines=3,
        temperature=1.0,
        avoid=("sea",),
        switch=False,
        channel_models=(OWN,),
        daily=DailyPoem("7"),
        keep_channel="8",
        language="de",
    )
    back = settled.change(name, None)
    assert getattr(back, name) == getattr(GuildSettings(), name)
    assert [
        other for other in SETTING_RULES if getattr(back, other) != getattr(settled, other)
    ] == [name]


def test_only_what_was_settled_is_kept() -> None:
    assert GuildSettings().as_dict() == {}
    settled = GuildSettings().change("lines", 8).change("switch", "off").change("form", "haiku")
    assert settled.change("form", None).as_dict() == {"lines": 8, "switch": False}


def test_a_cooldown_of_zero_is_something_settled() -> None:
    assert GuildSettings().change("cooldown_seconds", 0).as_dict() == {"cooldown_seconds": 0.0}


# What a poem gets


def test_a_guild_that_settled_nothing_changes_no_default() -> None:
    assert GuildSettings().adapt(Defaults()) == Defaults()


def test_what_a_guild_settled_goes_before_the_defaults() -> None:
    usual, warm = Sampling(top_k=40), Sampling(top_k=40, temperature=1.5)
    adapted = GuildSettings(form="haiku", lines=3, temperature=1.5).adapt(Defaults(sampling=usual))
    assert adapted == Defaults(form="haiku", lines=3, sampling=warm, verse_temperature=1.5)


# What was kept


def test_of_what_was_kept_the_unknown_and_the_unsound_are_left_out() -> None:
    kept: dict[str, object] = {
        "colour": "blue",
        "lines": 9_000,
        "form": {"of": "verse"},
        "avoid": ["sea"],
        "temperature": "0.5",
    }
    assert read_guild_settings(kept) == GuildSettings(avoid=("sea",), temperature=0.5)


@given(kept=KEPT)
def test_whatever_was_kept_can_be_read_and_kept_again(kept: dict[str, Any]) -> None:
    guild_settings = read_guild_settings(kept)
    again = json.loads(json.dumps(guild_settings.as_dict()))
    assert read_guild_settings(again) == guild_settings
    assert again.keys() <= kept.keys()


@pytest.mark.parametrize("mark", "’ʼ´'")
def test_an_apostrophe_of_any_kind_hides_no_word_that_is_avoided(mark: str) -> None:
    assert avoided_word(f"the rose{mark}s red", ("rose",)) == "rose"


def test_nothing_that_a_reader_does_not_see_hides_a_word_to_avoid() -> None:
    unseen = set(EVERY) - set(without_invisible(EVERY))
    ignorable = regex.findall(r"\p{Default_Ignorable_Code_Point}", EVERY)
    assert len(ignorable) == 4_174
    assert unseen.issuperset({*ignorable, *"\v\f\x85"})  # a seed is shown without these
    for character in unseen:
        assert avoided_word(f"a ro{character}se is", ("rose",)) == "rose"
    hidden = "ro\N{COMBINING GRAPHEME JOINER}s\N{HANGUL FILLER}e\ufe0f"
    assert GuildSettings().change("avoid", [hidden, "rose"]).avoid == ("rose",)


def test_no_mark_hides_a_word_to_avoid() -> None:
    marks = regex.findall(r"\p{M}", EVERY)
    assert len(marks) > 2400
    for mark in marks:
        assert avoided_word(f"a ro{mark}se{mark} is", ("rose",)) == "rose"
    assert avoided_word("r" + 99 * "\u0336" + "ose", ("rose",)) == "rose"


@pytest.mark.parametrize(
    ("seed", "word"),
    [
        *(("a café", "cafe"), ("a cafe", "café"), ("a CAFE\u0301", "café"), ("ﬁre", "fire")),
        *(("𝓻𝓸𝓼𝓮", "rose"), ("STRASSE", "straße"), ("ΛΟΓΟΣ", "λόγος"), ("İstanbul", "istanbul")),
        *(("घर की ओर", "की"), ("क\u0336ी", "की"), ("น้ำ", "น้ำ"), ("한글", "한글")),
    ],
)
def test_a_word_to_avoid_is_found_however_it_is_written(seed: str, word: str) -> None:
    [listed] = GuildSettings().change("avoid", word).avoid
    assert avoided_word(seed, (listed,)) == listed


@pytest.mark.parametrize(
    ("seed", "word"), [("का", "की"), ("की", "क"), ("नदी", "नद"), ("roe", "rose")]
)
def test_another_vowel_sign_makes_another_word(seed: str, word: str) -> None:
    assert avoided_word(seed, (word,)) is None


def test_every_word_that_was_allowed_is_still_allowed() -> None:
    """A list with one word that is refused would be forgotten as a whole."""
    for letter in filter(str.isalpha, EVERY[:0x3000]):
        word = plain(without_invisible(letter)).lower().strip()
        if word.isalpha() and len(word) <= 30:
            GuildSettings().change("avoid", letter)
