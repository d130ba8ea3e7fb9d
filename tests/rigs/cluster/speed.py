"""What a cluster costs: sonnets a second, seconds, memory and the bus, all on loopback."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.stats import quantile
from tests.nats_server import NatsServer
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
    memory: dict[str, float]  # MB


async def measure_speed(home: Path, poems: int) -> tuple[list[Speed], dict[str, float]]:
    """Measure one way after another; the bus's own cost from its counters."""
    rows: list[Speed] = []
    for threads in (1, 2):
        runner.tell(f"one process, {threads} threads")
        config = write_config(home / f"speed-{threads}", "127.0.0.1", 0, threads=threads)
        async with BotProcess(config) as bot:
            address = await bot.address()
            rows.append(
                await _speed(f"one process, threads = {threads}", address, poems, {"bot": bot})
            )
    runner.tell("a gateway and two workers")
    server = NatsServer(home / "nats-speed", "-m", "0")
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
            rows.append(await _speed("a gateway and two workers", address, poems, parts))
            after = await server.counters()
            alone = await ask((address,), min(poems, 20), at_once=1)
            return rows, {
                "messages of a poem": (after["messages"] - before["messages"]) / (poems + WARM_UP),
                "bytes of a poem": (after["bytes"] - before["bytes"]) / (poems + WARM_UP),
                "one at a time, median s": median(alone.seconds),
                "NATS, MB": after["memory"] / 2**20,
            }
    finally:
        await server.stop()


async def _speed(what: str, address: str, poems: int, running: dict[str, BotProcess]) -> Speed:
    await ask((address,), WARM_UP)
    began = time.perf_counter()
    asked = await ask((address,), poems)
    seconds = time.perf_counter() - began
    memory = {name: bot.seen().memory_info().rss / 2**20 for name, bot in running.items()}
    p95 = quantile(asked.seconds, 0.95)
    return Speed(what, len(asked.texts) / seconds, median(asked.seconds), p95, memory)
