"""What an admin does at a shell."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.cli.admin import render_models
from bot.cli.main import main
from bot.core.store.database import Database
from bot.core.store.guilds import GuildStore
from tests.fakes import SEA_SONGS, SONNETS

MakeModel = Callable[..., Path]


@pytest.fixture
def installation(tmp_path: Path, model_file: MakeModel) -> Path:
    """A shared model, a server's own, and a config file; return the config file."""
    model_file("apples", folder="models")
    model_file("pears", folder="data/guilds/10", seed=2)
    config = tmp_path / "config.toml"
    config.write_text('[models]\ndefault = "apples"\n')
    return config


def run(config: Path, *arguments: str) -> int:
    return main(["--config", str(config), *arguments])


def test_the_table_of_models_marks_the_default() -> None:
    head, first, second = render_models((SONNETS, SEA_SONGS)).split("\n")
    assert head.split() == ["name", "book", "loss", "size", "date", "hash"]
    assert first.startswith("* sonnets")
    assert second.startswith("  sea-songs")
    assert "1.700" in second
    assert "2.9 MB" in second
    assert "2026-11-25" in second


def test_a_servers_own_models_are_listed_for_it_alone(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(installation, "models") == 0
    assert "pears" not in capsys.readouterr().out
    assert run(installation, "models", "--guild", "10") == 0
    assert "pears" in capsys.readouterr().out


def test_a_model_is_used_and_undone_and_removed(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guild = ("models", "--guild", "10")
    assert run(installation, *guild, "use", "pears") == 0
    assert run(installation, *guild, "undo") == 0
    assert "uses apples again" in capsys.readouterr().out
    assert run(installation, *guild, "remove", "PEARS") == 0
    assert not list((installation.parent / "data" / "guilds" / "10").iterdir())


async def test_settings_are_shown_while_a_bot_runs(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/discord.md says so, and it was refused."""
    assert await asyncio.to_thread(run, installation, "settings", "10") == 0
    assert "avoid:\n" in capsys.readouterr().out
    database = await Database.open(installation.parent / "data")
    try:
        await GuildStore(database).keep_settings("10", {"avoid": ["moon"]})
        assert await asyncio.to_thread(run, installation, "settings", "10") == 0
        assert "avoid: moon\n" in capsys.readouterr().out
        assert await asyncio.to_thread(run, installation, "settings", "10", "lines", "9") == 2
        assert "another Sonneteer is using it" in capsys.readouterr().err
    finally:
        await database.close()
    assert await asyncio.to_thread(run, installation, "settings", "10") == 0
    assert "avoid: moon\n" in capsys.readouterr().out


def test_a_setting_is_changed_shown_and_put_back(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(installation, "settings", "10", "avoid", "moon", "june") == 0
    assert "avoid: moon, june" in capsys.readouterr().out
    assert run(installation, "settings", "10", "cooldown_seconds", "20") == 0
    assert run(installation, "settings", "10") == 0
    shown = capsys.readouterr().out
    assert "cooldown_seconds: 20.0" in shown
    assert "avoid: moon, june" in shown
    assert run(installation, "settings", "10", "avoid", "none") == 0
    assert "avoid:\n" in capsys.readouterr().out


def test_a_backup_brings_everything_back(
    installation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(installation, "models", "--guild", "10", "use", "pears") == 0
    assert run(installation, "backup", str(tmp_path / "all.tar")) == 0
    shutil.rmtree(tmp_path / "data")
    shutil.rmtree(tmp_path / "models")
    assert run(installation, "restore", str(tmp_path / "all.tar")) == 0
    assert run(installation, "models", "--guild", "10") == 0
    assert "pears" in capsys.readouterr().out
    assert run(installation, "models", "--guild", "10", "undo") == 0


def test_a_member_is_forgotten(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(installation, "forget", "1234") == 0
    assert capsys.readouterr().out == (
        "Removed the user ID from trainings: 0, models: 0, model choices: 0.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("models", "use", "pears"), "guild is ''"),
        (("models", "--guild", "../10"), "guild is '../10'"),
        (("models", "--guild", "10", "use", "plums"), "no model called 'plums'"),
        (("models", "--guild", "11", "info", "pears"), "no model called 'pears'"),
        (("models", "--guild", "10", "undo"), "nothing to undo"),
        (("models", "remove", "apples"), "'apples' is the default model"),
        (("settings", "10", "cooldown_seconds", "-1"), "between 0 and 3,600"),
        (("settings", "10", "cooldown_seconds", "nan"), "between 0 and 3,600"),
        (("settings", "10", "roles", "10"), "roles is '@everyone'"),
        (("settings", "10", "managers", "11", "10"), "managers is '@everyone'"),
        (("settings", "10", "avoid", "\N{ZERO WIDTH SPACE}"), "single words of 1"),
        (("settings", "10", "colour", "red"), "one of channels, roles"),
        (("forget", "@ann"), "member is '@ann'"),
        (("restore", "no-such-file"), "cannot be restored"),
    ],
)
def test_wrong_use_gets_one_sentence_and_status_2(
    installation: Path,
    arguments: tuple[str, ...],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(installation, *arguments) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.strip().splitlines()) == 1
