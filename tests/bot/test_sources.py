"""Settings and secrets from the environment, and the sentence for what cannot be read."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import SECTIONS, Config, load_config
from bot.core.errors import BadConfig
from bot.sources import MAX_SECRET_BYTES, SECRET_VARIABLES, variable_of

SETTINGS = [(section, key) for section, kind in SECTIONS.items() for key in kind.model_fields]
SECRET = "hunter2-and-more-0123"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('[web]\nport = 9000\nallowed_hosts = ["a"]\n[writing]\nthreads = 3\n')
    return path


def load(file: Path, **environment: str) -> Config:
    return load_config(file, {f"SONNETEER_{name}": value for name, value in environment.items()})


def refusal(file: Path, environment: dict[str, str]) -> str:
    with pytest.raises(BadConfig) as refused:
        load_config(file, environment)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_environment_counts_before_the_file_and_the_file_before_the_default(file: Path) -> None:
    config = load(file, WEB_PORT="9001", WRITING_LINES="20")
    assert (config.web.port, config.writing.threads, config.writing.lines) == (9001, 3, 20)
    assert config.web.host == "127.0.0.1"
    assert config.origins == {
        "web.port": "SONNETEER_WEB_PORT",
        "writing.lines": "SONNETEER_WRITING_LINES",
    }


@pytest.mark.parametrize(
    ("name", "value", "section", "key", "expected"),
    [
        ("WEB_ENABLED", "false", "web", "enabled", False),
        ("WEB_ENABLED", " True ", "web", "enabled", True),
        ("DISCORD_MESSAGE_CONTENT", "1", "discord", "message_content", True),
        ("WEB_PORT", " 0 ", "web", "port", 0),
        ("WRITING_TEMPERATURE", "1", "writing", "temperature", 1.0),
        ("WRITING_TEMPERATURE", "0.7", "writing", "temperature", 0.7),
        ("DISCORD_PREFIX", "1", "discord", "prefix", "1"),
        (
            "OPERATOR_NAME",
            "Ann, of the [Verse] Club",
            "operator",
            "name",
            "Ann, of the [Verse] Club",
        ),
        (
            "WEB_ALLOWED_HOSTS",
            "a.example, b.example,",
            "web",
            "allowed_hosts",
            ["a.example", "b.example"],
        ),
        ("WEB_ALLOWED_HOSTS", "a.example", "web", "allowed_hosts", ["a.example"]),
        ("WEB_ALLOWED_HOSTS", "['a', \"b\"]", "web", "allowed_hosts", ["a", "b"]),
        ("WEB_ALLOWED_HOSTS", "[]", "web", "allowed_hosts", []),
        ("DISCORD_OWNERS", "123456789012345678", "discord", "owners", ["123456789012345678"]),
        ("WEB_HOST", "::", "web", "host", "::"),
        ("WEB_HOST", "127.0.0.1, ::1", "web", "host", ["127.0.0.1", "::1"]),
        ("WEB_HOST", '["0.0.0.0"]', "web", "host", ["0.0.0.0"]),
        ("WEB_PORT", "", "web", "port", 9000),
        ("WEB_ALLOWED_HOSTS", "  ", "web", "allowed_hosts", ["a"]),
        ("DISCORD_PROXY", "direct", "discord", "proxy", "direct"),
        ("BOOKS_PROXY", "http://10.0.0.5:3128", "books", "proxy", "http://10.0.0.5:3128"),
    ],
)
def test_a_variable_is_read_as_its_setting_wants(
    file: Path, name: str, value: str, section: str, key: str, expected: object
) -> None:
    read = getattr(getattr(load(file, **{name: value}), section), key)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(("section", "key"), SETTINGS)
def test_every_setting_has_a_variable(tmp_path: Path, section: str, key: str) -> None:
    """Its default, written as a variable, is the default again."""
    default = SECTIONS[section].model_fields[key].default
    text = default if isinstance(default, str) else json.dumps(default)
    (tmp_path / "config.toml").write_text("")
    config = load_config(tmp_path / "config.toml", {variable_of(section, key): text})
    assert getattr(getattr(config, section), key) == default
    assert (f"{section}.{key}" in config.origins) is bool(text)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "WEB_PORT",
            "99999",
            "SONNETEER_WEB_PORT is 99999; it must be a whole number from 0 to 65,535.",
        ),
        ("WEB_PORT", "http", "SONNETEER_WEB_PORT is 'http'; it must be a whole number from 0"),
        ("WEB_PORT", "8080.5", "SONNETEER_WEB_PORT is '8080.5'; it must be a whole number"),
        ("WEB_PORT", "9" * 5_000, "…; it must be a whole number from 0"),
        ("WEB_ENABLED", "maybe", "SONNETEER_WEB_ENABLED is 'maybe'; it must be true or false."),
        (
            "WRITING_TEMPERATURE",
            "nan",
            "SONNETEER_WRITING_TEMPERATURE is nan; it must be a number from",
        ),
        ("WRITING_FORM", "epic", "SONNETEER_WRITING_FORM is 'epic'; it must be one of sonnet"),
        ("WEB_TRUSTED_PROXIES", "10.0.0.0/8, me", "SONNETEER_WEB_TRUSTED_PROXIES is 'me'; it must"),
        ("WEB_ALLOWED_HOSTS", "[1]", "SONNETEER_WEB_ALLOWED_HOSTS is 1; it must be a list of host"),
        ("WEB_ALLOWED_HOSTS", "['a'", "SONNETEER_WEB_ALLOWED_HOSTS is \"['a'\"; it must be a list"),
        ("WEB_ALLOWED_HOSTS", "[]\nx = 1", "it must be a list of host names."),
        ("WEB_ALLOWED_HOSTS", "[" * 50_000, "it must be a list of host names."),
        ("WEB_HOST", "[]", "SONNETEER_WEB_HOST is []; it must be an address or a host name"),
        ("WEB_HOST", ",".join(map(str, range(17))), "or a list of up to 16."),
        (
            "DISCORD_PROXY",
            "socks5://a:1",
            "SONNETEER_DISCORD_PROXY is 'socks5://a:1'; it must be http",
        ),
        (
            "DISCORD_PROXY",
            f"http://me:{SECRET}@a:1",
            "SONNETEER_DISCORD_PROXY is 'http://…@a:1'; it",
        ),
        ("BOOKS_PROXY", f"me:{SECRET}@a:1", "SONNETEER_BOOKS_PROXY is '…@a:1'; it must be http"),
        (
            "CLUSTER_NATS",
            f"nats://me:{SECRET}@a",
            "SONNETEER_CLUSTER_NATS is 'nats://…@a'; it must",
        ),
        ("OPERATOR_NAME", "a\udcff" * 101, "SONNETEER_OPERATOR_NAME is 'a\\udcff"),
    ],
)
def test_a_bad_value_names_the_variable(file: Path, name: str, value: str, sentence: str) -> None:
    told = refusal(file, {f"SONNETEER_{name}": value})
    assert sentence in told
    assert told.startswith(f"SONNETEER_{name} is ")
    assert SECRET not in told


def test_a_bad_line_of_the_file_is_still_the_files(file: Path) -> None:
    file.write_text("[web]\nport = 99999\n")
    told = refusal(file, {"SONNETEER_WEB_HOST": "::"})
    assert told.startswith("config.toml: web.port is 99999;")
    assert load(file, WEB_PORT="1").web.port == 1
    file.write_text("web = 3\n")
    assert "web is 3; it must be a section" in refusal(file, {"SONNETEER_WEB_HOST": "::"})


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("SONNETEER_WEB_PROT", "SONNETEER_WEB_PORT"),
        ("SONNETEER_PORT", "SONNETEER_WEB_PORT"),
        ("SONNETEER_WEBPORT", "SONNETEER_WEB_PORT"),
        ("sonneteer_web_port", "SONNETEER_WEB_PORT"),
        ("SONNETEER_THREADS", "SONNETEER_BOOKS_THREADS"),
        ("SONNETEER_NATS_USER_FILE", "SONNETEER_NATS_USER"),
        ("SONNETEER_API_TOKEN", "SONNETEER_API_KEY"),
        ("SONNETEER_WEB_PORT_FILE", "SONNETEER_WEB_PORT"),
    ],
)
def test_an_unknown_variable_is_refused_and_the_nearest_is_named(
    file: Path, name: str, near: str
) -> None:
    told = refusal(file, {name: SECRET})
    assert told.startswith(
        f"{name} is set, but Sonneteer has no such variable; the nearest is {near}."
    )
    assert SECRET not in told


def test_a_strange_name_is_not_repeated(file: Path) -> None:
    assert refusal(file, {f"SONNETEER_={SECRET}": "a"}).startswith("SONNETEER_… is set, but")
    assert refusal(file, {f"SONNETEER_{'A' * 100_000}": "a"}).startswith("SONNETEER_… is set")


def test_what_kubernetes_says_of_a_service_called_sonneteer_is_no_setting(file: Path) -> None:
    links = {
        "SONNETEER_SERVICE_HOST": "10.0.0.1",
        "SONNETEER_SERVICE_PORT_HTTP": "8080",
        "SONNETEER_PORT": "tcp://10.0.0.1:8080",
        "SONNETEER_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    assert load_config(file, {**links, "KUBERNETES_SERVICE_HOST": "10.0.0.2"}).web.port == 9000
    assert "is set, but" in refusal(file, links)


@given(
    st.dictionaries(
        st.sampled_from([variable_of(*each) for each in SETTINGS])
        | st.text(min_size=1, max_size=20).map("SONNETEER_{}".format),
        st.text(max_size=40)
        | st.sampled_from(["[", "[[]]", "{}", "1e999", "-0", "0x10", ",", "[,]"]),
        max_size=3,
    )
)
def test_whatever_is_in_the_environment_it_is_read_or_refused(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "config.toml").write_text("")
    with suppress(BadConfig):
        load_config(tmp_path / "config.toml", environment)


def get(config: Config, name: str) -> str | None:
    fields = {
        "DISCORD_TOKEN": config.token,
        "SONNETEER_API_KEY": config.api_key,
        "SONNETEER_NATS_PASSWORD": config.nats_password,
        "SONNETEER_DATABASE_PASSWORD": config.database_password,
        "SONNETEER_PROXY_PASSWORD": config.proxy_password,
    }
    secret = fields[name]
    return secret.get_secret_value() if secret else None


@pytest.mark.parametrize("name", SECRET_VARIABLES)
@pytest.mark.parametrize("written", [SECRET, f"  {SECRET}\n\n", f"\ufeff{SECRET}\r\n"])
def test_a_secret_may_be_in_a_file(file: Path, tmp_path: Path, name: str, written: str) -> None:
    (tmp_path / "secret").write_text(written, "utf-8")
    config = load_config(file, {f"{name}_FILE": str(tmp_path / "secret")})
    assert get(config, name) == SECRET
    assert config.origins == {name: f"{name}_FILE"}
    assert config.secrets == {SECRET}
    assert SECRET not in repr(config)


@pytest.mark.parametrize("name", SECRET_VARIABLES)
def test_a_secret_that_is_given_twice_is_refused(file: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text(SECRET)
    told = refusal(file, {name: SECRET, f"{name}_FILE": str(tmp_path / "secret")})
    assert told == f"{name} and {name}_FILE are both set. Keep one of them."


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b"", "which is empty. Write the secret into it, or unset DISCORD_TOKEN_FILE."),
        (b" \n\n", "which is empty"),
        (b"a" * (MAX_SECRET_BYTES + 1), "which has more than 4,096 bytes."),
        (b"\xff\xfea\0", "which is not text in UTF-8."),
        (b"hunter2\nhunter2", "which has more than one line."),
        (None, "which does not exist. Correct the path."),
    ],
)
def test_a_file_without_one_secret_is_refused(
    file: Path, tmp_path: Path, written: bytes | None, words: str
) -> None:
    path = tmp_path / "token"
    if written is not None:
        path.write_bytes(written)
    told = refusal(file, {"DISCORD_TOKEN_FILE": str(path)})
    assert told.startswith(f"DISCORD_TOKEN_FILE names '{path}', {words}")
    assert "hunter2" not in told


def test_what_is_no_file_is_refused_at_once(file: Path, tmp_path: Path) -> None:
    assert "it is not a regular file" in refusal(file, {"DISCORD_TOKEN_FILE": str(tmp_path)})
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        told = refusal(file, {"DISCORD_TOKEN_FILE": str(tmp_path / "pipe")})
        assert "it is not a regular file" in told
    assert "is not a regular" in refusal(file, {"DISCORD_TOKEN_FILE": "/dev/zero"})


@pytest.mark.skipif(not hasattr(os, "geteuid") or not os.geteuid(), reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "token").chmod(0)
    told = refusal(file, {"DISCORD_TOKEN_FILE": str(tmp_path / "token")})
    assert "which cannot be read: Permission denied." in told


@pytest.mark.parametrize("typed", [SECRET, f"{SECRET}/x", "a\0b"])
def test_a_secret_typed_where_its_file_belongs_is_not_shown(file: Path, typed: str) -> None:
    told = refusal(file, {"SONNETEER_DATABASE_PASSWORD_FILE": typed})
    assert told.startswith("SONNETEER_DATABASE_PASSWORD_FILE names a file, which ")
    assert typed not in told


def test_a_key_in_a_file_must_be_a_good_one_too(file: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    told = refusal(file, {"SONNETEER_API_KEY_FILE": str(tmp_path / "key")})
    assert told.startswith("SONNETEER_API_KEY_FILE has 5 characters")


def test_passwords_of_proxies_count_as_secrets(file: Path) -> None:
    config = load_config(
        file, {"https_proxy": f"http://me:{SECRET}@a:1", "SONNETEER_PROXY_PASSWORD": "other"}
    )
    assert config.secrets == {SECRET, "other"}
    assert SECRET not in repr(config)
    told = refusal(file, {"SONNETEER_PROXY_USER": "a:b"})
    assert told.startswith("SONNETEER_PROXY_USER has a colon, or")
    assert SECRET not in refusal(file, {"SONNETEER_PROXY_PASSWORD": f"{SECRET}ж"})
