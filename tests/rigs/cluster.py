"""What a cluster of several hosts survives, and what it costs.

    python -m tests.rigs.cluster [--poems 100] [--only NAME …] [--quick] [--json FILE]

Three hosts in network namespaces of their own, joined by a bridge: the bus on one, a gateway and a
worker on each of two others. Visitors ask both gateways' pages for sonnets, eight at a time, while
something goes wrong. Each sonnet must come, once, and to the letter as one process alone writes it.
Needs root for the namespaces, and nats-server. Packets are not delayed: netem is not in every
kernel. Everything is taken down at the end.

    calm         nothing goes wrong
    worker       a worker is killed in the midst, and started again five seconds later
    gateway      the other gateway is killed; what was asked of it is asked again
    cut          the link of one host is cut for thirty seconds; its gateway is not asked
    bus          NATS is killed, and started again three seconds later
    refused      both workers are killed: what is asked then is refused at once, and later written
    identify     two gateways without a common folder start 16 shards on the fake Discord
    speed        sonnets a second of one process, of two threads, of a gateway with two workers
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import aiohttp

from bench.poem_seeds import SEEDS
from bench.stats import quantile
from bench.tables import number, table
from tests import fake_gateway
from tests.fake_discord import TOKEN, FakeDiscord
from tests.nats_server import NATS_SERVER, WITHOUT, NatsServer
from tests.rigs import runner
from tests.rigs.bot_process import BotProcess

PREFIX, NETWORK = "sonneteer", "10.77.0"
BUS, HOST_A, HOST_B, OURS = (f"{NETWORK}.{n}" for n in (1, 2, 3, 254))
PORT, NATS_PORT = 8080, 4222
AT_ONCE = 8
START_SECONDS = 120.0
ASK_SECONDS = 180.0
CUT_SECONDS = 30.0
SHARDS, BUCKETS = 16, 1
IDENTIFY_SECONDS = 5.0

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


@dataclass
class Asked:
    """Sonnets that were asked for, by their number."""

    texts: dict[int, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)  # when each came
    refused: list[str] = field(default_factory=list)
    again: int = 0  # asked once more, as its gateway was gone

    def count_wrong(self, alone: dict[int, str]) -> int:
        return sum(text != alone[number] for number, text in self.texts.items())

    @property
    def pause(self) -> float:
        """The longest time in which no sonnet came."""
        return max((b - a for a, b in pairwise(self.ended)), default=0.0)


async def ask(
    addresses: Sequence[str], count: int, *, at_once: int = AT_ONCE, again: bool = False
) -> Asked:
    """Ask pages for sonnets by turns; with `again` the others where one does not answer."""
    asked, turns = Asked(), asyncio.Semaphore(at_once)
    timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)

    async def ask_for(session: aiohttp.ClientSession, number: int) -> None:
        body = {"seed": SEEDS[number % len(SEEDS)], "random_seed": number, "form": "sonnet"}
        async with turns:
            began = time.perf_counter()
            for attempt in range(len(addresses) if again else 1):
                address = addresses[(number + attempt) % len(addresses)]
                try:
                    async with session.post(f"{address}/api/poems", json=body) as response:
                        answer = await response.json()
                except (aiohttp.ClientError, TimeoutError) as error:
                    if not again:
                        asked.refused.append(repr(error))
                    asked.again += 1
                    continue
                if response.status == 200:
                    asked.texts[number] = answer["text"]
                    asked.seconds.append(time.perf_counter() - began)
                    asked.ended.append(time.perf_counter())
                else:
                    asked.refused.append(answer["error"])
                return

    async with aiohttp.ClientSession(timeout=timeout) as session:
        await asyncio.gather(*(ask_for(session, number) for number in range(count)))
    return asked


# Hosts


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)  # noqa: S607


def inside(host: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", f"{PREFIX}-{host}")


@asynccontextmanager
async def hosts() -> AsyncIterator[None]:
    """Make three hosts and a link from us to them."""
    names = {"bus": BUS, "a": HOST_A, "b": HOST_B}
    take_down_hosts(names)
    try:
        for name in names:
            ip("netns", "add", f"{PREFIX}-{name}")
            ip("-n", f"{PREFIX}-{name}", "link", "set", "lo", "up")
        ip("-n", f"{PREFIX}-bus", "link", "add", "br0", "type", "bridge")
        ip("-n", f"{PREFIX}-bus", "addr", "add", f"{BUS}/24", "dev", "br0")
        ip("-n", f"{PREFIX}-bus", "link", "set", "br0", "up")
        for name, address in (("a", HOST_A), ("b", HOST_B), ("us", OURS)):
            ours, theirs = f"snt-{name}", f"snt-{name}-far"
            ip("link", "add", ours, "type", "veth", "peer", "name", theirs)
            ip("link", "set", theirs, "netns", f"{PREFIX}-bus")
            ip("-n", f"{PREFIX}-bus", "link", "set", theirs, "master", "br0", "up")
            where: tuple[str, ...] = ()
            if name != "us":
                where = ("-n", f"{PREFIX}-{name}")
                ip("link", "set", ours, "netns", f"{PREFIX}-{name}")
            ip(*where, "addr", "add", f"{address}/24", "dev", ours)
            ip(*where, "link", "set", ours, "up")
        yield
    finally:
        take_down_hosts(names)


def take_down_hosts(names: Sequence[str] | dict[str, str]) -> None:
    for name in names:
        ip("netns", "del", f"{PREFIX}-{name}", check=False)
    ip("link", "del", "snt-us", check=False)


def set_link(host: str, state: str) -> None:
    ip("-n", f"{PREFIX}-{host}", "link", "set", f"snt-{host}", state)


# Processes


@dataclass
class Cluster:
    """The processes on the hosts; each can be ended and started again."""

    home: Path
    server: NatsServer
    running: dict[str, BotProcess] = field(default_factory=dict)

    async def start(self, name: str, host: str, *arguments: str) -> None:
        """Start "worker-a", say; return when it works."""
        address = {"a": HOST_A, "b": HOST_B}[host]
        config = write_config(
            self.home / name, address, PORT, f'[cluster]\nnats = "nats://{BUS}:{NATS_PORT}"'
        )
        bot = BotProcess(config, None, *arguments, inside=inside(host))
        await bot.__aenter__()
        self.running[name] = bot
        ready = "writes on" if "worker" in arguments else "the page is at"
        async with asyncio.timeout(START_SECONDS):
            while ready not in bot.log():
                if bot.status is not None:
                    raise RuntimeError(f"{name} ended: {bot.log()[-2000:]}")
                await asyncio.sleep(0.1)

    async def start_worker(self, host: str) -> None:
        await self.start(f"worker-{host}", host, "worker")

    async def start_gateway(self, host: str) -> None:
        shards = "0-7/16" if host == "a" else "8-15/16"
        await self.start(f"gateway-{host}", host, "--shards", shards)

    async def kill(self, name: str) -> None:
        """End a process at once, by its own number."""
        bot = self.running.pop(name)
        bot.process.send_signal(signal.SIGKILL)
        await bot.process.wait()

    async def close(self) -> None:
        for bot in self.running.values():
            await bot.stop()

    @property
    def memory(self) -> dict[str, float]:
        return {name: bot.seen().memory_info().rss / 2**20 for name, bot in self.running.items()}


def write_config(home: Path, host: str, port: int, rest: str = "", threads: int = 1) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    path = home / "config.toml"
    if "worker" not in home.name and "nats" in rest:
        threads = 0
    path.write_text(CONFIG.format(host=host, port=port, rest=rest, threads=threads), "utf-8")
    return path


# What is tried

PAGE_A, PAGE_B = f"http://{HOST_A}:{PORT}", f"http://{HOST_B}:{PORT + 8}"
Trial = Callable[[Cluster, int], Awaitable[Asked]]


async def meanwhile(asking: Awaitable[Asked], *steps: tuple[float, Awaitable[object]]) -> Asked:
    """Let things happen while sonnets are asked for, each so many seconds after the last."""
    task = asyncio.ensure_future(asking)
    for seconds, step in steps:
        await asyncio.sleep(seconds)
        await step
    return await task


async def try_calm(_: Cluster, poems: int) -> Asked:
    return await ask((PAGE_A, PAGE_B), poems)


async def try_worker(cluster: Cluster, poems: int) -> Asked:
    return await meanwhile(
        ask((PAGE_A, PAGE_B), poems),
        (3.0, cluster.kill("worker-b")),
        (5.0, cluster.start_worker("b")),
    )


async def try_gateway(cluster: Cluster, poems: int) -> Asked:
    asked = await meanwhile(
        ask((PAGE_A, PAGE_B), poems, again=True), (3.0, cluster.kill("gateway-b"))
    )
    await asyncio.sleep(35.0)  # until its shards are free
    await cluster.start_gateway("b")
    return asked


async def try_cut(_: Cluster, poems: int) -> Asked:
    return await meanwhile(
        ask((PAGE_A,), poems),
        (3.0, asyncio.to_thread(set_link, "b", "down")),
        (CUT_SECONDS, asyncio.to_thread(set_link, "b", "up")),
    )


async def try_bus(cluster: Cluster, poems: int) -> Asked:
    return await meanwhile(
        ask((PAGE_A, PAGE_B), poems),
        (3.0, cluster.server.stop(kill=True)),
        (3.0, cluster.server.start()),
    )


async def try_refused(cluster: Cluster, poems: int) -> Asked:
    """Ask while nothing writes; then the workers come back, and all is asked again."""
    for host in "ab":
        await cluster.kill(f"worker-{host}")
    await asyncio.sleep(12.0)
    began = time.perf_counter()
    refused = await ask((PAGE_A, PAGE_B), 4)
    seconds = time.perf_counter() - began
    if len(refused.refused) != 4 or seconds > 2.0:
        raise RuntimeError(f"not refused at once: {refused}, {seconds:.1f} s")
    for host in "ab":
        await cluster.start_worker(host)
    await asyncio.sleep(2.0)
    return await ask((PAGE_A, PAGE_B), poems)


TRIALS: dict[str, Trial] = {
    "calm": try_calm,
    "worker": try_worker,
    "gateway": try_gateway,
    "cut": try_cut,
    "bus": try_bus,
    "refused": try_refused,
}


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    asked: int
    came: int
    wrong: int
    refused: int
    again: int
    pause: float
    recovered: float  # seconds after that until both pages gave a sonnet
    sentences: tuple[str, ...]  # of what was refused


async def try_all(
    names: Sequence[str], poems: int, home: Path, alone: dict[int, str]
) -> tuple[list[Row], dict[str, float]]:
    async with hosts():
        server = NatsServer(home / "nats", host=BUS, port=NATS_PORT, inside=inside("bus"))
        cluster = Cluster(home, server)
        await server.start()
        try:
            for host in "ab":
                await cluster.start_worker(host)
            for host in "ab":
                await cluster.start_gateway(host)
            rows = []
            for name in names:
                runner.tell(name)
                asked = await TRIALS[name](cluster, poems)
                wrong, recovered = asked.count_wrong(alone), await wait_for_both()
                rows.append(
                    Row(
                        *(name, poems, len(asked.texts), wrong, len(asked.refused)),
                        *(asked.again, asked.pause, recovered, tuple(sorted(set(asked.refused)))),
                    )
                )
            return rows, cluster.memory
        finally:
            await cluster.close()
            await server.stop(kill=True)


async def wait_for_both() -> float:
    """Return how long it took until both pages gave a sonnet."""
    began = time.perf_counter()
    for address in (PAGE_A, PAGE_B):
        while not (await ask((address,), 1)).texts:
            await asyncio.sleep(0.5)
    return time.perf_counter() - began


async def write_alone(home: Path, poems: int) -> dict[int, str]:
    """Return the sonnets as one process without a cluster writes them."""
    config = write_config(home / "alone", "127.0.0.1", 0, threads=2)
    async with BotProcess(config) as bot:
        return (await ask((await bot.address(),), poems)).texts


# Identifies


async def try_identify(home: Path) -> list[float]:
    """Return the seconds between the identifies of two gateways that share nothing but the bus."""
    times: list[float] = []
    identify = fake_gateway.FakeGateway._identify

    async def timed(gateway: fake_gateway.FakeGateway, *values: Any) -> Any:
        times.append(time.monotonic())
        return await identify(gateway, *values)

    server, discord = NatsServer(home / "nats-identify"), FakeDiscord()
    await server.start()
    try:
        async with AsyncExitStack() as running:
            with patch.object(fake_gateway.FakeGateway, "_identify", timed):
                await running.enter_async_context(discord.serve())
                rest = f'[cluster]\nnats = "{server.address}"\n'
                rest += f'[discord]\napi_url = "{discord.url}"\n'
                for number, shards in enumerate(("0-7/16", "8-15/16")):
                    config = write_config(home / f"identify-{number}", "127.0.0.1", 0, rest)
                    await running.enter_async_context(BotProcess(config, TOKEN, "--shards", shards))
                async with asyncio.timeout(SHARDS * 2 * IDENTIFY_SECONDS + START_SECONDS):
                    while len(times) < SHARDS:
                        await asyncio.sleep(0.2)
    finally:
        await server.stop(kill=True)
    return [b - a for a, b in pairwise(times)]


# Speed


@dataclass(frozen=True, slots=True)
class Speed:
    what: str
    per_second: float
    p50: float
    p95: float
    memory: dict[str, float]


async def measure_speed(home: Path, poems: int) -> tuple[list[Speed], dict[str, float]]:
    """Measure on loopback, one way after another; the bus's own cost from its counters."""
    rows: list[Speed] = []

    async def note(what: str, address: str, running: dict[str, BotProcess]) -> None:
        await ask((address,), 8)
        began = time.perf_counter()
        asked = await ask((address,), poems)
        seconds = time.perf_counter() - began
        memory = {name: bot.seen().memory_info().rss / 2**20 for name, bot in running.items()}
        rate, p95 = len(asked.texts) / seconds, quantile(asked.seconds, 0.95)
        rows.append(Speed(what, rate, median(asked.seconds), p95, memory))

    for threads in (1, 2):
        runner.tell(f"one process, {threads} threads")
        config = write_config(home / f"speed-{threads}", "127.0.0.1", 0, threads=threads)
        async with BotProcess(config) as bot:
            await note(f"one process, threads = {threads}", await bot.address(), {"bot": bot})
    runner.tell("a gateway and two workers")
    server = NatsServer(home / "nats-speed", "-m", "-1")
    await server.start()
    try:
        async with AsyncExitStack() as running:
            rest = f'[cluster]\nnats = "{server.address}"'
            parts: dict[str, BotProcess] = {}
            for name, arguments in (("worker-1", ("worker",)), ("worker-2", ("worker",))):
                config = write_config(home / f"speed-{name}", "127.0.0.1", 0, rest)
                parts[name] = await running.enter_async_context(
                    BotProcess(config, None, *arguments)
                )
            config = write_config(home / "speed-gateway", "127.0.0.1", 0, rest)
            parts["gateway"] = await running.enter_async_context(BotProcess(config))
            address = await parts["gateway"].address()
            await asyncio.sleep(2.0)
            before = await server.counters()
            await note("a gateway and two workers", address, parts)
            after = await server.counters()
            alone = await ask((address,), min(poems, 20), at_once=1)
            bus = {
                "messages of a poem": (after["messages"] - before["messages"]) / (poems + 8),
                "bytes of a poem": (after["bytes"] - before["bytes"]) / (poems + 8),
                "one at a time, median s": median(alone.seconds),
                "NATS, MB": after["memory"] / 2**20,
            }
    finally:
        await server.stop()
    return rows, bus


async def measure(asked: argparse.Namespace, home: Path) -> runner.Report:
    if NATS_SERVER is None:
        raise SystemExit(WITHOUT)
    poems = 24 if asked.quick else asked.poems
    names = asked.only or [*TRIALS, "identify", "speed"]
    checks: list[runner.Check] = []
    texts: list[str] = []
    details: list[str] = []
    figures: dict[str, object] = {}
    if trials := [name for name in names if name in TRIALS]:
        runner.tell("the same sonnets alone")
        alone = await write_alone(home, poems)
        rows, memory = await try_all(trials, poems, home, alone)
        figures["trials"] = [asdict(row) for row in rows]
        texts.append(
            table(
                (
                    "tried",
                    "asked",
                    "came",
                    "other text",
                    "refused",
                    "asked again",
                    "pause s",
                    "well again s",
                ),
                [
                    (
                        *(row.name, str(row.asked), str(row.came), str(row.wrong)),
                        *(str(row.refused), str(row.again), number(row.pause, 1)),
                        number(row.recovered, 1),
                    )
                    for row in rows
                ],
            )
        )
        details += [f"{row.name}: {sentence}" for row in rows for sentence in row.sentences]
        texts.append("MB: " + ", ".join(f"{name} {mb:.0f}" for name, mb in memory.items()))
        checks += [
            runner.Check(
                row.name, row.came == row.asked and not row.wrong, f"{row.came} of {row.asked} came"
            )
            for row in rows
        ]
    if "identify" in names:
        runner.tell("identify")
        gaps = await try_identify(home)
        texts.append(
            f"{len(gaps) + 1} identifies, {min(gaps):.2f} to {max(gaps):.2f} s between two"
        )
        checks.append(
            runner.Check("identify", min(gaps) >= IDENTIFY_SECONDS, f"least {min(gaps):.2f} s")
        )
    if "speed" in names:
        speeds, bus = await measure_speed(home, poems)
        texts.append(
            table(
                ("way", "sonnets/s", "p50 s", "p95 s", "MB"),
                [
                    (
                        *(row.what, number(row.per_second, 2), number(row.p50, 2)),
                        number(row.p95, 2),
                        ", ".join(f"{name} {mb:.0f}" for name, mb in row.memory.items()),
                    )
                    for row in speeds
                ],
            )
        )
        texts.append("The bus: " + ", ".join(f"{name} {value:,.2f}" for name, value in bus.items()))
        figures["bus"] = bus
    return runner.Report("\n\n".join(texts), figures, checks, details)


def main() -> None:
    parser = runner.parser_of(__doc__, quick="24 sonnets each")
    parser.add_argument("--poems", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=[*TRIALS, "identify", "speed"])
    runner.run(parser.parse_args(), measure)


if __name__ == "__main__":
    main()
