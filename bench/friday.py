"""A long Friday evening: the whole bot under mixed load while everything goes wrong at random.

    python bench/friday.py [--minutes 30] [--rate 0.5] [--random-seed N] [--quick] [--json FILE]
                           [--nice N] [--log FILE]

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
is itself, which is Discord and four hundred members in one, is told beside: what it costs is in the
poems' times, but in none of the goals. Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import aiohttp  # noqa: E402

from bench.bot_process import INTERRUPTED, BotProcess, end_on_sigterm, write_config  # noqa: E402
from bench.friday_members import (  # noqa: E402
    GUILDS,
    OFFICE_GUILD,
    TALK_GUILD,
    TROUBLE_GUILDS,
    Evening,
    keep_asking,
)
from bench.friday_report import Report, judge, show, summary  # noqa: E402
from bench.friday_strikes import Director  # noqa: E402
from bench.friday_training import MAX_MINUTES, bookshop, train  # noqa: E402
from bench.friday_watch import Looks, loop_time, scrape, watch_pages, watch_process  # noqa: E402
from bench.gauges import machine, watch_lag  # noqa: E402
from bench.tables import write_json  # noqa: E402
from bench.town import Town  # noqa: E402
from tests.fake_discord import TOKEN  # noqa: E402

HEARTBEAT_MS = 10_000  # Discord's 41 seconds would make silence last longer still
SETTLE_SECONDS = 20.0  # before the first look: the bot's first poems, once in its life
ENDING_SECONDS = 240.0  # for the last answers
QUIET_SECONDS = 5.0  # before the last look
TRAIN_AT = (0.1, 0.3)  # shares of the evening, so that the second half has none
ENOUGH_SECONDS = 300.0  # for trainings
TIMEOUT = aiohttp.ClientTimeout(total=200.0)


async def spend(asked: argparse.Namespace, home: Path) -> Report:
    """Spend an evening with a bot in `home`."""
    town = Town((*GUILDS, TALK_GUILD, OFFICE_GUILD, *TROUBLE_GUILDS))
    async with town.serve(), bookshop() as books:
        town.gateway.heartbeat_ms = HEARTBEAT_MS
        config = write_config(
            home,
            town.url,
            web='trusted_proxies = ["127.0.0.1/32"]',
            rest=f'[books]\ngutenberg = "{books}"\nmax_minutes = {MAX_MINUTES}\n',
        )
        async with BotProcess(config, TOKEN) as bot:
            report = await _spend_with(asked, town, bot)
            report.status = await bot.stop()
        report.log = bot.log()
        if asked.log is not None:
            shutil.copy(bot.log_path, asked.log)
    return report


async def _spend_with(asked: argparse.Namespace, town: Town, bot: BotProcess) -> Report:
    address, looks = await bot.address(), Looks()
    lags: list[float] = []
    await town.until(lambda: town.gateway.identified)
    if asked.nice:
        bot.set_priority(asked.nice)
    seconds = asked.minutes * 60
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        evening = Evening(town, random.Random(asked.random_seed), address, session)
        director = Director(evening)
        await keep_asking(evening, SETTLE_SECONDS, asked.rate)
        before = await scrape(session, address)
        ran, waited = loop_time(bot.process.pid)
        files, threads = bot.seen().num_fds(), bot.seen().num_threads()
        watches = [
            asyncio.create_task(watch_process(bot.seen(), looks, evening.began)),
            asyncio.create_task(watch_pages(session, address, looks)),
            asyncio.create_task(watch_lag(lags)),
            asyncio.create_task(tell(evening, director, seconds)),
        ]
        if seconds >= ENOUGH_SECONDS:
            for number, share in enumerate(TRAIN_AT, start=1):
                evening.launch(train(evening, share * seconds, number))
        await asyncio.gather(
            keep_asking(evening, seconds, asked.rate), director.keep_striking(seconds)
        )
        if bot.status is not None:
            raise SystemExit(f"the bot ended with status {bot.status}: {bot.log()[-2000:]}")
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING_SECONDS):
                while evening.tasks:
                    await asyncio.wait(evening.tasks)
        await asyncio.sleep(QUIET_SECONDS)
        for watch in watches:
            watch.cancel()
        ran_then, waited_then = loop_time(bot.process.pid)
        evening.settle()
        return Report(
            seconds=evening.now(),
            ledger=evening.ledger,
            strikes=director.strikes,
            looks=looks,
            before=before,
            after=await scrape(session, address),
            files=(files, bot.seen().num_fds()),
            threads=(threads, bot.seen().num_threads()),
            loop=(ran_then - ran, waited_then - waited),
            own_lags=lags,
            own_errors=evening.errors,
            unfinished=len(evening.tasks),
            sessions=len(town.gateway.identified),
            resumed=town.gateway.resumed,
        )


async def tell(evening: Evening, director: Director, seconds: float) -> None:
    """Say on stderr how far the evening is."""
    while True:
        evening.town.requests.clear()  # which only tests look at
        sys.stderr.write(
            f"\r{evening.now():5.0f} of {seconds:.0f} s, {len(evening.ledger.entries)} commands, "
            f"{len(director.strikes)} faults, {len(evening.tasks)} under way "
        )
        sys.stderr.flush()
        await asyncio.sleep(QUIET_SECONDS)


async def run(asked: argparse.Namespace) -> Report:
    """Spend the evening in a folder of its own."""
    end_on_sigterm()
    with tempfile.TemporaryDirectory() as folder:
        return await spend(asked, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=0.5, help="commands a second")
    parser.add_argument("--random-seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a minute and a half")
    parser.add_argument("--nice", type=int, default=0, help="the bot's place before others")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the bot's log")
    asked = parser.parse_args()
    if asked.quick:
        asked.minutes = 1.5
    try:
        report = asyncio.run(run(asked))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(INTERRUPTED)
    checks = judge(report)
    sys.stderr.write("\n")
    print(", ".join(f"{key}: {value}" for key, value in machine().items()))
    print(show(report, checks))
    if asked.json is not None:
        write_json(asked.json, {**machine(), **vars_of(asked), **summary(report, checks)})
    sys.exit(0 if all(check.holds for check in checks) else 1)


def vars_of(asked: argparse.Namespace) -> dict[str, object]:
    return {
        "minutes": asked.minutes,
        "rate": asked.rate,
        "random_seed": asked.random_seed,
        "nice": asked.nice,
    }


if __name__ == "__main__":
    main()
