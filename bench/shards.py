"""What servers and chatter cost a bot, and what a second process costs: when one machine is full.

    python bench/shards.py [--guilds 2500] [--messages 20000] [--quick] [--json FILE]

The real bot runs as a process of its own on a Discord of loopback, with more and more servers (20
channels and 20 roles each); members chat, nobody asks for a poem. Shown: memory once all of them
are there, the seconds from start to ready, and the processor time of a message that is not for
the bot. Then the same servers are dealt out to two processes over one data folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import aiohttp  # noqa: E402

from bench.gauges import machine  # noqa: E402
from bench.tables import number, table, write_json  # noqa: E402
from tests import fake_gateway  # noqa: E402
from tests.discord_payloads import (  # noqa: E402
    GUILD,
    MEMBER,
    channel_payload,
    guild_payload,
    message_payload,
)
from tests.fake_discord import TOKEN, FakeDiscord  # noqa: E402

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


class Process:
    """A bot of its own."""

    def __init__(self, home: Path, url: str, port: int, shards: str | None) -> None:
        first = int(shards.split("-")[0].split("/")[0]) if shards else 0
        self.health = f"http://127.0.0.1:{port + first}/"
        config = home / "config.toml"
        config.write_text(f'[discord]\napi_url = "{url}"\n[web]\nport = {port}\n', "utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bot", "--config", str(config)]
            + (["--shards", shards] if shards else []),
            cwd=ROOT,
            env={**os.environ, "DISCORD_TOKEN": TOKEN},
            stderr=subprocess.DEVNULL,
        )

    @property
    def memory_mb(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text("ascii").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    async def ready(self, http: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(START_SECONDS):
            while self._process.poll() is None:
                try:
                    async with http.get(f"{self.health}healthz") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        raise SystemExit("the bot ended by itself")

    async def end(self) -> None:
        self._process.terminate()
        await asyncio.to_thread(self._process.wait)


@asynccontextmanager
async def running(
    fake: FakeDiscord, home: Path, shards: tuple[str | None, ...]
) -> AsyncIterator[list[Process]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [Process(home, fake.url, port, each) for each in shards]
    try:
        yield processes
    finally:
        await asyncio.gather(*[process.end() for process in processes])


async def measure(guilds: int, messages: int, shards: tuple[str | None, ...]) -> Row:
    """Start the processes and let members chat."""
    numbers = [GUILD + (number << 22) for number in range(guilds)]
    with (
        tempfile.TemporaryDirectory() as home,
        patch.object(fake_gateway, "guild_payload", large_guild),
    ):
        async with FakeDiscord(numbers).serve() as fake, aiohttp.ClientSession() as http:
            began = time.perf_counter()
            async with running(fake, Path(home), shards) as processes:
                await asyncio.gather(*[process.ready(http) for process in processes])
                start = time.perf_counter() - began
                await asyncio.sleep(SETTLE_SECONDS)
                memory = sum(process.memory_mb for process in processes)
                idle = await spent(fake, processes, numbers, 0)
                busy = await spent(fake, processes, numbers, messages)
    return Row(len(shards), guilds, start, memory, (busy - idle) / messages * 1e6)


async def spent(
    fake: FakeDiscord, processes: list[Process], numbers: list[int], messages: int
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--guilds", type=int, default=2500)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="200 servers, 2,000 messages")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    if asked.quick:
        asked.guilds, asked.messages = 200, 2_000
    plans: list[tuple[int, tuple[str | None, ...]]] = [
        (1, (None,)),
        (asked.guilds // 2, (None,)),
        (asked.guilds, (None,)),
        (asked.guilds, ("0/2", "1/2")),
    ]
    rows = [asyncio.run(measure(guilds, asked.messages, shards)) for guilds, shards in plans]
    print(", ".join(f"{key}: {value}" for key, value in machine().items()))
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
    print(table(("processes", "servers", "start s", "MB", "µs a message"), cells))
    one, many = rows[0], rows[2]
    each = (many.memory_mb - one.memory_mb) * 1024 / max(many.guilds - one.guilds, 1)
    print(
        f"a server: {each:.0f} kB; two processes beside one: "
        f"{rows[3].memory_mb / many.memory_mb:.2f} times the memory"
    )
    if asked.json:
        write_json(asked.json, {**machine(), "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    main()
