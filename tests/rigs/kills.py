"""Kills (-9) at random moments over the bot and its training: what is lost, what is stuck.

    python -m tests.rigs.kills [--kills 100] [--random-seed N] [--quick] [--json FILE]

A bot without doors trains on one small book after another, the base model's fine-tuning with
everything that belongs to it, while settings are changed without a pause, each change told once it
is kept. At random moments either the bot or its training is killed; a killed bot is started again.
Looked at after each start: the database's own check, and whether the last setting that was told is
there. At the very end, when the queue has run empty: whether each training has ended, each model
file reads and is the one that the database means, and nothing lies about.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.during_training import begin_training, make_book
from bench.gauges import ROOT
from bench.tables import table
from bot.app import make_library, open_app
from bot.config import BooksConfig, Config
from bot.core.records import Asker
from model import ModelError, load_model
from tests.rigs import runner

GUILD = "10"
ADMIN = Asker("discord:1", GUILD, manages=True)
QUEUE = 2  # trainings that wait or run, while there are kills to come
LONGEST_PAUSE_SECONDS = 8.0  # from one kill to the next
LEARNING_MINUTES = 0.25
BOOK_KILOBYTES = 6
SETTLE_SECONDS = 0.02
QUICK_KILLS = 4
HANG_SECONDS = 600.0


def config_of(home: Path) -> Config:
    limits = BooksConfig(max_per_day=10_000, max_models=10_000, max_minutes=LEARNING_MINUTES)
    return Config(books=limits, home=home)


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


async def be_the_bot(home: Path) -> None:
    """Train and change settings until stdin says something; then end what is queued."""
    config = config_of(home)
    finishing = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        finishing.set()

    threading.Thread(target=listen, daemon=True).start()
    async with open_app(config, make_library(config)) as app:
        guilds, training_requests = app.guilds, app.training_requests
        settled = int(guilds.settings_for(ADMIN).cooldown_seconds or 0)
        say(started=settled)
        while not finishing.is_set() or training_requests.jobs(ADMIN):
            settled = (settled + 1) % 3600
            await guilds.change(ADMIN, "cooldown_seconds", settled)
            say(settled=settled)
            if len(training_requests.jobs(ADMIN)) < QUEUE and not finishing.is_set():
                book = make_book(BOOK_KILOBYTES, time.time_ns())
                await begin_training(app, ADMIN, book)
            await asyncio.sleep(SETTLE_SECONDS)
    say(finished=True)


@dataclass
class Count:
    """What was done and what was seen."""

    kills: dict[str, int] = field(default_factory=lambda: {"bot": 0, "training": 0})
    starts: int = 0
    lost_settings: int = 0
    damaged_databases: int = 0
    jobs: dict[str, int] = field(default_factory=dict)
    stuck_jobs: int = 0
    damaged_models: int = 0
    litter: list[str] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)


class Bot:
    """The bot's process, and what it last said."""

    def __init__(self, home: Path) -> None:
        self.settled: int | None = None
        self.started: int | None = None
        self.finished = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.rigs.kills", "--be-the-bot", str(home)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(ValueError):  # a line cut short by the kill
                said = json.loads(line)
                self.started = said.get("started", self.started)
                self.settled = said.get("settled", self.settled)
                self.finished = said.get("finished", self.finished)

    def await_start(self) -> None:
        deadline = time.monotonic() + HANG_SECONDS
        while self.started is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the bot did not start: status {self.process.poll()}")
            time.sleep(0.02)

    def training(self) -> psutil.Process | None:
        """Return its training process, if there is one."""
        with suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children():
                if any("train.py" in part for part in child.cmdline()):
                    return child
        return None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listening.join()

    def finish(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("finish\n")
        self.process.stdin.flush()
        self.process.wait(HANG_SECONDS)
        self._listening.join()


def start(home: Path, count: Count, told: int | None) -> Bot:
    """Start the bot and look at what it found."""
    began = time.monotonic()
    bot = Bot(home)
    bot.await_start()
    count.starts += 1
    count.start_seconds.append(time.monotonic() - began)
    if told is not None and bot.started not in (told, (told + 1) % 3600):
        count.lost_settings += 1
    return bot


def check_database(home: Path, count: Count) -> None:
    """Ask the database for its own check, by a copy of what the kill left."""
    with sqlite3.connect(f"file:{home / 'data' / 'sonneteer.db'}?mode=ro", uri=True) as database:
        [answer] = database.execute("PRAGMA integrity_check").fetchone()
        broken = database.execute("PRAGMA foreign_key_check").fetchall()
    database.close()
    count.damaged_databases += answer != "ok" or bool(broken)


def look_at_the_end(home: Path, count: Count) -> None:
    """Compare files and database once the queue has run empty."""
    data = home / "data"
    with sqlite3.connect(data / "sonneteer.db") as database:
        for state, number in database.execute("SELECT state, count(*) FROM jobs GROUP BY state"):
            count.jobs[state] = number
        models = dict(database.execute("SELECT name, sha256 FROM models"))
    database.close()
    count.stuck_jobs = count.jobs.get("waiting", 0) + count.jobs.get("running", 0)
    guild = data / "guilds" / GUILD
    for name, sha256 in models.items():
        try:
            count.damaged_models += load_model(guild / f"{name}.safetensors").sha256 != sha256
        except ModelError:
            count.damaged_models += 1
    expected = {f"{name}{kind}" for name in models for kind in (".safetensors", ".png", ".txt")}
    stray = [path.name for path in guild.iterdir() if path.name not in expected]
    proposed = count.jobs.get("proposed", 0)
    homes = list((data / "jobs").iterdir())
    count.litter = stray + [path.name for path in homes][proposed:]


def kill_at_random(home: Path, kills: int, chance: random.Random) -> Count:
    count = Count()
    bot = start(home, count, None)
    for number in range(kills):
        time.sleep(chance.uniform(0.0, LONGEST_PAUSE_SECONDS))
        victim = chance.choice(("bot", "training"))
        training = bot.training()
        if victim == "training" and training is not None:
            with suppress(psutil.NoSuchProcess):
                training.kill()
        else:
            victim = "bot"
            bot.kill()
            check_database(home, count)
            bot = start(home, count, bot.settled)
        count.kills[victim] += 1
        sys.stderr.write(f"\r{number + 1} of {kills} kills")
    bot.finish()
    look_at_the_end(home, count)
    sys.stderr.write("\n")
    return count


def show(count: Count, seconds: float) -> str:
    rows = [
        ("kills of the bot", str(count.kills["bot"])),
        ("kills of the training", str(count.kills["training"])),
        ("trainings done", str(count.jobs.get("done", 0))),
        ("trainings given up with a sentence", str(count.jobs.get("failed", 0))),
        ("trainings stuck", str(count.stuck_jobs)),
        ("settings lost", str(count.lost_settings)),
        ("databases damaged", str(count.damaged_databases)),
        ("model files damaged", str(count.damaged_models)),
        ("files left lying about", str(len(count.litter))),
        ("seconds to start again, median", f"{sorted(count.start_seconds)[count.starts // 2]:.1f}"),
        ("seconds in all", f"{seconds:.0f}"),
    ]
    return table(("what", "count"), rows)


def measure(asked: argparse.Namespace, home: Path) -> runner.Report:
    kills = QUICK_KILLS if asked.quick else asked.kills
    began = time.monotonic()
    count = kill_at_random(home, kills, random.Random(asked.random_seed))
    seconds = time.monotonic() - began
    wrong = {
        "none stuck": count.stuck_jobs,
        "settings kept": count.lost_settings,
        "databases whole": count.damaged_databases,
        "models whole": count.damaged_models,
        "nothing left": len(count.litter),
    }
    checks = [runner.Check(name, not found, f"{found}") for name, found in wrong.items()]
    return runner.Report(show(count, seconds), {"seconds": seconds, **vars(count)}, checks)


def main() -> None:
    parser = runner.parser_of(__doc__, quick=f"{QUICK_KILLS} kills")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--random-seed", type=int, default=0)
    parser.add_argument("--be-the-bot", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.be_the_bot is not None:
        asyncio.run(be_the_bot(asked.be_the_bot))
        return
    runner.run(asked, measure)


if __name__ == "__main__":
    main()
