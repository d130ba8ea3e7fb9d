"""What a cluster costs: sonnets a second, seconds, memory, the bus and rows, all on loopback."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import psutil  # type: ignore[import-untyped]

from bench.stats import quantile
from bot.core.guilds import Guilds
from bot.core.permissions import TERMINAL
from bot.core.store.guilds import GuildStore
from bot.core.store.postgres import PostgresDatabase
from tests.nats_server import NatsServer
from tests.postgres_server import PostgresServer, find_programs, new_database, run_sql
from tests.rigs import runner
from tests.rigs.bot_process import BotProcess
from tests.rigs.cluster.processes import write_config
from tests.rigs.cluster.visitors import ask

WARM_UP = 8  # sonnets


@dataclass(frozen=True, slots=True)
class Speed:
    what: str
    per_second: float
    p50: float
    p95: float
    memory: dict[str, float]  # MB of each process
    processor: dict[str, float]  # milliseconds of a processor for each sonnet


async def measure_speed(home: Path, poems: int) -> tuple[list[Speed], dict[str, float]]:
    """Measure one way after another; the bus's own cost from its counters."""
    rows: list[Speed] = []
    for threads in (1, 2):
        runner.tell(what := f"one process, threads = {threads}")
        config = write_config(home / f"speed-{threads}", "127.0.0.1", 0, threads=threads)
        async with BotProcess(config) as bot:
            rows.append(await _speed(what, await bot.address(), poems, {"bot": bot.seen()}))
    runner.tell("a gateway and two workers")
    server = NatsServer(home / "nats-speed", "-m", "-1")
    await server.start()
    try:
        async with AsyncExitStack() as running:
            rest = f'[cluster]\nnats = "{server.address}"'
            parts: dict[str, BotProcess] = {}
            for name in ("worker-1", "worker-2", "gateway"):
                is_worker = name != "gateway"
                config = write_config(
                    home / f"speed-{name}", "127.0.0.1", 0, rest, threads=int(is_worker)
                )
                arguments = ("worker",) if is_worker else ()
                parts[name] = await running.enter_async_context(
                    BotProcess(config, None, *arguments)
                )
            address = await parts["gateway"].address()
            await asyncio.sleep(2.0)
            before = await server.counters()
            seen = {name: bot.seen() for name, bot in parts.items()}
            seen["NATS"] = psutil.Process(server.pid)
            rows.append(await _speed("a gateway and two workers", address, poems, seen))
            after = await server.counters()
            alone = await ask((address,), min(poems, 20), at_once=1)
            return rows, {
                "messages of a poem": (after["messages"] - before["messages"]) / (poems + WARM_UP),
                "bytes of a poem": (after["bytes"] - before["bytes"]) / (poems + WARM_UP),
                "one at a time, median s": median(alone.seconds),
            }
    finally:
        await server.stop()


async def _speed(what: str, address: str, poems: int, running: dict[str, psutil.Process]) -> Speed:
    await ask((address,), WARM_UP)
    before = {name: _processor_seconds(process) for name, process in running.items()}
    began = time.perf_counter()
    asked = await ask((address,), poems)
    seconds = time.perf_counter() - began
    processor = {
        name: (_processor_seconds(process) - before[name]) / poems * 1000
        for name, process in running.items()
    }
    memory = {name: process.memory_info().rss / 2**20 for name, process in running.items()}
    p95 = quantile(asked.seconds, 0.95)
    return Speed(what, len(asked.texts) / seconds, median(asked.seconds), p95, memory, processor)


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a gateway pays for the rows of many guilds."""

    rows: int
    database_mb: float  # on the server's disk
    read_seconds: float  # of a processor, at a gateway's start
    memory_mb: float  # of that gateway more
    again_seconds: float  # when the connection was lost, while poems are written
    still_seconds: float  # in these, the longest in which its event loop did nothing else
    change_ms: float  # a setting that is changed, median


async def measure_rows(guilds: int) -> Rows:
    """Measure with SETTINGS settings of each guild and the model that it has chosen."""
    programs = find_programs()
    assert programs is not None
    server = await asyncio.to_thread(PostgresServer, programs, "fsync=on")
    try:
        await asyncio.to_thread(server.start)
        login = await new_database(server)
        database = await PostgresDatabase.open(login)
        try:
            await run_sql(login, *(fill.format(guilds=guilds) for fill in FILL))
            process, loop = psutil.Process(), asyncio.get_running_loop()
            memory, began = process.memory_info().rss, time.thread_time()
            known = await Guilds.read(GuildStore(database))
            read, grown = time.thread_time() - began, process.memory_info().rss - memory
            began, pauses = time.thread_time(), [0.0]
            ticking = asyncio.create_task(_note_pauses(pauses))
            await known.read_again(None)
            await asyncio.sleep(0)
            ticking.cancel()
            again, changes = time.thread_time() - began, []
            for number in range(CHANGES):
                began = loop.time()
                asker = replace(TERMINAL, guild=str(10**18 + 1 + number))
                await known.change(asker, "cooldown_seconds", number)
                changes.append(loop.time() - began)
            [size] = await database.fetch("SELECT pg_database_size(current_database()) AS bytes")
        finally:
            await database.close()
    finally:
        await asyncio.to_thread(server.stop)
    rows = guilds * (SETTINGS + 2)
    megabytes = (size["bytes"] / 2**20, grown / 2**20)
    return Rows(rows, megabytes[0], read, megabytes[1], again, max(pauses), median(changes) * 1000)


async def _note_pauses(pauses: list[float]) -> None:
    before = time.thread_time()
    while True:
        await asyncio.sleep(0.001)
        pauses.append(time.thread_time() - before)
        before = time.thread_time()


SETTINGS, CHANGES = 5, 100
FILL = (
    "INSERT INTO guilds SELECT (1000000000000000000 + n)::text FROM generate_series(1, {guilds}) n",
    """
    INSERT INTO settings SELECT guild, name, value FROM guilds, (VALUES
        ('cooldown_seconds', '10.0'), ('form', '"sonnet"'), ('lines', '14'),
        ('avoid', '["moon", "june"]'), ('channels', '["1000000000000000001"]')
    ) AS given (name, value)
    """,
    f"""
    INSERT INTO choices (guild, name, sha256, chosen)
    SELECT guild, 'sonnets', '{"0" * 64}', '2026-11-29T00:00:00+00:00' FROM guilds
    """,  # noqa: S608
    "ANALYZE",
)
