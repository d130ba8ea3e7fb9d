"""A database on a server, as an admin at a shell sees it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.app import make_library, open_app
from bot.cli.main import main
from bot.config import load_config
from bot.core.records import Asker
from bot.core.store.any_database import AnyDatabase
from bot.core.store.database import FILE_NAME, Database
from bot.core.store.postgres import PostgresDatabase
from bot.core.store.postgres_watch import Claim
from bot.core.store.server_address import Login
from tests.bot.core.store.test_transfer import fill, filled_folder, require_all
from tests.postgres_server import PASSWORD, run_sql

ROOT = Path(__file__).parents[3]
MakeModel = Callable[..., Path]
Shell = Callable[..., int]


@pytest.fixture
def shell(
    login: Login, tmp_path: Path, model_file: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """Return a function that runs a command on an installation with a database on a server."""
    model_file("apples", folder="models")
    config = tmp_path / "config.toml"
    database = f'[cluster]\ndatabase = "{login.address}"\n'
    config.write_text(f'[models]\ndefault = "apples"\n{database}')

    def run(*arguments: str) -> int:
        monkeypatch.setenv("SONNETEER_DATABASE_PASSWORD", PASSWORD)
        return main(["--config", str(config), *arguments])

    return run


async def on_server(login: Login, use: Callable[[AnyDatabase], Awaitable[None]]) -> None:
    server = await PostgresDatabase.open(login)
    try:
        await use(server)
    finally:
        await server.close()


@pytest.mark.postgres
def test_a_setting_is_changed_and_shown(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell("settings", "10", "avoid", "moon") == 0
    assert shell("settings", "10") == 0
    assert "avoid: moon\n" in capsys.readouterr().out


@pytest.mark.postgres
async def test_settings_are_shown_and_members_forgotten_while_a_bot_runs_elsewhere(
    shell: Shell, login: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    bot = await PostgresDatabase.open(login, Claim(serves=True))
    try:
        await fill(bot)
        assert await asyncio.to_thread(shell, "settings", "10") == 0
        assert "avoid: café, sea\n" in capsys.readouterr().out
        assert await asyncio.to_thread(shell, "forget", "1") == 0
        assert "trainings: 1, models: 1, model choices: 2." in capsys.readouterr().out
    finally:
        await bot.close()


@pytest.mark.postgres
def test_a_folder_is_copied_to_a_server_and_back(
    shell: Shell, login: Login, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, back = asyncio.run(filled_folder(tmp_path / "old")), tmp_path / "back"
    address = str(login.address)
    assert shell("database", "copy", str(folder), address) == 0
    said = capsys.readouterr().out
    assert "Copied and compared: guilds 2, settings 2, jobs 1, models 1, choices 2" in said
    assert "Models' files" in said
    assert shell("database", "copy", str(folder), address) == 2
    assert "only an empty database is copied into" in capsys.readouterr().err
    assert shell("database", "copy", address, str(back)) == 0
    asyncio.run(on_server(login, require_all))
    assert (back / FILE_NAME).is_file()
    assert {path.name for path in back.iterdir()} == {FILE_NAME, "lock"}


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("nowhere", "other", "there is no sonneteer.db in it"),
        ("postgresql://bot:hunter22@db/verse", "other", "without a password"),
        ("data", "mysql://bot@db/verse", "must be data folders or addresses"),
    ],
)
def test_what_cannot_be_copied_gets_a_sentence(
    tmp_path: Path,
    source: str,
    target: str,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("")
    arguments = ("--config", "config.toml", "database", "copy", source, target)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "hunter22" not in said


@pytest.mark.postgres
def test_a_backup_of_either_kind_is_restored_into_either(
    shell: Shell, login: Login, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "plain.toml"
    plain.write_text('[models]\ndefault = "apples"\n[data]\nfolder = "old"\n')
    asyncio.run(filled_folder(tmp_path / "old"))
    assert main(["--config", str(plain), "backup", str(tmp_path / "file.tar")]) == 0
    assert shell("restore", str(tmp_path / "file.tar")) == 0
    assert shell("backup", str(tmp_path / "server.tar")) == 0
    asyncio.run(on_server(login, require_all))
    shutil.rmtree(tmp_path / "old")
    assert main(["--config", str(plain), "restore", str(tmp_path / "server.tar")]) == 0

    async def look() -> None:
        database = await Database.open(tmp_path / "old")
        try:
            await require_all(database)
        finally:
            await database.close()

    asyncio.run(look())
    capsys.readouterr()
    # What is on the server goes aside, as a file.
    assert shell("restore", str(tmp_path / "server.tar")) == 0
    asyncio.run(on_server(login, require_all))
    said = capsys.readouterr().out
    assert "The previous data was moved to" in said
    aside = Path(said.rpartition("moved to ")[2].strip().removesuffix("."))
    assert (aside / FILE_NAME).is_file()


@pytest.mark.postgres
async def test_nothing_is_restored_while_a_bot_runs(
    shell: Shell, login: Login, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(shell, "backup", str(tmp_path / "all.tar")) == 2
    assert "has version 0; the bot's next start" in capsys.readouterr().err
    bot = await PostgresDatabase.open(login, Claim(serves=True))
    try:
        assert await asyncio.to_thread(shell, "backup", str(tmp_path / "all.tar")) == 0
        assert await asyncio.to_thread(shell, "restore", str(tmp_path / "all.tar")) == 2
        assert "another Sonneteer is using it" in capsys.readouterr().err
    finally:
        await bot.close()


@pytest.mark.postgres
@pytest.mark.token_on_purpose("file")
def test_a_wrong_password_is_said_and_shown_nowhere(
    shell: Shell, tmp_path: Path, login: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    shown = str(login.address).replace("sonneteer@", f"sonneteer:{PASSWORD}@")
    config.write_text(f'[cluster]\ndatabase = "{shown}"\n')
    assert shell("settings", "10") == 2
    said = capsys.readouterr().err
    assert "without a password" in said
    assert PASSWORD not in said


@pytest.mark.postgres
def test_the_doctor_looks_at_the_server(
    shell: Shell, login: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    shell("doctor")
    assert "is empty; the first start makes its tables" in capsys.readouterr().out
    asyncio.run(on_server(login, fill))
    shell("doctor")
    said = capsys.readouterr().out
    assert "on PostgreSQL" in said
    assert "not encrypted, version" in said
    assert "data of 2 servers; not in use" in said
    asyncio.run(run_sql(login, "CREATE TABLE wiki (page TEXT)"))
    assert shell("doctor") == 1
    assert "not one of Sonneteer's" in capsys.readouterr().out


@pytest.mark.postgres
async def test_an_app_runs_on_a_server(
    shell: Shell, login: Login, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(tmp_path / "config.toml", {"SONNETEER_DATABASE_PASSWORD": PASSWORD})
    async with open_app(config, make_library(config)) as app:
        await app.guilds.change(Asker("discord:1", "10", manages=True), "lines", 9)
        assert app.guilds.guild_settings("10").lines == 9
        assert await asyncio.to_thread(shell, "settings", "10") == 0
        assert "lines: 9" in capsys.readouterr().out


WITHOUT_LIBRARY = """
import sys
sys.modules["asyncpg"] = None
from bot.cli.main import main
sys.exit(main(["--config", sys.argv[1], "settings", "10"]))
"""


@pytest.mark.parametrize(
    ("database", "status", "said"),
    [("", 0, ""), ("postgresql://bot@db/verse", 2, "-r requirements-cluster.lock")],
)
def test_the_library_is_needed_only_where_a_server_is_named(
    tmp_path: Path, database: str, status: int, said: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[cluster]\ndatabase = "{database}"\n')
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARY, str(config)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (ended.returncode, said in ended.stderr) == (status, True)
