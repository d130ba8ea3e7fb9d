"""A whole visit to an installation."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.core.store.database import Database
from bot.core.store.guilds import GuildStore
from bot.doctor.checks import CheckRun, check_all, run
from bot.doctor.results import CheckStatus
from bot.doctor.settings import check_config
from tests.bot.core.store.installation import tree
from tests.discord_payloads import CHANNEL, GUILD
from tests.fake_discord import TOKEN, FakeDiscord

MakeModel = Callable[..., Path]
NAMES = [
    *("config", "versions", "environment", "web page", "token", "clock", "data folder"),
    *("models folder", "database", "default model", "model files", "servers' models"),
    *("memory", "processors"),
]


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord().serve() as served:
        yield served


def installation(home: Path, discord: str = "http://127.0.0.1:9") -> Path:
    """Return a config file whose page takes any port and whose Discord is on loopback."""
    file = home / "config.toml"
    file.write_text(f'[web]\nport = 0\n[discord]\napi_url = "{discord}"\n')
    return file


def visit(config: Path, token: str = "", *, as_json: bool = False) -> tuple[int, str]:
    out, environment = io.StringIO(), {"DISCORD_TOKEN": token}
    status = run(config, as_json=as_json, out=out, err=io.StringIO(), environment=environment)
    return status, out.getvalue()


def test_everything_is_told_in_one_order_and_as_json(tmp_path: Path) -> None:
    status, told = visit(installation(tmp_path), as_json=True)
    assert status == 0
    assert [result["name"] for result in json.loads(told)["findings"]] == NAMES


def test_a_visit_changes_nothing(tmp_path: Path, model_file: MakeModel) -> None:
    model_file("pears", folder="data/guilds/10")
    config = installation(tmp_path)
    before = tree(tmp_path)
    assert visit(config)[0] == 0
    assert tree(tmp_path) == before


def test_what_is_wrong_ends_with_status_1(tmp_path: Path) -> None:
    config = installation(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "spoilt.safetensors").write_bytes(b"spoilt")
    status, told = visit(config)
    assert status == 1
    assert "spoilt.safetensors" in told
    assert "1 failed" in told


def test_a_discord_that_cannot_be_reached_leaves_the_other_checks_theirs(tmp_path: Path) -> None:
    status, told = visit(installation(tmp_path), "some.secret.token")
    assert status == 1
    assert "no connection to 127.0.0.1:9" in told
    assert "some.secret.token" not in told
    assert "default model" in told


@pytest.mark.token_on_purpose("file")
def test_settings_that_cannot_be_read_are_told_without_the_token_in_them(tmp_path: Path) -> None:
    token = "MTA1MjM0NTY3ODkwMTIzNDU2.GhIjKl.0123456789abcdefghijklmnopqrstuv"
    config = tmp_path / "config.toml"
    config.write_text(f'[discord]\ntoken = "{token}"\n')
    status, told = visit(config)
    assert status == 1
    assert "unknown key discord.token" in told
    assert token not in told
    assert "not checked: the settings are invalid" in told


async def test_discord_is_asked_with_what_servers_have_settled(
    tmp_path: Path, fake: FakeDiscord
) -> None:
    config = installation(tmp_path, fake.url)
    database = await Database.open(tmp_path / "data")  # the bot, which goes on running
    await GuildStore(database).keep_settings(str(GUILD), {"channels": [str(CHANNEL)]})
    found = {
        each.name: each for each in await check_all(config, io.StringIO(), {"DISCORD_TOKEN": TOKEN})
    }
    await database.close()
    assert found["token"].state is CheckStatus.OK
    assert found["channels"].seen.startswith("1 channel for poems, all")
    assert found["commands"].state is CheckStatus.WARNING
    assert not any(TOKEN in str(result) for result in found.values())


async def test_whoever_waits_hears_for_what(tmp_path: Path, fake: FakeDiscord) -> None:
    released = fake.hold("GET", "users/@me$")
    config, _ = check_config(installation(tmp_path, fake.url), {"DISCORD_TOKEN": TOKEN})
    assert config is not None

    class Ear(io.StringIO):
        def write(self, text: str) -> int:
            released.set()
            return super().write(text)

    err = Ear()
    await CheckRun(config, err, tell_seconds=0.001).check_all()
    assert "still checking: " in err.getvalue()
    assert "Discord" in err.getvalue()
