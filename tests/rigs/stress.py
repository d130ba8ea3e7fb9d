"""A long run under mixed load while faults are drawn at random: the whole bot must bear it.

    python -m tests.rigs.stress [--minutes 30] [--rate 0.5] [--random-seed N] [--quick]
                                [--json FILE] [--nice N] [--log FILE]

The bot is a process of its own, `python -m bot`, with its real pauses; this one is Discord and the
members, some `--rate` commands a second: with the prefix, slash commands, mentions, direct
messages, buttons, the web page, settings, members over their limits, two trainings. Every twenty
seconds or so a fault of tests/faults.py is drawn and played. Held in the end:

    answers     one to each command; none that is missing or doubled, no apology, but for commands
                sent in the gap of a session that was lost, which are counted, and those to which
                there is nobody to answer
    memory      flat: the lowest of each minute, over the second half, rises by less than 2 MB an
                hour, or by less than two standard errors of that rise, which is then told
    loop lag    99 of 100 looks at the bot's event loop find it at most 20 ms late, by its /metrics
    the rest    no row, no place in line left; open files and threads as at the beginning; the bot
                ends when it is asked to, with status 0

On a machine that others use too, --nice -10 lets the bot go before them, as on one of its own (root
only); how long its event loop has waited for a processor is told either way. How late this process
is itself, which is Discord and four hundred members in one, is told too: what it costs is in the
poems' times, but in none of the goals. Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.during_training import make_book
from bench.gauges import watch_lag
from tests.fake_discord import TOKEN
from tests.fault_run import FaultRun
from tests.faults import TRIALS, FaultCase
from tests.rigs import runner
from tests.rigs.bot_process import (
    BotProcess,
    Looks,
    loop_time,
    scrape,
    total_of,
    watch_pages,
    watch_process,
    write_config,
)
from tests.rigs.populated_discord import PopulatedDiscord
from tests.rigs.stress_members import (
    ADMIN,
    GUILDS,
    IN_A_BURST,
    IN_A_FAULT,
    OFFICE_GUILD,
    TALK_GUILD,
    TROUBLE_GUILDS,
    PlayedFault,
    StressRun,
    Wants,
    keep_asking,
)
from tests.rigs.stress_report import StressReport, details, judge, show, summary

EVERY_SECONDS = 20.0
RECOVER_SECONDS = 170.0
BURST = 30
# What costs a session makes the bot wait before the next, up to five minutes; most evenings
# have none of them at all. And two faults take more than a minute each to be noticed.
RARE = {
    "op 9, session gone": 2,
    "RESUME refused": 2,
    "heartbeats unanswered": 1,
    "handshake without HELLO": 1,
}
RARE_PER_SECONDS = 1800.0
WEIGHTS = {"gateway": 4, "events": 3, "forbidden": 2, "vanishing": 2}  # of a group; 1 for others
IN_PROCESS = ("DNS fails three times",)  # such trials reach into the bot, which is elsewhere

# Trainings
BOOK_KILOBYTES = 40
MAX_MINUTES = 0.5
TRAINING_LOOK_SECONDS = 5.0
TRAINED_SECONDS = 400.0
JOBS = "sonneteer_training_jobs_total"

HEARTBEAT_MS = 10_000  # Discord's 41 seconds would make silence last longer still
SETTLE_SECONDS = 20.0  # before the first look: the bot's first poems, once in its life
ENDING_SECONDS = 240.0  # for the last answers
QUIET_SECONDS = 5.0  # before the last look
TRAIN_AT = (0.1, 0.3)  # shares of the run, so that the second half has none
ENOUGH_SECONDS = 300.0  # for trainings
TIMEOUT = aiohttp.ClientTimeout(total=200.0)


@dataclass
class MemberStage(FaultRun):
    """Asks as members of the run do, and enters each command into its log."""

    run: StressRun | None = None
    kind: str = IN_A_FAULT

    async def ask(self, seed: str = "a rose", *, answers: int = 1) -> int:
        run, discord = self._parts()
        member = run.member()
        wants = Wants.POEM if answers else Wants.NOTHING
        if answers and seed.startswith("--"):
            wants = Wants.WORDS
        command = run.note(self.kind, wants, guild=self.guild, member=member, calm=False)
        command.number = await discord.write(f"!sonnet {seed}", member, self.guild)
        self.expected[command.number] = answers
        if answers:
            run.launch(run.follow(command))
        return command.number

    async def slash(self, **options: float) -> int:
        run, discord = self._parts()
        member, given = run.member(), {"seed": "a rose", **options}
        wants = Wants.WORDS if options else Wants.POEM
        command = run.note(self.kind, wants, guild=self.guild, member=member, calm=False)
        command.number = await discord.command("sonnet", given, member, self.guild)
        self.expected[command.number] = 1
        run.launch(run.follow(command))
        return command.number

    async def answered(self, command: int) -> None:
        _, discord = self._parts()
        await discord.until(lambda: self.is_answered(command) or command in discord.lost_commands())

    async def recover(self) -> float:
        """Ask until an answer comes; a question may be lost with a session."""
        run, _ = self._parts()
        while (command := await self.ask("and after")) is not None:
            await self.answered(command)
            if self.is_answered(command):
                break
        seconds = run.now() - self.struck_at
        for number, answers in self.expected.items():
            if answers:
                await self.answered(number)
        return seconds

    def strike(self) -> None:
        self.struck_at = self._parts()[0].now()

    def lost_sessions(self) -> float:
        """Return how often the bot had to begin anew, as Discord sees it."""
        return len(self.fake.gateway.identified)

    def _parts(self) -> tuple[StressRun, PopulatedDiscord]:
        assert self.run is not None
        return self.run, self.run.discord


async def burst(stage: FaultRun) -> None:
    """Many members at once, on one server."""
    assert isinstance(stage, MemberStage)
    stage.strike()
    stage.kind = IN_A_BURST
    await asyncio.gather(*(stage.ask(f"rose {number}") for number in range(BURST)))
    stage.kind = IN_A_FAULT


def playable_trials() -> list[FaultCase]:
    """Return what can be played to a bot in a process of its own."""
    played = [
        trial for trial in TRIALS if trial.group != "machine" and trial.name not in IN_PROCESS
    ]
    return [*played, FaultCase("members", f"{BURST} at once", burst)]


@dataclass
class FaultScheduler:
    """Draws faults and plays them, those of the gateway one at a time."""

    run: StressRun
    faults: list[PlayedFault] = field(default_factory=list)
    _guilds: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    _gateway: asyncio.Lock = field(default_factory=asyncio.Lock)
    _played: Counter[str] = field(default_factory=Counter)

    def draw(self, trials: list[FaultCase], seconds: float) -> FaultCase:
        """Choose a group, then one of it; what is rare only as often as it may be."""
        chance = self.run.chance
        groups = list(dict.fromkeys(trial.group for trial in trials))
        [group] = chance.choices(groups, [WEIGHTS.get(group, 1) for group in groups])
        share = max(seconds / RARE_PER_SECONDS, 0.5)
        fit = [
            trial
            for trial in trials
            if trial.group == group
            and self._played[trial.name] < RARE.get(trial.name, 10**9) * share
        ]
        trial = chance.choice(fit)
        self._played[trial.name] += 1
        return trial

    async def keep_playing(self, seconds: float) -> None:
        """Scenario faults until the run's end."""
        trials, run = playable_trials(), self.run
        for guild in TROUBLE_GUILDS:
            self._guilds.put_nowait(guild)
        while True:
            await asyncio.sleep(run.chance.uniform(0.5, 1.5) * EVERY_SECONDS)
            if run.now() >= seconds:
                return
            run.launch(self._play(self.draw(trials, seconds)))

    async def _play(self, trial: FaultCase) -> None:
        if trial.group != "gateway":
            return await self._play_now(trial)
        async with self._gateway:
            return await self._play_now(trial)

    async def _play_now(self, trial: FaultCase) -> None:
        run = self.run
        guild = await self._guilds.get()
        stage = MemberStage(run.discord, _no_bot, None, guild, run=run)  # type: ignore[arg-type]
        fault = PlayedFault(str(trial), run.now())
        self.faults.append(fault)
        run.faults_in_play += 1
        try:
            async with asyncio.timeout(RECOVER_SECONDS):
                stage.strike()
                await trial.play(stage)
                fault.seconds = await stage.recover()
        except Exception as error:
            fault.note = repr(error)
        finally:
            run.faults_in_play -= 1
            self._guilds.put_nowait(guild)


def _no_bot() -> object:
    raise AssertionError("the bot is in another process")


@asynccontextmanager
async def book_site() -> AsyncIterator[str]:
    """Serve books by number on loopback; yield what [books] gutenberg is to be."""

    async def book(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        return web.Response(body=make_book(BOOK_KILOBYTES, number), content_type="text/plain")

    app = web.Application()
    app.router.add_get(r"/{number:\d+}.txt", book)
    site = web.AppRunner(app, shutdown_timeout=0.1)
    await site.setup()
    try:
        await web.TCPSite(site, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{site.addresses[0][1]}/{{number}}.txt"
    finally:
        await site.cleanup()


async def train(run: StressRun, at_seconds: float, number: int) -> None:
    """Add a book, say yes, and wait until its training has ended."""
    await asyncio.sleep(max(0.0, at_seconds - run.now()))
    before = total_of(await scrape(run.session, run.address), JOBS)
    for attempt in range(5):  # a fault may have cost the question or the button
        if await _begin(run, number + 100 * attempt):
            break
    else:
        raise RuntimeError("no training could be begun")
    with suppress(TimeoutError):
        async with asyncio.timeout(TRAINED_SECONDS):
            ended = before
            while ended == before:
                await asyncio.sleep(TRAINING_LOOK_SECONDS)
                ended = total_of(await scrape(run.session, run.address), JOBS)


async def _begin(run: StressRun, number: int) -> bool:
    """Ask for a training and press the button; return whether both arrived."""
    discord = run.discord
    command = run.note("book add", Wants.WORDS, guild=OFFICE_GUILD, member=ADMIN)
    options = {"source": str(number), "name": f"stress-{number}"}
    command.number = await discord.command("book add", options, ADMIN, OFFICE_GUILD, admin=True)
    await run.follow(command)
    answers = discord.answers_to(command.number)
    if not answers or not discord.has_button(answers[0], "Train"):
        return False
    await discord.push(answers[0], "Train", ADMIN, OFFICE_GUILD, admin=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(TRAINING_LOOK_SECONDS * 4):
            await discord.until(lambda: not discord.has_button(answers[0], "Train"))
            return True
    return False


async def _measure(
    asked: argparse.Namespace, discord: PopulatedDiscord, bot: BotProcess
) -> StressReport:
    address, looks = await bot.address(), Looks()
    lags: list[float] = []
    await discord.until(lambda: discord.gateway.identified)
    if asked.nice:
        bot.set_priority(asked.nice)
    seconds = asked.minutes * 60
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        run = StressRun(discord, random.Random(asked.random_seed), address, session)
        scheduler = FaultScheduler(run)
        await keep_asking(run, SETTLE_SECONDS, asked.rate)
        before = await scrape(session, address)
        ran, waited = loop_time(bot.process.pid)
        files, threads = bot.seen().num_fds(), bot.seen().num_threads()
        watches = [
            asyncio.create_task(watch_process(bot.seen(), looks, run.began)),
            asyncio.create_task(watch_pages(session, address, looks)),
            asyncio.create_task(watch_lag(lags)),
            asyncio.create_task(tell(run, scheduler, seconds)),
        ]
        if seconds >= ENOUGH_SECONDS:
            for number, share in enumerate(TRAIN_AT, start=1):
                run.launch(train(run, share * seconds, number))
        await asyncio.gather(keep_asking(run, seconds, asked.rate), scheduler.keep_playing(seconds))
        if bot.status is not None:
            raise SystemExit(f"the bot ended with status {bot.status}: {bot.log()[-2000:]}")
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING_SECONDS):
                while run.tasks:
                    await asyncio.wait(run.tasks)
        await asyncio.sleep(QUIET_SECONDS)
        for watch in watches:
            watch.cancel()
        ran_then, waited_then = loop_time(bot.process.pid)
        run.settle()
        return StressReport(
            seconds=run.now(),
            log=run.log,
            faults=scheduler.faults,
            looks=looks,
            before=before,
            after=await scrape(session, address),
            files=(files, bot.seen().num_fds()),
            threads=(threads, bot.seen().num_threads()),
            loop=(ran_then - ran, waited_then - waited),
            own_lags=lags,
            own_errors=run.errors,
            unfinished=len(run.tasks),
            sessions=len(discord.gateway.identified),
            resumed=discord.gateway.resumed,
        )


async def tell(run: StressRun, scheduler: FaultScheduler, seconds: float) -> None:
    """Say on stderr how far the run is."""
    while True:
        run.discord.requests.clear()  # which only tests look at
        sys.stderr.write(
            f"\r{run.now():5.0f} of {seconds:.0f} s, {len(run.log.commands)} commands, "
            f"{len(scheduler.faults)} faults, {len(run.tasks)} under way "
        )
        sys.stderr.flush()
        await asyncio.sleep(QUIET_SECONDS)


async def stress(asked: argparse.Namespace, home: Path) -> runner.Report:
    """Stress a bot in `home` and judge what was seen."""
    if asked.quick:
        asked.minutes = 1.5
    discord = PopulatedDiscord((*GUILDS, TALK_GUILD, OFFICE_GUILD, *TROUBLE_GUILDS))
    async with discord.serve(), book_site() as books:
        discord.gateway.heartbeat_ms = HEARTBEAT_MS
        config = write_config(
            home,
            discord.url,
            web='trusted_proxies = ["127.0.0.1/32"]',
            rest=f'[books]\ngutenberg = "{books}"\nmax_minutes = {MAX_MINUTES}\n',
        )
        async with BotProcess(config, TOKEN) as bot:
            report = await _measure(asked, discord, bot)
            report.status = await bot.stop()
        report.bot_log = bot.log()
        if asked.log is not None:
            shutil.copy(bot.log_path, asked.log)
    sys.stderr.write("\n")
    settings = {name: vars(asked)[name] for name in ("minutes", "rate", "random_seed", "nice")}
    figures = {**settings, **summary(report)}
    return runner.Report(show(report), figures, judge(report), details(report))


def main() -> None:
    parser = runner.parser_of(__doc__, quick="a minute and a half")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=0.5, help="commands a second")
    parser.add_argument("--random-seed", type=int, default=0)
    parser.add_argument("--nice", type=int, default=0, help="the bot's place before others")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the bot's log")
    runner.run(parser.parse_args(), stress)


if __name__ == "__main__":
    main()
