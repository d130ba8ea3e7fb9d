"""What the page bears: ten thousand open connections at once that mean no good.

    python -m tests.rigs.connections [--connections 10000] [--seconds 15] [--descriptors N]
                                     [--attacks NAME …] [--quick] [--json FILE]

The bot runs as a child process with its own settings and the model that ships, its page on
loopback. Another process attacks: it keeps so many connections open, and opens each again as soon
as it is closed and `--pause` seconds have passed. A polite client on 127.0.0.2 asks for /healthz
twenty times a second, each time on a new connection, and for one sonnet after another; from the
attacker's own address /healthz is asked for, too. All of it stays on loopback. Linux alone.

    silent       nothing is sent
    heads        the head of a request comes letter by letter, one a second
    bodies       a whole head, then the body letter by letter
    streams      poems as streams that nobody reads, from one address
    crowd        the same from 2,500 addresses, so that no address is above its limits
    deaf         thirty files asked for on each connection, nothing ever read

tried: connections that were begun; open: the most descriptors that the page had more than before;
answers: the status lines that attackers saw, of those still open or not yet begun anew; MB: of the
page's process before, at most, and after the attack; calm: how many seconds after its end the
page had closed all but ten.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import multiprocessing
import re
import resource
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles

import aiohttp
import psutil  # type: ignore[import-untyped]

from bench.gauges import MB
from bench.tables import number, table
from tests.rigs import runner
from tests.rigs.bot_process import BotProcess

ATTACKER = "127.0.0.1"
LOOK_SECONDS = 0.2  # between two looks at all sockets
SYN_SENT, ESTABLISHED = 2, 1  # of Linux' TCP_INFO

Address = tuple[str, int]

HEAD = b"POST /api/poems HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
STREAM = HEAD + b"Accept: text/event-stream\r\nContent-Length: 2\r\n\r\n{}"
FILES = b"GET /script.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30


@dataclass(frozen=True, slots=True)
class Attack:
    """`opening` is sent at once, of `trickle` a letter a second."""

    name: str
    opening: bytes = b""
    trickle: bytes = b""
    addresses: int = 1


ATTACKS = (
    Attack("silent"),
    Attack("heads", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"a" * 100_000),
    Attack("bodies", HEAD + b"Content-Length: 60000\r\n\r\n", b" " * 60_000),
    Attack("streams", STREAM),
    Attack("crowd", STREAM, addresses=2500),
    Attack("deaf", FILES),
)


class AttackingConnection:
    """One of the attacker's sockets, opened again and again."""

    def __init__(self, attack: Attack, address: Address, source: str) -> None:
        self._attack, self._address, self._source = attack, address, source
        self._socket: socket.socket | None = None
        self._due = 0.0
        self._has_opened, self._said = False, 0
        self.status = ""

    def turn(self, now: float, pause: float) -> int:
        """Do what is due; return 1 when a connection was begun."""
        if self._socket is None:
            if now < self._due:
                return 0
            self._begin()
            return 1
        state = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state == ESTABLISHED:
            self._speak(now)
        elif state != SYN_SENT:
            self._listen()
            self.end()
            self._due = now + pause
        return 0

    def end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _begin(self) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.bind((self._source, 0))
        wrong = self._socket.connect_ex(self._address)
        if wrong not in (0, errno.EINPROGRESS):
            raise OSError(wrong, "the attacker has no more ports")
        self._has_opened, self._said = False, 0
        self.status = ""

    def _speak(self, now: float) -> None:
        assert self._socket is not None
        with suppress(OSError):
            if not self._has_opened:
                self._socket.send(self._attack.opening)
                self._has_opened = True
                self._due = now + 1
            elif now >= self._due and self._attack.trickle:
                self._socket.send(self._attack.trickle[self._said : self._said + 1])
                self._said += 1
                self._due = now + 1
        self._listen()

    def _listen(self) -> None:
        """Look at the status line and leave it unread."""
        assert self._socket is not None
        if not self.status:
            with suppress(OSError):
                self.status = self._socket.recv(12, socket.MSG_PEEK)[9:12].decode("ascii")


def attack_until_told(
    attack: Attack, address: Address, count: int, pause: float, pipe: Connection
) -> None:
    """Keep `count` connections open; at any word on the pipe tell what was measured, and end."""
    raise_limit()
    sources = [
        ATTACKER if attack.addresses == 1 else f"127.1.{number // 250}.{1 + number % 250}"
        for number in range(attack.addresses)
    ]
    connections = [
        AttackingConnection(attack, address, sources[number % len(sources)])
        for number in range(count)
    ]
    tried = failed = 0
    answers: Counter[str] = Counter()
    while not pipe.poll():
        began = time.monotonic()
        for connection in connections:
            try:
                tried += connection.turn(time.monotonic(), pause)
            except OSError:
                failed += 1
                connection.end()
        rest = LOOK_SECONDS - (time.monotonic() - began)
        if rest > 0:
            time.sleep(rest)
    for connection in connections:
        answers[connection.status or "none"] += 1
        connection.end()
    pipe.send((tried, failed, dict(answers)))


def raise_limit() -> int:
    """Let this process, and what it starts, have as many descriptors as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


POLITE = "127.0.0.2"
HEALTH_SECONDS = 0.05  # between two questions
CALM_DESCRIPTORS = 10  # the polite client's own connections among them
GIVE_UP_SECONDS = 60.0


@dataclass
class Measurement:
    """What was measured while an attack went on."""

    name: str
    tried: int = 0
    failed: int = 0
    open_most: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    health: list[float] = field(default_factory=list)  # seconds
    health_same_address: list[float] = field(default_factory=list)  # as the attacker
    unhealthy: Counter[str] = field(default_factory=Counter)
    poems: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    mb_before: float = 0.0
    mb_most: float = 0.0
    mb_after: float = 0.0
    calm_seconds: float = float("nan")


@asynccontextmanager
async def page(home: Path, descriptors: int) -> AsyncIterator[tuple[psutil.Process, Address]]:
    """Run the bot with nothing but its page; gives its process and where it listens."""
    config = home / "config.toml"
    config.write_text("[web]\nport = 0\n", "utf-8")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))  # the child inherits it
    bot = BotProcess(config)
    try:
        async with bot:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            port = (await bot.address()).rpartition(":")[2]
            yield bot.seen(), (ATTACKER, int(port.strip("/")))
            if bot.status is not None:
                raise RuntimeError("the page died")
    finally:
        lines = Counter(re.findall(r" (WARNING|ERROR|CRITICAL) .*", bot.log()))
        print(f"the page's log: {dict(lines) or 'nothing above INFO'}")


async def ask_health(source: str, url: str, waits: list[float], measured: Measurement) -> None:
    while True:
        began = time.perf_counter()
        try:
            async with client_of(source) as client, client.get(f"{url}/healthz") as answer:
                await answer.read()
                if answer.status != 200:
                    measured.unhealthy[str(answer.status)] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            measured.unhealthy[type(error).__name__] += 1
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(HEALTH_SECONDS)


async def ask_poems(url: str, measured: Measurement) -> None:
    """Ask for one sonnet after another, as a polite client does: not sooner than it is told."""
    while True:
        began = time.perf_counter()
        pause = 1.0  # sixty a minute is what an address may
        try:
            async with (
                client_of(POLITE) as client,
                client.post(f"{url}/api/poems", json={}) as answer,
            ):
                await answer.read()
                if answer.status == 200:
                    measured.poems.append(time.perf_counter() - began)
                else:
                    measured.refused[str(answer.status)] += 1
                    pause = min(5.0, float(answer.headers.get("Retry-After", "1")))
        except (aiohttp.ClientError, TimeoutError) as error:
            measured.refused[type(error).__name__] += 1
        await asyncio.sleep(pause)


def client_of(source: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(local_addr=(source, 0), force_close=True),
        timeout=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS),
    )


async def look(process: psutil.Process, before: int, measured: Measurement) -> None:
    while True:
        measured.open_most = max(measured.open_most, process.num_fds() - before)
        measured.mb_most = max(measured.mb_most, process.memory_info().rss / MB)
        await asyncio.sleep(LOOK_SECONDS)


async def measure(
    attack: Attack, process: psutil.Process, address: Address, asked: argparse.Namespace
) -> Measurement:
    """Look at a page while it is attacked, and until it is calm again."""
    measured = Measurement(attack.name, mb_before=process.memory_info().rss / MB)
    measured.mb_most, before = measured.mb_before, process.num_fds()
    url = f"http://{address[0]}:{address[1]}"
    spawn = multiprocessing.get_context("spawn")
    pipe, theirs = spawn.Pipe()
    attacker = spawn.Process(
        target=attack_until_told,
        args=(attack, address, asked.connections, asked.pause, theirs),
    )
    watchers = [asyncio.create_task(look(process, before, measured))]
    attacker.start()
    await asyncio.sleep(1.0)  # until it has begun
    watchers += [
        asyncio.create_task(ask_health(POLITE, url, measured.health, measured)),
        asyncio.create_task(ask_health(ATTACKER, url, measured.health_same_address, measured)),
        asyncio.create_task(ask_poems(url, measured)),
    ]
    await asyncio.sleep(asked.seconds)
    for task in watchers:
        task.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    pipe.send("enough")
    measured.tried, measured.failed, measured.answers = await asyncio.to_thread(pipe.recv)
    ended = time.monotonic()
    while process.num_fds() > before + CALM_DESCRIPTORS:
        if time.monotonic() - ended > GIVE_UP_SECONDS:
            return measured
        await asyncio.sleep(LOOK_SECONDS / 4)
    measured.calm_seconds = time.monotonic() - ended
    attacker.join()
    measured.mb_after = process.memory_info().rss / MB
    return measured


def percentiles(waits: list[float]) -> tuple[str, str]:
    """Return median and 99th percentile in milliseconds."""
    if len(waits) < 2:
        return "–", "–"
    cuts = quantiles(waits, n=100, method="inclusive")
    return number(1000 * cuts[49]), number(1000 * cuts[98])


def told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items())) or "0"


def show(phases: list[Measurement]) -> str:
    head = (
        *("attack", "tried", "open", "answers", "healthz p50", "p99 ms"),
        *("same address p50", "p99 ms", "else", "poems", "p50 ms", "refused"),
        *("MB before", "most", "after", "calm s"),
    )
    rows = [
        (
            *(
                measured.name,
                f"{measured.tried:,}",
                f"{measured.open_most:,}",
                told(measured.answers),
            ),
            *percentiles(measured.health),
            *percentiles(measured.health_same_address),
            *(told(measured.unhealthy), f"{len(measured.poems)}", percentiles(measured.poems)[0]),
            told(measured.refused),
            *(number(size) for size in (measured.mb_before, measured.mb_most, measured.mb_after)),
            number(measured.calm_seconds, 1),
        )
        for measured in phases
    ]
    return table(head, rows)


async def measure_all(asked: argparse.Namespace, home: Path) -> runner.Report:
    limit = raise_limit()
    asked.descriptors = asked.descriptors or limit
    if asked.quick:
        asked.connections, asked.seconds = 2_000, 3.0
    async with page(home, asked.descriptors) as (process, address):
        quiet = argparse.Namespace(**{**vars(asked), "connections": 0})
        phases = [await measure(Attack("nobody"), process, address, quiet)]
        for attack in ATTACKS:
            if not asked.attacks or attack.name in asked.attacks:
                runner.tell(attack.name)
                phases.append(await measure(attack, process, address, asked))
    text = (
        f"{asked.connections:,} connections; descriptors that the attacker may have: {limit:,}, "
        f"the page: {asked.descriptors:,}\n{show(phases)}"
    )
    figures = {"descriptors": asked.descriptors, "phases": [asdict(phase) for phase in phases]}
    return runner.Report(text, figures)


def main() -> None:
    parser = runner.parser_of(__doc__, quick="all of it, in under a minute")
    parser.add_argument("--connections", type=int, default=10_000, help="open at once")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each attack")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds until one comes again")
    parser.add_argument("--descriptors", type=int, help="that the page may have; default: most")
    parser.add_argument("--attacks", nargs="+", choices=[attack.name for attack in ATTACKS])
    runner.run(parser.parse_args(), measure_all)


if __name__ == "__main__":
    main()
