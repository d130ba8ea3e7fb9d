"""The settings and what the bot stands on, examined."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from bot.doctor.results import CheckStatus
from bot.doctor.settings import (
    check_config,
    check_environment,
    check_proxies,
    check_versions,
)
from tests.bot.doctor.conftest import shows


@pytest.mark.parametrize(
    ("content", "state", "words"),
    [
        ("[web]\nport = 8081\n", CheckStatus.OK, "is valid"),
        ("[web]\nport = 99999\n", CheckStatus.WRONG, "web.port is 99999"),
        ("[web\n", CheckStatus.WRONG, "cannot be read"),
        (None, CheckStatus.WRONG, "does not exist"),
    ],
)
def test_settings_are_read(
    tmp_path: Path, content: str | None, state: CheckStatus, words: str
) -> None:
    file = tmp_path / "config.toml"
    if content is not None:
        file.write_text(content)
    config, found = check_config(file, {})
    shows(found, state, words)
    assert (config is not None) is (state is CheckStatus.OK)


@pytest.mark.parametrize(
    ("environment", "state", "words"),
    [
        ({"DISCORD_TOKEN": "x", "PATH": "y", "TOKEN": "z"}, CheckStatus.OK, "no ignored variables"),
        ({"DISCORD_BOT_TOKEN": "x"}, CheckStatus.WARNING, "DISCORD_BOT_TOKEN is set but ignored"),
        (
            {"DISCORD_TOKEN": " ", "BOT_TOKEN": "x"},
            CheckStatus.WARNING,
            "BOT_TOKEN is set but ignored",
        ),
        ({"DISCORD_TOKEN_FILE": "/x", "BOT_TOKEN": "x"}, CheckStatus.OK, "no ignored variables"),
    ],
)
def test_variables_that_nobody_reads_are_told(
    environment: dict[str, str], state: CheckStatus, words: str
) -> None:
    shows(check_environment(environment), state, words)


SECRET = "hunter2-and-more-0123"


def test_what_differs_from_its_default_is_told_with_its_origin(tmp_path: Path) -> None:
    file, token = tmp_path / "config.toml", tmp_path / "token"
    file.write_text('[web]\nport = 8081\nhost = "127.0.0.1"\n[writing]\nthreads = 2\n')
    token.write_text(SECRET)
    _, found = check_config(
        file,
        {
            "DISCORD_TOKEN_FILE": str(token),
            "SONNETEER_NATS_USER": "me",
            "SONNETEER_NATS_PASSWORD": SECRET,
            "SONNETEER_WEB_PORT": "8082",
            "SONNETEER_WEB_ALLOWED_HOSTS": "a.example, b.example",
            "SONNETEER_WEB_ENABLED": "true",
            "SONNETEER_OPERATOR_NAME": "x" * 90,
        },
    )
    assert found.seen.endswith("config.toml is valid; not at their defaults:")
    assert [" ".join(line.split()) for line in found.details] == [
        "[writing] threads = 2 from config.toml",
        "[web] port = 8082 from SONNETEER_WEB_PORT",
        '[web] allowed_hosts = ["a.example", "b.example"] from SONNETEER_WEB_ALLOWED_HOSTS',
        f'[operator] name = "{"x" * 59}… from SONNETEER_OPERATOR_NAME',
        "SONNETEER_NATS_USER is set from SONNETEER_NATS_USER",
        "DISCORD_TOKEN is set from the file that DISCORD_TOKEN_FILE names",
        "SONNETEER_NATS_PASSWORD is set from SONNETEER_NATS_PASSWORD",
    ]
    assert SECRET not in str(found)


def test_without_a_change_nothing_is_listed(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[web]\nport = 8080\n")
    _, found = check_config(tmp_path / "config.toml", {})
    assert found.seen.endswith("all settings have their defaults")
    assert found.details == ()


@pytest.mark.parametrize(
    ("environment", "state", "words"),
    [
        (
            {"HTTPS_PROXY": f"http://me:{SECRET}@proxy:3128"},
            CheckStatus.OK,
            "Discord through http://proxy:3128, books over https through http://proxy:3128, over",
        ),
        (
            {"HTTPS_PROXY": "http://proxy:3128", "SONNETEER_DISCORD_PROXY": "direct"},
            CheckStatus.OK,
            "Discord directly, books over https through http://proxy:3128, over http directly",
        ),
        ({"all_proxy": f"socks5://{SECRET}@a"}, CheckStatus.WRONG, "all_proxy is '…@a'; it must"),
    ],
)
def test_proxies_are_told_without_their_passwords(
    tmp_path: Path, environment: dict[str, str], state: CheckStatus, words: str
) -> None:
    (tmp_path / "config.toml").write_text("")
    config, _ = check_config(tmp_path / "config.toml", environment)
    assert config is not None
    (found,) = check_proxies(config)
    shows(found, state, words)
    assert SECRET not in str(found)


def test_without_a_proxy_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    config, _ = check_config(tmp_path / "config.toml", {"NO_PROXY": ""})
    assert config is not None
    assert check_proxies(config) == []


def installed(name: str) -> str:
    versions = {"torch": "2.13.0+cpu", "numpy": "2.4.6"}
    if name not in versions:
        raise PackageNotFoundError
    return versions[name]


@pytest.mark.parametrize(
    ("wanted", "state", "words"),
    [
        ("# why\ntorch==2.13.0\nnumpy==2.4.6\n", CheckStatus.OK, "all 2 libraries"),
        ("torch==2.13.0\nnumpy==2.5.0\n", CheckStatus.WARNING, "numpy 2.4.6 instead of 2.5.0"),
        ("torch==2.13.0\nnumba==0.68.1\n", CheckStatus.WRONG, "not installed: numba 0.68.1"),
        ("numpy~=2.4.1\ntorch~=2.13.0; extra == 'train'\n", CheckStatus.OK, "all 2 libraries"),
        ("numpy~=2.4.7\n", CheckStatus.WARNING, "numpy 2.4.6 instead of 2.4.7"),
        ("numpy~=2.3.9\n", CheckStatus.WARNING, "numpy 2.4.6 instead of 2.3.9"),
    ],
)
def test_what_is_installed_is_compared_with_what_is_required(
    wanted: str, state: CheckStatus, words: str
) -> None:
    shows(check_versions(wanted, installed), state, words)
