"""What admins, hosts and the database say of how it shall be."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.config import SECTIONS, load_config
from bot.core.errors import BadConfig
from bot.core.guild_settings import SETTING_RULES, GuildSettings, check_words, read_guild_settings
from bot.core.guilds import Guilds
from bot.core.poem_settings import avoided_word, complete_settings
from bot.core.records import FORMS, SAMPLING_SETTINGS, Asker, Defaults, PoemRequest
from bot.core.store.database import Database
from bot.core.store.guilds import GuildStore
from tests.fuzz.answers import answer
from tests.fuzz.strings import hostile, json_values, numbers

GUILD = "10"
sampling = st.fixed_dictionaries(
    {},
    optional={
        each.name: st.booleans() if each.kind is bool else numbers for each in SAMPLING_SETTINGS
    },
)
request_fields = st.fixed_dictionaries(
    {},
    optional={
        "seed": hostile,
        "lines": numbers,
        "characters": numbers,
        "random_seed": numbers,
        "sampling": sampling,
        "form": hostile | st.sampled_from([*FORMS, "free", "SONNET", ""]),
        "stop": st.lists(hostile, max_size=10).map(tuple),
        "avoid": st.lists(hostile | st.sampled_from(["rose", "ﬁre", "CAFE\u0301"]), max_size=5).map(
            tuple
        ),
    },
)


@given(request_fields)
def test_a_request_is_settled_or_refused(fields: dict[str, object]) -> None:
    request = replace(PoemRequest(Asker("web:1")), **fields)  # type: ignore[arg-type]
    settings = answer(lambda: complete_settings(request, Defaults()))
    if settings is not None:
        assert settings.lines is not None or settings.characters is not None


@given(st.sampled_from([*SETTING_RULES, "nothing"]) | hostile, json_values)
@example("lines", 10**400)
@example("temperature", float("nan"))
@example("avoid", ["a" + "\u0300\u0316" * 2_000])
@example("channels", ["1" * 5_000])
def test_a_setting_is_taken_or_refused(name: str, value: object) -> None:
    guild_settings = answer(lambda: GuildSettings().change(name, value))
    if guild_settings is not None:
        again = json.loads(json.dumps(guild_settings.as_dict()))  # as it is kept
        assert read_guild_settings(again) == guild_settings
        guild_settings.adapt(Defaults())


@given(st.dictionaries(st.sampled_from(list(SETTING_RULES)) | hostile, json_values))
def test_what_was_kept_is_read_whatever_has_become_of_it(values: dict[str, object]) -> None:
    assert isinstance(read_guild_settings(values), GuildSettings)


@given(st.lists(hostile, max_size=3), hostile)
def test_words_to_avoid_are_words(words: list[str], text: str) -> None:
    checked = answer(lambda: check_words("avoid", words)) or ()
    assert all(word.isalpha() and len(word) <= 30 for word in checked)
    found = avoided_word(text, checked)
    assert found is None or found in checked


def test_accents_beyond_count_hide_no_word_that_is_to_be_avoided() -> None:
    piled = "a" + "\N{COMBINING TILDE}" * 10_000
    assert avoided_word(f"{piled} rose", ("rose",)) == "rose"
    assert avoided_word(f"{piled}\nrose{piled}", ("rose",)) is None
    assert avoided_word("ro\N{FULLWIDTH LATIN SMALL LETTER S}e", ("rose",)) == "rose"


@pytest.mark.parametrize(
    "value",
    ["", "{", "NaN]", "9" * 5_000, "[" * 50_000, '"\\ud800"', "\x00", "{}", "[[1]]", "1e999"],
)
async def test_a_damaged_setting_is_left_out_and_the_others_hold(
    tmp_path: Path, value: str
) -> None:
    """One bracket that was lost kept the bot from starting."""
    database = await Database.open(tmp_path / "data")
    try:
        rows = GuildStore(database)
        await rows.keep_settings(GUILD, {"lines": 8, "temperature": 0.5})
        await database.execute("UPDATE settings SET value = ? WHERE name = 'lines'", value)
        guilds = await Guilds.read(rows)
        assert guilds.guild_settings(GUILD) == GuildSettings(temperature=0.5)
    finally:
        await database.close()


toml_values = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(lambda value: repr(value)),
    st.booleans().map(lambda value: str(value).lower()),
    hostile.map(lambda text: json.dumps(text)),
    st.lists(hostile.map(json.dumps), max_size=3).map(lambda texts: f"[{', '.join(texts)}]"),
    st.sampled_from(["1979-05-27", "{a = 1}", "[[]]", "''", "0x_f", "inf", "-nan", "1e400", ""]),
)
keys = st.sampled_from(
    [f"{name}.{key}" for name, section in SECTIONS.items() for key in section.model_fields]
    + ["token", "home", "nothing", "web.nothing", "web", "writing", "a.b.c", '"web.host"', '""']
)


@given(st.lists(st.tuples(keys, toml_values), max_size=3), st.booleans())
def test_a_config_file_is_read_or_refused(
    tmp_path: Path, lines: list[tuple[str, str]], broken: bool
) -> None:
    path = tmp_path / "config.toml"
    text = "\n".join(f"{key} = {value}" for key, value in lines) + ("\n[" if broken else "")
    path.write_text(text, "utf-8", errors="replace")
    with suppress(BadConfig):  # which the host reads, at whatever length they wrote
        load_config(path, {})


@given(st.binary(max_size=60))
def test_a_config_file_of_any_bytes_is_read_or_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(raw)
    with suppress(BadConfig):  # which the host reads, at whatever length they wrote
        load_config(path, {})
