"""The bot as a process of its own in a network that only a proxy leads out of.

Its Discord has names that no name server knows, and TLS: requests and events come through the proxy
or not at all.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from yarl import URL

from bot.discord_app.poem_formatting import read_verse
from tests.connect_proxy import LOGIN, ConnectProxy, certificate_for
from tests.discord_payloads import BOT
from tests.fake_discord import TOKEN, FakeDiscord
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("discord.test", "gateway.discord.test")
CONFIG = """
models.default = "harbour"
web.enabled = false
discord.api_url = "https://discord.test/api/v10"
discord.edit_seconds = 0.2
discord.cooldown_seconds = 0.0
"""
MakeModel = Callable[..., Path]


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[tuple[FakeDiscord, ConnectProxy, Path]]:
    """Give a Discord, the proxy that leads to it, and the certificate that proves its names."""
    try:
        certificate, tls = certificate_for(tmp_path, *NAMES)
    except FileNotFoundError:
        pytest.skip("OpenSSL's program is not installed")
    async with FakeDiscord().serve() as discord:
        port = URL(discord.url).port or 0
        async with ConnectProxy(port, login=LOGIN, tls=tls).serve() as proxy:
            discord.gateway.url = "wss://gateway.discord.test/gateway/"
            yield discord, proxy, certificate


@asynccontextmanager
async def running(home: Path, **variables: str) -> AsyncIterator[list[str]]:
    """Run the bot until the block ends; gives its log."""
    clean = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "--config", str(home / "config.toml")),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        env={**clean, **variables},
    )
    log: list[str] = []

    async def read() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            log.append(line.decode())

    reading = asyncio.create_task(read())
    try:
        yield log
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


@pytest.mark.token_on_purpose("file")
@pytest.mark.parametrize("by", ["the setting", "HTTPS_PROXY"])
async def test_everything_of_discord_goes_through_the_proxy(
    tmp_path: Path,
    model_file: MakeModel,
    behind: tuple[FakeDiscord, ConnectProxy, Path],
    by: str,
) -> None:
    discord, proxy, certificate = behind
    model_file("harbour")
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "password").write_text(LOGIN[1])
    named = {
        "the setting": {
            "SONNETEER_DISCORD_PROXY": proxy.url,
            "SONNETEER_PROXY_USER": LOGIN[0],
            "SONNETEER_PROXY_PASSWORD_FILE": str(tmp_path / "password"),
            "NO_PROXY": "discord.test",
        },
        "HTTPS_PROXY": {"HTTPS_PROXY": proxy.url.replace("//", f"//{':'.join(LOGIN)}@")},
    }
    secrets = {"DISCORD_TOKEN_FILE": str(tmp_path / "token"), "SSL_CERT_FILE": str(certificate)}
    async with running(tmp_path, **secrets, **named[by]) as log, asyncio.timeout(HANG_SECONDS):
        await discord.until(lambda: discord.gateway.identified)
        await discord.say(f"<@{BOT}> --form free a rose")
        await discord.until(
            lambda: any(read_verse(each).startswith("a rose") for each in discord.contents)
        )
    assert set(proxy.places) == {f"CONNECT {name}:443" for name in NAMES}
    assert f"Discord is asked for through the proxy {proxy.url}" in "".join(log)
    assert not any(secret in "".join(log) for secret in (TOKEN, LOGIN[1]))
