"""Floods of commands: by one member, by one server, by a hundred; and who suffers from them.

    python -m tests.rigs.floods [--seconds 120] [--only none member slash server servers] [--quick]
                           [--random-seed N] [--json FILE]

For each flood the bot is a process of its own, `python -m bot`, as it is set up; this one is
Discord, which holds it to the limits that the real one has, and the members.
From a third of the flood on, polite members of fifty other servers ask for a sonnet now and then,
and so do neighbours in a channel that is flooded. The wake are the seconds after the flood until
the bot had said all that it had to say.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiohttp

from bench.gauges import MB
from bench.stats import poisson_arrivals, quantile
from bench.tables import number, table
from tests.discord_payloads import BOT, GUILD
from tests.fake_discord import TOKEN
from tests.rigs import runner
from tests.rigs.bot_process import (
    BotProcess,
    buckets_between,
    quantile_of,
    scrape,
    write_config,
)
from tests.rigs.populated_discord import FOOTER, POEM_MARK, RateLimitedDiscord, is_whole

POLITE_GUILDS, FLOODED_GUILD = tuple(range(GUILD, GUILD + 50)), GUILD + 50
POLITE_RATE, NEIGHBOUR_RATE = 0.2, 0.1  # poems a second, of all
SETTLE_SECONDS = 5.0
UNANSWERED = "sonneteer_unanswered_commands_total"
QUIET_SECONDS, WAKE_SECONDS = 6.0, 600.0  # without a request all is said; given up after


@dataclass(frozen=True, slots=True)
class Flood:
    """`rate` commands a second in all, spread over the members of the servers."""

    name: str
    who: str
    rate: float = 0.0
    guilds: int = 1
    members: int = 1  # of each server
    kinds: tuple[str, ...] = ("!sonnet the sea", "!help", f"<@{BOT}> a rose", "!settings show")


FLOODS = (
    Flood("none", "nobody"),
    Flood("member", "one member, messages", rate=10),
    Flood("slash", "one member, slash commands", rate=10, kinds=("/sonnet",)),
    Flood("server", "one server, 400 members", rate=20, members=400),
    Flood("servers", "100 servers, 4,000 members", rate=50, guilds=100, members=40),
)


@dataclass
class FloodReport:
    """What became of a flood, and of the others meanwhile."""

    flood: Flood
    ends: dict[str, int] = field(default_factory=dict)  # of the flood's commands
    polite: list[float] = field(default_factory=list)  # seconds, NaN where no poem came
    neighbours: list[float] = field(default_factory=list)
    memory: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    requests: int = 0
    refused: int = 0
    lag_p99_ms: float = math.nan
    wake_seconds: float = math.nan
    counted: float = math.nan  # by the bot, of commands that it left without an answer

    @property
    def sent(self) -> int:
        return sum(self.ends.values())

    @property
    def wrong(self) -> int:
        return self.sent - sum(self.ends.get(end, 0) for end in ("poem", "sentence", "nothing"))


def is_poem(content: str) -> bool:
    """Whether an answer is a whole poem: /help, too, has a word on random seeds."""
    return FOOTER in content and POEM_MARK in content.rpartition(FOOTER)[2]


class Members:
    """Everybody who asks."""

    def __init__(self, discord: RateLimitedDiscord, flood: Flood, chance: random.Random) -> None:
        self._discord, self._flood, self._chance = discord, flood, chance
        self._turns = itertools.count(50_000)  # polite people, nobody twice
        self._flooding: list[int] = []  # the flood's commands

    async def flood(self) -> None:
        """Send the flood's next command."""
        flood, chance = self._flood, self._chance
        guild = FLOODED_GUILD + chance.randrange(flood.guilds)
        member = 100_000 + 1_000 * (guild - GUILD) + chance.randrange(flood.members)
        words = chance.choice(flood.kinds)
        if words == "/sonnet":
            command = await self._discord.command("sonnet", {"seed": "the sea"}, member, guild)
        else:
            command = await self._discord.write(words, member, guild)
        self._flooding.append(command)

    async def ask(self, guild: int) -> float:
        """Ask politely; return the seconds until the poem was whole, NaN if none came."""
        began = time.perf_counter()
        command = await self._discord.write("!sonnet my love", next(self._turns), guild)
        with suppress(TimeoutError):
            await self._discord.until(lambda: self._has_poem(command))  # for minutes
            return time.perf_counter() - began
        return math.nan

    def _has_poem(self, command: int) -> bool:
        return any(is_poem(one["content"]) for one in self._discord.answers_to(command))

    def ends(self) -> dict[str, int]:
        """Count what the flood's commands got."""
        return dict(Counter(map(self._end, self._flooding)))

    def _end(self, command: int) -> str:
        answers = self._discord.answers_to(command)
        if not answers:
            return "nothing"
        if len(answers) > 1:
            return "more than one"
        if is_poem(answers[0]["content"]):
            return "poem"
        return "sentence" if is_whole(answers[0]["content"]) else "half"


async def come(
    rate: float, seconds: float, chance: random.Random, do: Callable[[], Awaitable[object]]
) -> None:
    """Let people come as a Poisson process; return when the last is done."""
    began, tasks = time.perf_counter(), []
    for due in poisson_arrivals(rate, seconds, chance) if rate else []:
        await asyncio.sleep(max(0.0, due - (time.perf_counter() - began)))
        tasks.append(asyncio.ensure_future(do()))
    await asyncio.gather(*tasks)


async def measure(flood: Flood, asked: argparse.Namespace, home: Path) -> FloodReport:
    """Let a fresh bot live through a flood."""
    discord = RateLimitedDiscord(
        (*POLITE_GUILDS, *range(FLOODED_GUILD, FLOODED_GUILD + flood.guilds))
    )
    async with discord.serve(), BotProcess(write_config(home, discord.url), TOKEN) as bot:
        address = await bot.address()
        await discord.until(lambda: discord.gateway.identified)
        async with aiohttp.ClientSession() as session:
            report = await _measure_with(flood, asked, discord, bot, session, address)
        status = await bot.stop()
    if status:
        raise SystemExit(f"the bot ended with {status}: {bot.log()[-2000:]}")
    return report


async def _measure_with(
    flood: Flood,
    asked: argparse.Namespace,
    discord: RateLimitedDiscord,
    bot: BotProcess,
    session: aiohttp.ClientSession,
    address: str,
) -> FloodReport:
    report, seconds = FloodReport(flood), asked.seconds
    chances = [random.Random(asked.random_seed + number) for number in range(3)]
    members = Members(discord, flood, chances[0])

    def memory() -> float:
        return float(bot.seen().memory_info().rss) / MB

    async def ask_politely(guilds: Sequence[int], rate: float, waits: list[float]) -> None:
        async def ask() -> None:
            waits.append(await members.ask(chances[0].choice(guilds)))

        await asyncio.sleep(seconds / 3)
        await come(rate, seconds * 2 / 3, chances[1], ask)

    async def look(share: float) -> float:
        await asyncio.sleep(share * seconds)
        return memory()

    await asyncio.gather(*(members.ask(guild) for guild in POLITE_GUILDS[:4]))
    await asyncio.sleep(SETTLE_SECONDS)
    first, before = memory(), await scrape(session, address)
    discord.served = discord.refused = 0
    others = asyncio.gather(
        ask_politely(POLITE_GUILDS, POLITE_RATE, report.polite),
        ask_politely([FLOODED_GUILD], NEIGHBOUR_RATE, report.neighbours),
    )
    third, last, _ = await asyncio.gather(
        look(1 / 3), look(1.0), come(flood.rate, seconds, chances[2], members.flood)
    )
    ended, during = time.perf_counter(), await scrape(session, address)
    await others
    while time.perf_counter() - discord.latest_request < QUIET_SECONDS:
        if time.perf_counter() - ended > WAKE_SECONDS:
            break
        await asyncio.sleep(0.2)
    after = await scrape(session, address)
    report.memory = (first, third, last)
    report.lag_p99_ms = 1000 * quantile_of(buckets_between(before, during), 0.99)[1]
    report.wake_seconds = max(0.0, discord.latest_request - ended)
    report.requests, report.refused = discord.served, discord.refused
    report.ends, report.counted = members.ends(), after.get(UNANSWERED, math.nan)
    return report


def show(reports: Sequence[FloodReport]) -> str:
    """Print a column for each flood."""
    columns = [("", *(name for name, _ in LINES))]
    columns += [(one.flood.name, *(tell(one) for _, tell in LINES)) for one in reports]
    head, *rows = zip(*columns, strict=True)
    who = (f"{one.flood.name}: {one.flood.who}" for one in reports)
    return "\n".join((table(head, rows), *who))


def _waits(waits: Sequence[float]) -> tuple[str, str]:
    written = [wait for wait in waits if not math.isnan(wait)]
    times = (number(quantile(written, share), 1) for share in (0.5, 0.95))
    return f"{len(written)} of {len(waits)}", " / ".join(times)


LINES: tuple[tuple[str, Callable[[FloodReport], str]], ...] = (
    ("commands a second", lambda one: number(one.flood.rate)),
    ("sent", lambda one: number(one.sent)),
    ("answered with a poem", lambda one: number(one.ends.get("poem", 0))),
    ("with a sentence", lambda one: number(one.ends.get("sentence", 0))),
    ("with nothing", lambda one: number(one.ends.get("nothing", 0))),
    ("otherwise", lambda one: number(one.wrong)),
    ("counted as unanswered, of all", lambda one: number(one.counted)),
    ("polite, with a poem", lambda one: _waits(one.polite)[0]),
    ("whole after, p50 / p95 s", lambda one: _waits(one.polite)[1]),
    ("neighbours, with a poem", lambda one: _waits(one.neighbours)[0]),
    ("whole after, p50 / p95 s", lambda one: _waits(one.neighbours)[1]),
    ("requests to Discord", lambda one: number(one.requests)),
    ("refused with 429", lambda one: number(one.refused)),
    ("memory before, MB", lambda one: number(one.memory[0])),
    ("after a third, at the end", lambda one: " / ".join(map(number, one.memory[1:]))),
    ("loop lag p99, ms", lambda one: number(one.lag_p99_ms)),
    ("wake, s", lambda one: number(one.wake_seconds)),
)


async def measure_all(asked: argparse.Namespace, home: Path) -> runner.Report:
    if asked.quick:
        asked.seconds, asked.only = 15.0, asked.only or ["member"]
    reports = []
    for flood in FLOODS:
        if not asked.only or flood.name in asked.only:
            runner.tell(flood.who)
            (home / flood.name).mkdir()
            reports.append(await measure(flood, asked, home / flood.name))
    return runner.Report(show(reports), {"floods": [asdict(one) for one in reports]})


def main() -> None:
    parser = runner.parser_of(__doc__, quick="15 s of one flood")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each flood")
    parser.add_argument("--only", nargs="+", choices=[flood.name for flood in FLOODS])
    parser.add_argument("--random-seed", type=int, default=0)
    runner.run(parser.parse_args(), measure_all)


if __name__ == "__main__":
    main()
