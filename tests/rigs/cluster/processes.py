"""What runs on the hosts: gateways, workers, and the servers that they share."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bot.core.store.server_address import Login
from tests.discord_payloads import GUILD
from tests.fake_discord import TOKEN
from tests.nats_server import NatsServer
from tests.postgres_server import PASSWORD, PostgresServer, find_programs, run_sql
from tests.rigs.bot_process import BotProcess
from tests.rigs.cluster.hosts import ADDRESSES, BUS, HOST_A, HOST_B, OURS, inside
from tests.rigs.populated_discord import PopulatedDiscord

PORT, NATS_PORT = 8080, 4222
START_SECONDS = 120.0
IDENTIFY_SECONDS = 8.0  # more than any shard takes
SHARDS = {"a": "0-7/16", "b": "8-15/16"}
TOTAL_SHARDS = 16
PAGE_A, PAGE_B = f"http://{HOST_A}:{PORT}", f"http://{HOST_B}:{PORT + 8}"
DATABASE = "sonneteer"
WAL = "wal_level=logical"  # so that each change that was kept can be read from it
# Servers of both gateways, all on the first shard of each, which is up first.
GUILDS = tuple(GUILD + ((shard + TOTAL_SHARDS * n) << 22) for shard in (0, 8) for n in range(4))

CONFIG = """\
[writing]
threads = {threads}
max_per_guild = 10000
max_per_member = 10000
[data]
folder = "data"
[models]
folder = "models"
[web]
host = "{host}"
port = {port}
allowed_hosts = ["{host}"]
poems_per_minute = 0
max_streams = 0
{rest}
"""


def write_config(home: Path, host: str, port: int, rest: str = "", threads: int = 1) -> Path:
    """Write a config.toml into a folder of its own; with 0 threads, a gateway writes elsewhere."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "config.toml"
    path.write_text(CONFIG.format(host=host, port=port, rest=rest, threads=threads), "utf-8")
    return path


@dataclass
class Cluster:
    """The processes on the hosts; each can be ended and started again."""

    home: Path
    nats: NatsServer
    discord: PopulatedDiscord
    database: PostgresServer | None  # None where PostgreSQL is not installed
    running: dict[str, BotProcess] = field(default_factory=dict)

    async def start(
        self, name: str, host: str, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> None:
        """Start "worker-a", say; return when it works, raise RuntimeError if it ends instead."""
        is_worker = "worker" in arguments
        rest = f'[cluster]\nnats = "nats://{BUS}:{NATS_PORT}"\n'
        if not is_worker:
            if self.database is not None:
                rest += f'database = "{self._address}"\n'
            rest += f'[discord]\napi_url = "{self.discord.url}"'
        config = write_config(
            self.home / name, ADDRESSES[host], PORT, rest, threads=1 if is_worker else 0
        )
        variables = {"SONNETEER_DATABASE_PASSWORD": PASSWORD, **(variables or {})}
        token = None if is_worker else TOKEN
        bot = BotProcess(config, token, *arguments, variables=variables, inside=inside(host))
        await bot.__aenter__()
        self.running[name] = bot
        ready = "writes on" if is_worker else "the page is at"
        async with asyncio.timeout(START_SECONDS):
            while ready not in bot.log():
                if bot.status is not None:
                    del self.running[name]
                    raise RuntimeError(f"{name} ended with {bot.status}: {bot.log()[-2000:]}")
                await asyncio.sleep(0.05)

    async def start_worker(self, host: str, variables: Mapping[str, str] | None = None) -> None:
        await self.start(f"worker-{host}", host, "worker", variables=variables)

    async def start_gateway(self, host: str, variables: Mapping[str, str] | None = None) -> None:
        await self.start(f"gateway-{host}", host, "--shards", SHARDS[host], variables=variables)

    async def kill(self, name: str) -> None:
        """End a process at once, by its own number."""
        bot = self.running.pop(name)
        bot.process.send_signal(signal.SIGKILL)
        await bot.process.wait()

    async def stop(self, name: str) -> None:
        """Stop a process as an admin does."""
        await self.running.pop(name).stop()

    async def kill_database(self) -> None:
        await asyncio.to_thread(self._server.kill)

    async def stop_database(self) -> None:
        await asyncio.to_thread(self._server.shut_down)

    async def start_database(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def identified(self, times: int) -> None:
        """Wait until shards have identified so many times, since the beginning of all."""
        async with asyncio.timeout(START_SECONDS + TOTAL_SHARDS * IDENTIFY_SECONDS):
            while len(self.discord.gateway.identified_at) < times:
                await asyncio.sleep(0.2)

    async def discord_ready(self) -> None:
        """Wait until each gateway has told that the shards of our guilds are up."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(START_SECONDS):
            for page, shard in ((PAGE_A, "0"), (PAGE_B, "8")):
                while True:
                    async with http.get(f"{page}/healthz") as response:
                        if (await response.json())["shards"].get(shard):
                            break
                    await asyncio.sleep(0.2)
            while not self.discord.commands:
                await asyncio.sleep(0.2)

    async def close(self) -> None:
        await asyncio.gather(*(bot.stop() for bot in self.running.values()))

    @property
    def memory(self) -> dict[str, float]:
        return {name: bot.seen().memory_info().rss / 2**20 for name, bot in self.running.items()}

    @property
    def login(self) -> Login:
        return self._server.login(DATABASE)

    @property
    def _server(self) -> PostgresServer:
        assert self.database is not None, "PostgreSQL is not installed"
        return self.database

    @property
    def _address(self) -> str:
        address = self.login.address
        return f"{address}?sslrootcert={address.ca_file}"


@asynccontextmanager
async def servers(home: Path) -> AsyncIterator[Cluster]:
    """Start NATS and PostgreSQL on the bus's host, and a fake Discord here."""
    nats = NatsServer(home / "nats", host=BUS, port=NATS_PORT, inside=inside("bus"))
    database: PostgresServer | None = None
    async with PopulatedDiscord(GUILDS).serve(OURS) as discord:
        try:
            if (programs := find_programs()) is not None:
                database = await asyncio.to_thread(_start_database, programs)
                await run_sql(database.login(), f"CREATE DATABASE {DATABASE}")
            await nats.start()
            cluster = Cluster(home, nats, discord, database)
            try:
                yield cluster
            finally:
                await cluster.close()
        finally:
            await nats.stop(kill=True)
            if database is not None:
                await asyncio.to_thread(database.stop)


def _start_database(programs: Path) -> PostgresServer:
    server = PostgresServer(programs, "fsync=on", WAL, host=BUS, inside=inside("bus"))
    try:
        server.use_tls()
        server.start()
    except BaseException:
        server.stop()
        raise
    return server
