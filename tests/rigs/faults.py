"""Every fault of Discord, the network and the machine: how often tried, survived, how long it took.

    python -m tests.rigs.faults [--times 3] [--quick] [--only WORDS] [--random-seed N] [--json FILE]

A real engine with the model that ships and the real discord.py, on a Discord on loopback that
breaks (tests/faults.py has the trials); nobody has to wait for a next poem, so that no command is
turned away. Pauses are the real ones, Discord's five seconds between two identifies among them,
but for two: a gateway counts as dead after 4 seconds of silence instead of 60, and a handshake
after 5 instead of 60. What ends the whole bot is tried with `python -m bot` as a process of its
own.

Survived is a fault when every command got the answers that were due, one, or none where there is
nobody to give it to; when no row is left and discord.py's client was not begun anew (but where a
start fails before there is a session); of a bot that must end, when it says one sentence, returns 2
and has identified once. Recovery is from the fault to the answer to a new command, the poem's own
second or two included; of a bot that ends, to its end. --quick plays the fast ones once, with short
verse and without pauses. Exit status 1 if anything was not survived.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.config import Config, DiscordConfig, WritingConfig
from bot.discord_app.gateway import GatewayTimeouts
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.supervisor import FINAL_CODES
from tests.discord_payloads import BOT
from tests.fake_discord import TOKEN
from tests.faults import TRIALS, FaultCase
from tests.rigs import runner, shortages
from tests.rigs.bot_process import BotProcess, write_config
from tests.rigs.fault_trials import STARTS, Row, TrialResult, TrialRunner, gather, show
from tests.rigs.populated_discord import PopulatedDiscord
from tests.rigs.soak import service_of

WRONG_USE = 2
MAX_SECONDS = 90.0
LOGGED = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S* ")  # how a line of the log begins

# Whoever is root may write in every folder, but neither below a file nor in /proc.
NO_FOLDERS = (("below a file", "file/data"), ("in /proc", "/proc/data"))

Break = Callable[[PopulatedDiscord], None]


def closes_with(code: int) -> Break:
    def close(discord: PopulatedDiscord) -> None:
        discord.gateway.close_codes = [code] * 9

    return close


async def final(group: str, name: str, breaks: Break, *, rest: str = "") -> TrialResult:
    """Start a bot that is to end by itself, with one sentence, exit status 2 and one identify."""
    result = TrialResult(group, name)
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "file").touch()
        async with PopulatedDiscord().serve() as discord:
            assert isinstance(discord, PopulatedDiscord)
            breaks(discord)
            began = time.perf_counter()
            async with BotProcess(write_config(home, discord.url, rest=rest), TOKEN) as bot:
                status = await bot.ended(MAX_SECONDS)
            result.seconds = time.perf_counter() - began
            said = sentences(bot.log())
            if status != WRONG_USE:
                result.wrong.append(f"exit status {status} instead of {WRONG_USE}")
            if len(said) != 1:
                result.wrong.append(f"{len(said)} lines beside the log: {said[:3]}")
            if len(discord.gateway.identified) > 1:
                result.wrong.append(f"identified {len(discord.gateway.identified)} times")
    return result


def sentences(log: str) -> list[str]:
    """Return the lines that are not of the log but for whoever started the bot.

    >>> sentences("2026-11-26 12:00:00,123 INFO    bot: ready\\nDiscord rejected the shard.\\n")
    ['Discord rejected the shard.']
    """
    return [line for line in log.splitlines() if line and not LOGGED.match(line)]


async def without_intent() -> TrialResult:
    """Start a bot that is refused the message content: it goes on, and hears its name."""
    result = TrialResult("final", "4014: goes on without the intent")
    try:
        with TemporaryDirectory() as folder:
            async with asyncio.timeout(MAX_SECONDS), PopulatedDiscord().serve() as discord:
                await _hear_without_intent(discord, Path(folder), result)
    except Exception as error:
        result.wrong.append(repr(error))
    return result.judge()


async def _hear_without_intent(discord: object, home: Path, result: TrialResult) -> None:
    assert isinstance(discord, PopulatedDiscord)
    discord.gateway.approves_message_content = False
    began = time.perf_counter()
    async with BotProcess(write_config(home, discord.url), TOKEN) as bot:
        await discord.until(lambda: len(discord.gateway.identified) == 2)
        command = await discord.say(f"<@{BOT}> a rose")
        await discord.until(
            lambda: any("random seed" in one["content"] for one in discord.answers_to(command))
        )
        result.seconds = time.perf_counter() - began
        status = await bot.stop()
    result.counts = [(1, len(discord.answers_to(command)))]
    if status:
        result.wrong.append(f"exit status {status} after SIGTERM")
    if len(discord.gateway.identified) != 2:
        result.wrong.append(f"identified {len(discord.gateway.identified)} times")


async def play_failed_starts(
    times: int, tell: Callable[[TrialResult], None], *, quick: bool
) -> None:
    """Scenario what ends a start, and what might; of those, the `quick` ones are the first two."""
    codes = list(FINAL_CODES)[:1] if quick else FINAL_CODES
    for _ in range(times):
        for code in codes:
            tell(await final("final", f"{code}: one sentence, exit 2", closes_with(code)))
        if not quick:
            tell(await without_intent())
        for name, place in NO_FOLDERS[:1] if quick else NO_FOLDERS:
            fault = f"no data folder can be made {name}: exit 2"
            rest = f'[data]\nfolder = "{place}"'
            tell(await final("machine", fault, lambda _: None, rest=rest))


QUICK_PATIENCE = GatewayTimeouts(
    connect_seconds=0.5,
    pause_seconds=0.02,
    max_pause_seconds=0.1,
    silence_seconds=0.4,
    identify_seconds=0.02,
    max_identify_seconds=0.1,
)
QUICK_TEMPO = ReplyTiming(0.02, 0.02, 0.02, 0.02)


def settings(*, quick: bool) -> Config:
    """Return the settings of config.toml, with room for everybody."""
    writing = WritingConfig(max_per_member=1_000, form="couplet" if quick else "sonnet")
    return Config(writing=writing, discord=DiscordConfig(cooldown_seconds=0.0))


class Notes:
    """What was seen so far, told on stderr as it comes."""

    def __init__(self) -> None:
        self.results: list[TrialResult] = []

    def tell(self, result: TrialResult) -> None:
        self.results.append(result)
        how = "; ".join(result.wrong) or "survived"
        sys.stderr.write(f"{len(self.results):4} {result.group}: {result.name}: {how}\n")


async def play_trials(
    trial_runner: TrialRunner,
    trials: Sequence[FaultCase],
    times: int,
    seed: int,
    notes: Notes,
    *,
    starts: bool,
) -> None:
    """Scenario starts, where wanted, and trials, each round in an order of its own."""
    chance = random.Random(seed)
    for _ in range(times):
        for name, prepare, restarts in STARTS if starts else ():
            notes.tell(await trial_runner.start(name, prepare, restarts=restarts))
        for trial in chance.sample(trials, len(trials)):
            notes.tell(await trial_runner.play(trial))


async def play_everything(asked: argparse.Namespace, folder: Path) -> list[Row]:
    notes, quick = Notes(), asked.quick
    trials = [trial for trial in TRIALS if not (quick and trial.slow) and asked.only in str(trial)]
    service = service_of(settings(quick=quick), folder)
    await service.warm_up()
    trial_runner = TrialRunner(service)
    if quick:
        trial_runner = TrialRunner(service, QUICK_PATIENCE, QUICK_TEMPO, 0.02, 0.05)
    await play_trials(
        trial_runner, trials, asked.times, asked.random_seed, notes, starts=not asked.only
    )
    await service.close()
    if not asked.only:
        await play_failed_starts(asked.times, notes.tell, quick=quick)
        await shortages.play_all(asked.times, notes.tell, quick=quick)
    order = ["start", *dict.fromkeys(trial.group for trial in TRIALS), "final"]
    return sorted(gather(notes.results), key=lambda row: (order.index(row.group), row.name))


async def measure(asked: argparse.Namespace, folder: Path) -> runner.Report:
    if asked.quick:
        asked.times = 1
    # What goes wrong is told in the table; the bot's own complaints are meant here.
    logging.basicConfig(level=logging.CRITICAL)
    began = time.monotonic()
    rows = await play_everything(asked, folder)
    seconds = time.monotonic() - began
    tried, survived = (sum(getattr(row, name) for row in rows) for name in ("tried", "survived"))
    return runner.Report(
        f"{tried} trials in {seconds:.0f} s\n{show(rows)}",
        {"seconds": seconds, "faults": [vars(row) for row in rows]},
        [runner.Check("survived", survived == tried, f"{survived} of {tried}")],
        [f"{row.group}: {row.name}: {wrong}" for row in rows for wrong in row.wrong],
    )


def main() -> None:
    parser = runner.parser_of(__doc__, quick="under a minute")
    parser.add_argument("--times", type=int, default=3, help="how often each is tried")
    parser.add_argument("--random-seed", type=int, default=0, help="of their order")
    parser.add_argument("--only", default="", metavar="WORDS", help="trials that are named so")
    runner.run(parser.parse_args(), measure)


if __name__ == "__main__":
    main()
