"""What servers and chatter cost a bot, and what a second process costs: when one machine is full.

    python -m tests.rigs.shards [--guilds 2500] [--messages 20000] [--quick] [--json FILE]

The real bot runs as a process of its own on a Discord of loopback, with more and more servers (20
channels and 20 roles each); members chat, nobody asks for a poem. Shown: memory once all of them
are there, the seconds from start to ready, and the processor time of a message that is not for
the bot. Then the same servers are dealt out to two processes over one data folder.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp

from bench.gauges import MB
from bench.tables import number, table
from tests import fake_gateway
from tests.discord_payloads import (
    GUILD,
    MEMBER,
    channel_payload,
    guild_payload,
    message_payload,
)
from tests.fake_discord import TOKEN, FakeDiscord
from tests.rigs import runner
from tests.rigs.bot_process import BotProcess

CHANNELS, ROLES = 20, 20
BATCH = 200  # messages sent before the loop may turn
START_SECONDS = 300.0
SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Row:
    processes: int
    guilds: int
    start_seconds: float  # until every shard was up
    memory_mb: float  # of all processes
    message_us: float  # processor time of a message, in microseconds


def large_guild(guild: int) -> dict[str, Any]:
    """Return a server as it often is."""
    payload = guild_payload(guild)
    role = payload["roles"][0]
    payload["roles"] += [
        {**role, "id": str(guild * 100 + number), "name": f"role {number}"}
        for number in range(ROLES)
    ]
    payload["channels"] = [
        channel_payload(guild * 100 + number) | {"name": f"channel {number}"}
        for number in range(CHANNELS)
    ]
    return payload


@dataclass(frozen=True, slots=True)
class Shards:
    """A bot's process, and the address that tells when all of its shards are up."""

    bot: BotProcess
    health: str

    @property
    def memory_mb(self) -> float:
        return float(self.bot.seen().memory_info().rss) / MB

    @property
    def processor_seconds(self) -> float:
        times = self.bot.seen().cpu_times()
        return float(times.user + times.system)

    async def ready(self, http: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(START_SECONDS):
            while self.bot.status is None:
                with suppress(aiohttp.ClientError):
                    async with http.get(self.health) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise SystemExit("the bot ended by itself")


@asynccontextmanager
async def running(
    fake: FakeDiscord, home: Path, plan: Sequence[str | None]
) -> AsyncIterator[list[Shards]]:
    """Run a process for each of `plan`: the shards that it has, None for all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with AsyncExitStack() as stack:
        processes = []
        for shards in plan:
            first = int(re.split("[-/]", shards)[0]) if shards else 0
            config = home / f"config-{first}.toml"
            config.write_text(
                f'[discord]\napi_url = "{fake.url}"\nmessage_content = true\n'
                f"[web]\nport = {port}\n",
                "utf-8",
            )
            bot = BotProcess(config, TOKEN, *(["--shards", shards] if shards else []))
            await stack.enter_async_context(bot)
            processes.append(Shards(bot, f"http://127.0.0.1:{port + first}/healthz"))
        yield processes


async def measure(guilds: int, messages: int, plan: Sequence[str | None]) -> Row:
    """Start the processes and let members chat."""
    numbers = [GUILD + (number << 22) for number in range(guilds)]
    with (
        tempfile.TemporaryDirectory() as home,
        patch.object(fake_gateway, "guild_payload", large_guild),
    ):
        async with FakeDiscord(numbers).serve() as fake, aiohttp.ClientSession() as http:
            began = time.perf_counter()
            async with running(fake, Path(home), plan) as processes:
                await asyncio.gather(*[process.ready(http) for process in processes])
                start = time.perf_counter() - began
                await asyncio.sleep(SETTLE_SECONDS)
                memory = sum(process.memory_mb for process in processes)
                idle = await spent(fake, processes, numbers, 0)
                busy = await spent(fake, processes, numbers, messages)
    return Row(len(plan), guilds, start, memory, (busy - idle) / messages * 1e6)


async def spent(
    fake: FakeDiscord, processes: list[Shards], numbers: list[int], messages: int
) -> float:
    """Return the processor time that messages took, and the seconds after them."""
    before = sum(process.processor_seconds for process in processes)
    for number_ in range(messages):
        message = message_payload(10**18 + number_, MEMBER, {"content": "nice weather today"})
        message["guild_id"] = str(numbers[number_ % len(numbers)])
        await fake.gateway.emit("MESSAGE_CREATE", message)
        if not number_ % BATCH:
            await asyncio.sleep(0.05)
    await asyncio.sleep(SETTLE_SECONDS)
    return sum(process.processor_seconds for process in processes) - before


async def measure_all(asked: argparse.Namespace, _: Path) -> runner.Report:
    if asked.quick:
        asked.guilds, asked.messages = 200, 2_000
    whole: Sequence[str | None] = (None,)
    plans = [(1, whole), (asked.guilds // 2, whole), (asked.guilds, whole)]
    plans.append((asked.guilds, ("0/2", "1/2")))
    rows = [await measure(guilds, asked.messages, plan) for guilds, plan in plans]
    cells = [
        (
            str(row.processes),
            number(row.guilds),
            number(row.start_seconds, 1),
            number(row.memory_mb),
            number(row.message_us),
        )
        for row in rows
    ]
    one, many = rows[0], rows[2]
    each = (many.memory_mb - one.memory_mb) * 1024 / max(many.guilds - one.guilds, 1)
    text = table(("processes", "servers", "start s", "MB", "µs a message"), cells)
    ratio = rows[3].memory_mb / many.memory_mb
    text += f"\na server: {each:.0f} kB; two processes beside one: {ratio:.2f} times the memory"
    return runner.Report(text, {"rows": [asdict(row) for row in rows]})


def main() -> None:
    parser = runner.parser_of(__doc__, quick="200 servers, 2,000 messages")
    parser.add_argument("--guilds", type=int, default=2500)
    parser.add_argument("--messages", type=int, default=20_000)
    runner.run(parser.parse_args(), measure_all)


if __name__ == "__main__":
    main()
