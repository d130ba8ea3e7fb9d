"""The bot as a process of its own, with a token, on a fake Discord: nothing it writes has it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from bot.discord_app.poem_formatting import read_verse
from bot.sources import KEY_VARIABLE, TOKEN_VARIABLE
from tests.discord_payloads import BOT
from tests.fake_discord import TOKEN, FakeDiscord
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("/", "/metrics", "/healthz", "/dashboard", "/api/models", "/v1/models", "/nothing")
KEY = "key-of-programs-0123456789"
KEYS = {KEY: 200, KEY[:-1]: 401}  # and what they get
CONFIG = """
models.default = "harbour"
web.port = 0
discord.api_url = "{url}"
discord.edit_seconds = 0.2
discord.cooldown_seconds = 0.0
"""

MakeModel = Callable[..., Path]


@dataclass
class Running:
    process: asyncio.subprocess.Process
    page: str = ""
    log: list[str] = field(default_factory=list)

    async def until(self, words: str) -> None:
        """Read the log until a line has these words."""
        assert self.process.stderr is not None
        async with asyncio.timeout(HANG_SECONDS):
            while words not in "".join(self.log[-1:]):
                line = (await self.process.stderr.readline()).decode()
                assert line, "".join(self.log)
                self.log.append(line)

    async def stop(self) -> None:
        assert self.process.stderr is not None
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(HANG_SECONDS):
            self.log += (await self.process.stderr.read()).decode().splitlines(keepends=True)
            assert await self.process.wait() == 0


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "--config", str(config), "--log", "json"),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, TOKEN_VARIABLE: TOKEN, KEY_VARIABLE: KEY},
    )
    bot = Running(process)
    try:
        await bot.until("the page is at")
        bot.page = json.loads(bot.log[-1])["message"].split()[-1]
        await bot.until("connected to Discord, in 1 servers")
        yield bot
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
async def test_a_bot_with_a_token_writes_it_nowhere(tmp_path: Path, model_file: MakeModel) -> None:
    model_file("harbour")
    async with FakeDiscord().serve() as fake:
        (tmp_path / "config.toml").write_text(CONFIG.format(url=fake.url))
        async with running(tmp_path / "config.toml") as bot:
            await fake.say(f"<@{BOT}> --form free a rose")
            await bot.until("a poem")
            await fake.slash("about", {})
            await fake.until(lambda: len(fake.answers) == 2)
            async with aiohttp.ClientSession(bot.page) as client:
                for page in PAGES:
                    async with client.get(page) as response:
                        shown = await response.text() + str(response.headers)
                        assert not any(secret in shown for secret in (TOKEN, KEY))
                for key, status in KEYS.items():
                    headers = {"Authorization": f"Bearer {key}"}
                    async with client.get("/v1/models", headers=headers) as response:
                        assert response.status == status
            if sys.platform == "linux":
                limits = Path(f"/proc/{bot.process.pid}/limits").read_text()
                assert re.search("^Max core file size +0 ", limits, re.MULTILINE)
            await bot.stop()
    told = [json.loads(line) for line in bot.log]  # each line, to the last one
    (poem,) = (line for line in told if "outcome" in line)
    assert (poem["door"], poem["outcome"], poem["model"]) == ("discord", "complete", "harbour")
    assert poem["messages"] == 1
    assert "Session" not in "".join(bot.log)  # the key of one is nearly as good as the token
    assert not any(secret in "".join(bot.log) for secret in (TOKEN, KEY, "interaction-", "a rose"))
    assert any(read_verse(content).startswith("a rose") for content in fake.contents)
    # What it sent to Discord, and the files it left, are looked at by tests.leaks.
