"""The settings and what the bot stands on, examined."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from bot.doctor.results import CheckStatus
from bot.doctor.settings import check_config, check_environment, check_versions
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
        (
            {"SONNETEER_PORT": "1", "Sonneteer_Host": "x"},
            CheckStatus.WARNING,
            "are set but ignored",
        ),
    ],
)
def test_variables_that_nobody_reads_are_told(
    environment: dict[str, str], state: CheckStatus, words: str
) -> None:
    shows(check_environment(environment), state, words)


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
    ],
)
def test_what_is_installed_is_compared_with_what_is_required(
    tmp_path: Path, wanted: str, state: CheckStatus, words: str
) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(wanted)
    shows(check_versions(file, installed), state, words)


def test_an_installation_without_requirements_is_not_compared(tmp_path: Path) -> None:
    shows(check_versions(tmp_path / "none.txt", installed), CheckStatus.OK, "no requirements.txt")
