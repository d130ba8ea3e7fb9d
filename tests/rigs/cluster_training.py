"""What a training in a cluster of several hosts survives.

    python -m tests.rigs.cluster_training [--only NAME …] [--quick] [--json FILE]

The hosts of `tests.rigs.cluster`: NATS on one, a gateway and a trainer on another, a second trainer
on the third. A server's book waits in the gateway's database, and the gateway may not train itself.
Once a trainer learns, something goes wrong. The training must end once, with one model that can be
read, and nothing may be left on the bus. Needs root for the namespaces, and nats-server.

    calm         nothing goes wrong
    killed       the trainer is killed (-9)
    stopped      the trainer is asked to stop (SIGTERM)
    cut          the link of the trainer's host is cut for 40 seconds
    bus          NATS is killed, and started again three seconds later
    gateway      the gateway is killed, and started again when its shards are free
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nats.errors import Error as NatsError

from bench.during_training import make_book
from bench.tables import number, table
from bot.cluster.bus import Bus, BusConfig
from bot.cluster.messages import TrainingOrder
from bot.cluster.training_orders import TrainingOrders
from bot.core.jobs import Job, JobState
from bot.core.store.books import BookStore
from bot.core.store.database import FILE_NAME, Database
from bot.core.training.queue import BOOK_NAME
from model import load_model
from tests.nats_server import NATS_SERVER, WITHOUT, NatsServer
from tests.rigs import runner
from tests.rigs.bot_process import BotProcess
from tests.rigs.cluster.hosts import BUS, hosts, inside, set_link
from tests.rigs.cluster.processes import NATS_PORT

GUILD, NAME = "10", "walks"
BOOK_KILOBYTES = 40
LEARNING_MINUTES, QUICK_MINUTES = 0.75, 0.25
LEARNT = 0.3  # share of the learning after which something goes wrong
CUT_SECONDS = 40.0  # longer than a silent trainer is waited for
START_SECONDS = 120.0
HANG_SECONDS = 400.0
CLUSTER = "training-rig"

CONFIG = """\
[books]
max_minutes = {minutes}
threads = 1
[web]
port = 0
[cluster]
nats = "nats://{bus}:{port}"
name = "{cluster}"
gateway_trains = false
"""


@dataclass
class Seen:
    """An order as it went by: when each attempt was taken, and by whom."""

    attempts: dict[int, tuple[str, float]] = field(default_factory=dict)
    order: TrainingOrder | None = None


@dataclass
class Hosts:
    """The processes on the hosts."""

    home: Path
    server: NatsServer
    minutes: float
    running: dict[str, BotProcess] = field(default_factory=dict)
    trainers: dict[str, str] = field(default_factory=dict)  # the beginning of an id → its host

    async def start(self, host: str, command: str = "") -> None:
        """Start a host's trainer or gateway; return when it works."""
        name = f"{command or 'gateway'}-{host}"
        folder = self.home / name
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.toml"
        config.write_text(
            CONFIG.format(minutes=self.minutes, bus=BUS, port=NATS_PORT, cluster=CLUSTER), "utf-8"
        )
        bot = BotProcess(config, None, *([command] if command else []), inside=inside(host))
        await bot.__aenter__()
        self.running[name] = bot
        ready = "waits for trainings" if command else "the page is at"
        async with asyncio.timeout(START_SECONDS):
            while ready not in bot.log():
                if bot.status is not None:
                    raise RuntimeError(f"{name} ended: {bot.log()[-2000:]}")
                await asyncio.sleep(0.1)
        if command:
            number = bot.log().split("the trainer ")[1][:8]
            self.trainers[number] = host

    async def end(self, name: str, number: signal.Signals) -> None:
        bot = self.running.pop(name)
        bot.process.send_signal(number)
        await bot.process.wait()

    async def close(self) -> None:
        for bot in self.running.values():
            await bot.stop()


async def put_book(home: Path) -> Path:
    """Let a server's book wait for training in a gateway's data folder; return the folder."""
    folder = home / "gateway-a" / "data"
    database = await Database.open(folder)
    job = Job(0, GUILD, NAME, "Walks", "an attachment", 0, JobState.WAITING, "discord:1")
    number = await BookStore(database).add_job(job)
    await database.close()
    job_folder = folder / "jobs" / str(number)
    job_folder.mkdir(parents=True)
    (job_folder / BOOK_NAME).write_bytes(make_book(BOOK_KILOBYTES, 1))
    return folder


def ask_database(folder: Path, question: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(f"file:{folder / FILE_NAME}?mode=ro", uri=True)) as database:
        return database.execute(question).fetchall()


async def watch(orders: TrainingOrders, seen: Seen) -> None:
    """Look at the one order until cancelled."""
    while True:
        with suppress(NatsError, OSError):
            for entry in await orders.look():
                seen.order = order = entry.order
                if order is not None and order.trainer:
                    seen.attempts.setdefault(order.attempt, (order.trainer[:8], time.monotonic()))
        await asyncio.sleep(0.1)


# What goes wrong

Trial = Callable[[Hosts, str], Awaitable[None]]  # with the host that trains


async def nothing(_: Hosts, host: str) -> None:
    """Let it train."""


async def kill(running: Hosts, host: str) -> None:
    await running.end(f"trainer-{host}", signal.SIGKILL)


async def stop(running: Hosts, host: str) -> None:
    await running.end(f"trainer-{host}", signal.SIGTERM)


async def cut(_: Hosts, host: str) -> None:
    await asyncio.to_thread(set_link, host, "down")
    await asyncio.sleep(CUT_SECONDS)
    await asyncio.to_thread(set_link, host, "up")


async def restart_bus(running: Hosts, host: str) -> None:
    await running.server.stop(kill=True)
    await asyncio.sleep(3.0)
    await running.server.start()


async def restart_gateway(running: Hosts, host: str) -> None:
    await running.end("gateway-a", signal.SIGKILL)
    await asyncio.sleep(35.0)  # until its shards are free
    await running.start("a")


TRIALS: dict[str, Trial] = {
    "calm": nothing,
    "killed": kill,
    "stopped": stop,
    "cut": cut,
    "bus": restart_bus,
    "gateway": restart_gateway,
}
MOVES = {"killed", "stopped", "cut"}  # to the other host


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    ended: str  # the state of the job
    models: int
    readable: bool
    attempts: int
    moved_seconds: float | None  # from what went wrong to the next attempt
    end_seconds: float  # from the beginning to the end
    left: int  # orders on the bus


async def try_one(name: str, home: Path, minutes: float) -> Row:
    async with hosts():
        server = NatsServer(home / "nats", host=BUS, port=NATS_PORT, inside=inside("bus"))
        running, seen = Hosts(home, server, minutes), Seen()
        await server.start()
        bus = await Bus.connect(BusConfig(server.address, CLUSTER), "rig")
        orders = TrainingOrders(bus, CLUSTER)
        watching = asyncio.create_task(watch(orders, seen))
        try:
            # The host without the gateway has the first attempt.
            await running.start("b", "trainer")
            folder = await put_book(home)
            await running.start("a")
            began = time.monotonic()
            async with asyncio.timeout(HANG_SECONDS):
                while not seen.attempts:
                    await asyncio.sleep(0.1)
                await running.start("a", "trainer")
                while seen.order is None or seen.order.report.share < LEARNT:
                    await asyncio.sleep(0.1)
                host = running.trainers[seen.order.trainer[:8]]
                wrong = time.monotonic()
                await TRIALS[name](running, host)
                question = f"SELECT state FROM jobs WHERE name = '{NAME}'"  # noqa: S608
                while ask_database(folder, question) in ([("waiting",)], [("running",)]):
                    await asyncio.sleep(0.2)
            ended = time.monotonic()
            await asyncio.sleep(2.0)  # for what nobody needs any more
            [(state,)] = ask_database(folder, question)
            models = sorted((folder / "guilds" / GUILD).glob("*.safetensors"))
            for model in models:
                load_model(model, for_guild=True)
            moved = seen.attempts.get(2)
            rows = ask_database(folder, "SELECT name FROM models")
            return Row(
                name,
                state,
                len(rows),
                len(models) == len(rows) == 1,
                len(seen.attempts),
                None if moved is None else moved[1] - wrong,
                ended - began,
                len(await orders.look()),
            )
        finally:
            watching.cancel()
            await bus.close()
            await running.close()
            await server.stop(kill=True)


async def measure(asked: argparse.Namespace, home: Path) -> runner.Report:
    if NATS_SERVER is None:
        raise SystemExit(WITHOUT)
    rows = []
    for name in asked.only or TRIALS:
        runner.tell(name)
        rows.append(
            await try_one(name, home / name, QUICK_MINUTES if asked.quick else LEARNING_MINUTES)
        )
    text = table(
        ("tried", "ended", "models", "attempts", "moved after s", "whole s", "left on the bus"),
        [
            (
                *(row.name, row.ended, str(row.models), str(row.attempts)),
                "" if row.moved_seconds is None else number(row.moved_seconds, 1),
                *(number(row.end_seconds, 0), str(row.left)),
            )
            for row in rows
        ],
    )
    checks = [
        runner.Check(
            row.name,
            (row.ended, row.readable, row.left, row.attempts)
            == ("done", True, 0, 2 if row.name in MOVES else 1),
            f"{row.ended}, {row.models} models, {row.attempts} attempts",
        )
        for row in rows
    ]
    return runner.Report(text, {"trials": [asdict(row) for row in rows]}, checks)


def main() -> None:
    parser = runner.parser_of(__doc__, quick="trainings of a quarter of a minute")
    parser.add_argument("--only", nargs="+", choices=[*TRIALS])
    runner.run(parser.parse_args(), measure)


if __name__ == "__main__":
    main()
