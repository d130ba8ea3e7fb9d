"""Starts that come to nothing: what `python -m bot` says and returns when it must not go on."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bot_process import BotProcess, write_config
from bench.outcomes import Outcome
from bench.town import Town
from bot.discord_app.door import FINAL_CODES
from tests.discord_payloads import BOT
from tests.fake_discord import TOKEN

WRONG_USE = 2
MAX_SECONDS = 90.0
LOGGED = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S* ")  # how a line of the log begins

# Whoever is root may write in every folder, but neither below a file nor in /proc.
NO_FOLDERS = (("below a file", "file/data"), ("in /proc", "/proc/data"))

Break = Callable[[Town], None]


def closes(code: int) -> Break:
    def close(town: Town) -> None:
        town.gateway.close_codes = [code] * 9

    return close


async def final(group: str, name: str, breaks: Break, *, rest: str = "") -> Outcome:
    """Start a bot that is to end by itself, with one sentence, exit status 2 and one identify."""
    outcome = Outcome(group, name)
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "file").touch()
        async with Town().serve() as town:
            assert isinstance(town, Town)
            breaks(town)
            began = time.perf_counter()
            async with BotProcess(write_config(home, town.url, rest=rest), TOKEN) as bot:
                status = await bot.ended(MAX_SECONDS)
            outcome.seconds = time.perf_counter() - began
            said = sentences(bot.log())
            if status != WRONG_USE:
                outcome.wrong.append(f"exit status {status} instead of {WRONG_USE}")
            if len(said) != 1:
                outcome.wrong.append(f"{len(said)} lines beside the log: {said[:3]}")
            if len(town.gateway.identified) > 1:
                outcome.wrong.append(f"identified {len(town.gateway.identified)} times")
    return outcome


def sentences(log: str) -> list[str]:
    """Return the lines that are not of the log but for whoever started the bot.

    >>> sentences("2026-11-26 12:00:00,123 INFO    bot: ready\\nDiscord refuses the shard.\\n")
    ['Discord refuses the shard.']
    """
    return [line for line in log.splitlines() if line and not LOGGED.match(line)]


async def without_intent() -> Outcome:
    """Start a bot that is refused the message content: it goes on, and hears its name."""
    outcome = Outcome("final", "4014: goes on without the intent")
    try:
        with TemporaryDirectory() as folder:
            async with asyncio.timeout(MAX_SECONDS), Town().serve() as town:
                await _hear_without_intent(town, Path(folder), outcome)
    except Exception as error:
        outcome.wrong.append(repr(error))
    return outcome.judge()


async def _hear_without_intent(town: object, home: Path, outcome: Outcome) -> None:
    assert isinstance(town, Town)
    town.gateway.approves_message_content = False
    began = time.perf_counter()
    async with BotProcess(write_config(home, town.url), TOKEN) as bot:
        await town.until(lambda: len(town.gateway.identified) == 2)
        command = await town.say(f"<@{BOT}> a rose")
        await town.until(
            lambda: any("random seed" in one["content"] for one in town.answers_to(command))
        )
        outcome.seconds = time.perf_counter() - began
        status = await bot.stop()
    outcome.counts = [(1, len(town.answers_to(command)))]
    if status:
        outcome.wrong.append(f"exit status {status} after SIGTERM")
    if len(town.gateway.identified) != 2:
        outcome.wrong.append(f"identified {len(town.gateway.identified)} times")


async def play_all(times: int, tell: Callable[[Outcome], None], *, quick: bool) -> None:
    """Play what ends a start, and what might; of those, the `quick` ones are the first two."""
    codes = list(FINAL_CODES)[:1] if quick else FINAL_CODES
    for _ in range(times):
        for code in codes:
            tell(await final("final", f"{code}: one sentence, exit 2", closes(code)))
        if not quick:
            tell(await without_intent())
        for name, place in NO_FOLDERS[:1] if quick else NO_FOLDERS:
            fault = f"no data folder can be made {name}: exit 2"
            rest = f'[data]\nfolder = "{place}"'
            tell(await final("machine", fault, lambda _: None, rest=rest))
