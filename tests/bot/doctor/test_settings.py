"""The settings and what the bot stands on, examined."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from bot.core.findings import State
from bot.doctor.settings import examine_config, examine_environment, examine_versions
from tests.bot.doctor.conftest import shows


@pytest.mark.parametrize(
    ("content", "state", "words"),
    [
        ("[web]\nport = 8081\n", State.OK, "is valid"),
        ("[web]\nport = 99999\n", State.WRONG, "web.port is 99999"),
        ("[web\n", State.WRONG, "cannot be read"),
        (None, State.WRONG, "does not exist"),
    ],
)
def test_settings_are_read(tmp_path: Path, content: str | None, state: State, words: str) -> None:
    file = tmp_path / "config.toml"
    if content is not None:
        file.write_text(content)
    config, found = examine_config(file, {})
    shows(found, state, words)
    assert (config is not None) is (state is State.OK)


@pytest.mark.parametrize(
    ("environment", "state", "words"),
    [
        ({"DISCORD_TOKEN": "x", "PATH": "y", "TOKEN": "z"}, State.OK, "nothing in it"),
        ({"DISCORD_BOT_TOKEN": "x"}, State.WARNING, "DISCORD_BOT_TOKEN is set and not read"),
        ({"DISCORD_TOKEN": " ", "BOT_TOKEN": "x"}, State.WARNING, "BOT_TOKEN is set and not read"),
        ({"SONNETEER_PORT": "1", "Sonneteer_Host": "x"}, State.WARNING, "are set and not read"),
    ],
)
def test_variables_that_nobody_reads_are_told(
    environment: dict[str, str], state: State, words: str
) -> None:
    shows(examine_environment(environment), state, words)


def installed(name: str) -> str:
    versions = {"torch": "2.13.0+cpu", "numpy": "2.4.6"}
    if name not in versions:
        raise PackageNotFoundError
    return versions[name]


@pytest.mark.parametrize(
    ("wanted", "state", "words"),
    [
        ("# why\ntorch==2.13.0\nnumpy==2.4.6\n", State.OK, "all 2 libraries"),
        ("torch==2.13.0\nnumpy==2.5.0\n", State.WARNING, "numpy 2.4.6 instead of 2.5.0"),
        ("torch==2.13.0\nnumba==0.68.1\n", State.WRONG, "not installed: numba 0.68.1"),
    ],
)
def test_what_is_installed_is_compared_with_what_is_required(
    tmp_path: Path, wanted: str, state: State, words: str
) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(wanted)
    shows(examine_versions(file, installed), state, words)


def test_an_installation_without_requirements_is_not_compared(tmp_path: Path) -> None:
    shows(examine_versions(tmp_path / "none.txt", installed), State.OK, "no requirements.txt")
