"""The whole bot as a process of its own, `python -m bot`, on a Discord of ours."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"the page is at (http://\S+)")
LOOK_SECONDS = 0.05
INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended
STOP_SECONDS = 40.0  # poems are finished first, for ten of them

CONFIG = """\
[discord]
api_url = "{api_url}"
{discord}
[web]
port = 0
{web}
{rest}
"""


def write_config(
    home: Path, api_url: str, *, discord: str = "", web: str = "", rest: str = ""
) -> Path:
    """Write a config.toml whose folders are in `home`; the further texts are lines of it."""
    path = home / "config.toml"
    path.write_text(CONFIG.format(api_url=api_url, discord=discord, web=web, rest=rest), "utf-8")
    return path


def end_on_sigterm() -> None:
    """Let SIGTERM end this task, and the bot with it, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None, "called outside of a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


class BotProcess:
    """A bot that is ended, by its own number, when the block ends, however that does."""

    def __init__(self, config: Path, token: str) -> None:
        self._config = config
        self._token = token
        self.log_path = config.parent / "bot.log"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> BotProcess:
        environment = {**os.environ, "DISCORD_TOKEN": self._token, "PYTHONUNBUFFERED": "1"}
        with self.log_path.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "bot", "--config", str(self._config)),
                cwd=ROOT,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to hear; we end it
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it was never started"
        return self._process

    @property
    def status(self) -> int | None:
        return self.process.returncode

    def set_priority(self, nice: int) -> None:
        """Let all its threads go before others, or after; those to come do the same."""
        for thread in self.seen().threads():
            os.setpriority(os.PRIO_PROCESS, thread.id, nice)

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def seen(self) -> psutil.Process:
        """Return it as the system sees it."""
        return psutil.Process(self.process.pid)

    async def address(self) -> str:
        """Wait for its page and return where that is."""
        while (found := ADDRESS.search(self.log())) is None:
            if self.status is not None:
                raise RuntimeError(f"the bot ended with {self.status}: {self.log()[-2000:]}")
            await asyncio.sleep(LOOK_SECONDS)
        return found[1]

    async def ended(self, seconds: float) -> int | None:
        """Return its exit status, None where it has not ended within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self.process.wait()
        return None

    async def stop(self) -> int:
        """Ask it to stop, end it if it does not; return its exit status."""
        if self.status is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            if await self.ended(STOP_SECONDS) is None:
                with suppress(ProcessLookupError):
                    self.process.kill()
        return await self.process.wait()
