"""config.toml: what is read, and the sentence for what cannot be."""

from __future__ import annotations

import re
import tomllib
import traceback
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.config import SECTIONS, Config, load_config
from bot.core.errors import BadConfig
from bot.sources import DEFAULT_PATH


def config_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_file_that_ships_says_exactly_the_defaults() -> None:
    shipped = tomllib.loads(DEFAULT_PATH.read_text("utf-8"))
    assert shipped == {name: section().model_dump() for name, section in SECTIONS.items()}


def test_every_line_may_be_left_out(tmp_path: Path) -> None:
    config = load_config(config_file(tmp_path, "[web]\nport = 9000\n"), {})
    assert config.web.port == 9000
    assert config.web.host == "127.0.0.1"
    assert config.writing == Config().writing


def test_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    assert load_config(config_file(tmp_path, ""), {}).home == tmp_path


def test_the_token_comes_from_the_environment_and_is_never_shown(tmp_path: Path) -> None:
    config = load_config(config_file(tmp_path, ""), {"DISCORD_TOKEN": " a-secret "})
    assert config.token is not None
    assert config.token.get_secret_value() == "a-secret"
    assert "a-secret" not in repr(config)


def test_an_empty_token_is_no_token(tmp_path: Path) -> None:
    assert load_config(config_file(tmp_path, ""), {"DISCORD_TOKEN": " "}).token is None


def test_the_key_of_the_api_comes_from_the_environment_and_is_never_shown(tmp_path: Path) -> None:
    key = "key-of-a-file-9876543210"
    config = load_config(config_file(tmp_path, ""), {"SONNETEER_API_KEY": f" {key}\n"})
    assert config.api_key is not None
    assert config.api_key.get_secret_value() == key
    assert key not in repr(config)
    with pytest.raises(BadConfig) as refused:
        load_config(config_file(tmp_path, f"web.host = 7\nweb.port = '{key}'"), {})
    assert key not in str(refused.value)


@pytest.mark.parametrize("key", ["short", "sixteen letters and spaces", "ключ-для-программ-123"])
def test_a_key_that_is_easily_guessed_or_cannot_be_sent_is_refused(
    tmp_path: Path, key: str
) -> None:
    with pytest.raises(BadConfig, match="SONNETEER_API_KEY has") as refused:
        load_config(config_file(tmp_path, ""), {"SONNETEER_API_KEY": key})
    assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[web]\nport = 99999", "web.port is 99999; it must be a whole number from 0 to 65,535."),
        ("[web]\nprot = 1", "unknown key web.prot; [web] knows enabled, host, port"),
        ('[discord]\ndata_folder = "d"', "discord.data_folder has moved: write folder under"),
        ("[wob]\nx = 1", "unknown key wob; the file knows models, writing"),
        ("web = 3", "web is 3; it must be a section such as [web]."),
        (
            "[writing]\ntemperature = 'hot'",
            "writing.temperature is 'hot'; it must be a number from 0.05 to 2.0.",
        ),
        ("[writing]\ntemperature = nan", "writing.temperature is nan; it must be a number from"),
        ("[writing]\nlines = 2.5", "writing.lines is 2.5; it must be a whole number from 1"),
        ("[web]\nenabled = 1", "web.enabled is 1; it must be true or false."),
        ("[web]\ntrusted_proxies = ['me']", "web.trusted_proxies is 'me'; it must be a list of"),
        ("[discord]\nprefix = ''", "discord.prefix is ''; it must be 1 to 10 characters"),
        ("[discord]\napi_url = 'ftp://x'", "discord.api_url is 'ftp://x'; it must be an address"),
        ("token = 'abc'", "has a key 'token', which does not belong there"),
        ("x = [", "cannot be read: Invalid value"),
        ("x = " + "[" * 100_000, "is nested too deeply to be read."),
        ("x = " + "{a=" * 2_000, "is nested too deeply to be read."),
        ("web.port" + ".a" * 500 + " = 1", "web.port is {'a': {'a': {'a'"),
        ("x = " + "9" * 5_000, "cannot be read: Exceeds the limit"),
        ("web.port = 0x" + "f" * 5_000, "web.port is too much to be shown; it must be"),
        (f"web.host = ['{'x' * 5_000}']", "xxx…; it must be an address or a host name of this"),
        ("web.host = ['a', 1]", "web.host is ['a', 1]; it must be an address or a host name of"),
        ("books.proxy = 'https://a'", "books.proxy is 'https://a'; it must be http://HOST:PORT"),
    ],
)
def test_bad_settings_get_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(BadConfig) as caught:
        load_config(config_file(tmp_path, text), {})
    assert sentence in str(caught.value)


@pytest.mark.parametrize("key", ["a", "web.port"])
def test_a_key_of_thousands_of_parts_gets_one_short_sentence(tmp_path: Path, key: str) -> None:
    """How deep tables may be, and be shown, depends on the version of Python."""
    with pytest.raises(BadConfig) as caught:
        load_config(config_file(tmp_path, f"{key}{'.a' * 5_000} = 1"), {})
    sentence = str(caught.value)
    assert len(sentence) < 600
    assert "\n" not in sentence
    assert re.search("unknown key a;|web.port is .+; it must be|is nested too deeply", sentence)


def test_a_token_in_the_file_is_refused_without_being_repeated(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as caught:
        load_config(config_file(tmp_path, "token = 'a-secret'"), {})
    assert "a-secret" not in str(caught.value)


def test_a_missing_file_is_an_error_only_when_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="does not exist"):
        load_config(tmp_path / "none.toml", {})


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadConfig, match="cannot be read"):
        load_config(tmp_path / "config.toml", {})


@settings(max_examples=100)
@given(
    section=st.sampled_from(sorted(SECTIONS)) | st.text("abc", min_size=1),
    key=st.sampled_from(["port", "host", "lines", "prefix", "top_p", "folder"])
    | st.text("xy", min_size=1),
    value=st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]))
    | st.booleans(),
)
def test_whatever_stands_in_the_file_it_is_read_or_refused(
    tmp_path: Path, section: str, key: str, value: object
) -> None:
    text = f"[{section}]\n{key} = {_toml(value)}\n"
    try:
        config = load_config(config_file(tmp_path, text), {})
    except BadConfig as error:
        refusal = str(error)
    else:
        refusal = ""
        assert getattr(getattr(config, section), key) == value
    assert "\n" not in refusal


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


TOKEN = "MTA1MjM0NTY3ODkwMTIzNDU2.GhIjKl.0123456789abcdefghijklmnopqrstuv"


@pytest.mark.token_on_purpose("file")
@pytest.mark.parametrize("environment", [{}, {"DISCORD_TOKEN": TOKEN}])
@pytest.mark.parametrize(
    "text",
    [
        'Token = "{}"',
        'TOKEN = "{}"',
        '[discord]\nsecret = "{}"',
        '[discord]\nbot_token = ["{}"]',
        '[discord]\nprefix = "{}"',
        '[discord]\nprefix = "Bot {}"',
        '[discord]\napi_url = "x {}"',
        '[discord]\nowners = ["{}"]',
        '[web]\nport = "{}"',
        '[web]\nport = {{ a = "{}" }}',
        '[web]\nallowed_hosts = "{}"',
        '[web]\ntrusted_proxies = ["{}"]',
        '[books]\ngutenberg = "https://host/?a={}"',
        "[{}]",
        '["{}"]\na = 1',
        "[discord.{}]\na = 1",
        '[discord]\n"{}" = 1',
        '"{}" = 1',
        "{} = 1",
        "[a.{0}]\n[a.{0}]",
        "{}",
        'token = "{}',
        "prefix = {}",
        "a = 1\na.{} = 2",
        "[[a]]\n[a.{0}]\n[[a.{0}]]",
    ],
)
def test_a_token_anywhere_in_the_file_is_not_repeated(
    tmp_path: Path, text: str, environment: dict[str, str]
) -> None:
    with pytest.raises(BadConfig) as refusal:
        load_config(config_file(tmp_path, text.format(TOKEN)), environment)
    told = "".join(traceback.format_exception(refusal.value)).split("bot.core.errors.", 1)[1]
    assert not any(part in told for part in TOKEN.split("."))


@pytest.mark.parametrize(
    "text",
    [
        "discord.secret = 'hunter2'",
        "secrets = ['hunter2']",
        "[secrets]\nprefix = 'hunter2'",
        "['hunter2']",
        "token = 'hunter2'",
        "web.host.hunter2 = 'hunter2'\nweb.hunter2 = 1\nweb.host = 1",
    ],
)
def test_of_an_unknown_key_neither_value_nor_strange_spelling_is_shown(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(BadConfig) as refusal:
        load_config(config_file(tmp_path, text), {})
    assert "hunter2" not in str(refusal.value)


def test_a_token_under_another_name_is_told_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="from DISCORD_TOKEN alone"):
        load_config(config_file(tmp_path, "discord.Token = 'a'"), {})


@pytest.mark.parametrize(
    "address",
    [
        "http://me:hunter2@host/api",
        "http://hunter2@host",
        "http://host/api?key=hunter2",
    ],
)
def test_an_api_with_a_password_is_refused_and_hides_it(tmp_path: Path, address: str) -> None:
    """discord.py cannot log in there, and the address is shown in the log."""
    with pytest.raises(BadConfig, match="without a name or password") as refusal:
        load_config(config_file(tmp_path, f'discord.api_url = "{address}"'), {})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://me:secret@mirror/{number}",
        "https://secret@mirror/{number}",
        "//me:secret@m/{number}",
    ],
)
def test_a_mirror_with_a_password_is_refused_without_repeating_it(
    tmp_path: Path, address: str
) -> None:
    """It would be shown with the book's address."""
    with pytest.raises(BadConfig, match="no name or password") as refusal:
        load_config(config_file(tmp_path, f'books.gutenberg = "{address}"'), {})
    assert "secret" not in str(refusal.value)


def test_a_mirror_may_have_any_other_sign(tmp_path: Path) -> None:
    address = "http://127.0.0.1:8000/books/{number}.txt?from=a@b"
    config = load_config(config_file(tmp_path, f'books.gutenberg = "{address}"'), {})
    assert config.books.gutenberg == address
