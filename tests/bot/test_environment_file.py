"""The file of variables beside config.toml."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot import health
from bot.cli.main import main
from bot.core.errors import BadConfig
from bot.environment_file import environment_file, read_environment_file, with_variables


def test_variables_are_read_as_systemd_and_docker_read_them(tmp_path: Path) -> None:
    file = environment_file(tmp_path / "config.toml")
    file.write_text(
        '# mine\n; and mine\n\nDISCORD_TOKEN=a.b=c#d\n  SONNETEER_API_KEY="k \'y"  \nEMPTY=\n'
    )
    assert read_environment_file(file) == {
        "DISCORD_TOKEN": "a.b=c#d",
        "SONNETEER_API_KEY": "k 'y",
        "EMPTY": "",
    }


def test_no_file_has_no_variables(tmp_path: Path) -> None:
    assert read_environment_file(tmp_path / "environment") == {}
    (tmp_path / "environment").mkdir()
    assert read_environment_file(tmp_path / "environment") == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"A=1\nexport B=hush\n", "line 2: write NAME=VALUE"),
        (b"A: hush\n", "line 1: write NAME=VALUE"),
        (b"A=hush\xff\n", "not valid UTF-8 from byte 6"),
        (b"#" * 70_000, "more than 65,536 bytes"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence_without_a_value(
    tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "environment"
    file.write_bytes(content)
    with pytest.raises(BadConfig, match=words) as refused:
        read_environment_file(file)
    assert "hush" not in str(refused.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_for_root_alone_is_left_to_the_services_manager(tmp_path: Path) -> None:
    file = tmp_path / "environment"
    file.write_text("DISCORD_TOKEN=a\n")
    file.chmod(0)
    assert read_environment_file(file) == {}


def test_the_bot_reads_its_token_there_unless_the_environment_has_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quotes are told from the token itself, before Discord is asked."""
    config = tmp_path / "config.toml"
    config.write_text("[web]\nport = 0\n")
    (tmp_path / "environment").write_text("DISCORD_TOKEN=Bot abc\n")
    for variable, words in ((None, "DISCORD_TOKEN begins with 'Bot'"), ("", "is not set")):
        if variable is not None:
            monkeypatch.setenv("DISCORD_TOKEN", variable)
        main(["--config", str(config), "doctor"])
        assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("there", "given"),
    [
        ("DISCORD_TOKEN=Bot abc\n", {"DISCORD_TOKEN_FILE": "token"}),
        ("DISCORD_TOKEN_FILE=/nowhere\n", {"DISCORD_TOKEN": "Bearer abc"}),
    ],
)
def test_the_environments_secret_goes_before_the_files_whichever_names_a_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    there: str,
    given: dict[str, str],
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[web]\nport = 0\n")
    (tmp_path / "environment").write_text(there)
    (tmp_path / "token").write_text("Bearer abc\n")
    monkeypatch.chdir(tmp_path)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    main(["--config", str(config), "doctor"])
    assert "DISCORD_TOKEN begins with 'Bearer'" in capsys.readouterr().out


def test_a_health_check_reads_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"
    config.touch()
    (tmp_path / "environment").write_text("SONNETEER_WEB_ENABLED=false\n")
    health.main(["--config", str(config), "health"], {})
    assert "the page is off" in capsys.readouterr().out


def test_a_new_token_leaves_the_other_lines() -> None:
    text = "# mine\nDISCORD_TOKEN=old\nSONNETEER_API_KEY=key\n"
    new = with_variables(text, {"DISCORD_TOKEN": "new"})
    assert new == "# mine\nSONNETEER_API_KEY=key\nDISCORD_TOKEN=new\n"
