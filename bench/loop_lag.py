"""How long the event loop is held up while the bot is attacked.

    python -m bench.loop_lag [--connections 8 60] [--seconds 10] [--attacks NAME …] [--tree FOLDER]
                             [--quick] [--json FILE]

For each row the bot runs as a process of its own, with its own settings, the model that ships and
its page on loopback; `--tree` measures another version's sources. Another process attacks over so
many connections, each of which asks again as soon as it was answered. A polite client on
127.0.0.2 asks for /healthz fifty times a second over one connection. All of it stays on loopback
and ends by itself.

    nobody       no attack
    wrong        64 KiB of {"stop":[0,0,…]}, from one address
    keys         64 KiB of keys that no poem has, from one address
    odd          a seed of 16 words that nobody knows, each connection from an address of its own
    apostrophes  the same with words that take long to pronounce
    accents      200 words to avoid with an accent on each letter, from as many addresses
    cards        a card of 4,000 characters, from as many addresses

health: how long /healthz took, from the moment that it was due; lag: how late the loop was, looked
at every 5 ms on the loop itself; answers: status lines that the attacker saw, "lost" where a
connection was closed. An attack on something else than the page has a coroutine function that runs
alongside the bot; see `Attack`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import random
import re
import string
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles

import aiohttp

from bench.gauges import ROOT, machine, machine_line
from bench.tables import number, table, write_json

POLITE, ATTACKER = "127.0.0.2", "127.0.0.1"
PROBE_SECONDS = 0.02  # between two questions of the polite client
LOOK_SECONDS = 0.1
GIVE_UP_SECONDS = 120.0  # for a start, which may have to compile
GOAL_P99, GOAL_WORST = 0.020, 0.050  # seconds of lag
VARIANTS = 8  # of a body, for each connection
BODY_BYTES = 64 * 1024 - 64  # under the page's limit

Address = tuple[str, int]
Draw = random.Random


@dataclass(frozen=True, slots=True)
class Attack:
    """`body` makes a request's body to POST to `path`; without one nobody attacks.

    `alongside` runs on the bot's own loop meanwhile, see `watched_bot.py`; `settings` are further
    lines of its config.toml.
    """

    name: str
    path: str = "/api/poems"
    body: Callable[[Draw], object] | None = None
    own_addresses: bool = False  # each connection from one of its own
    alongside: tuple[str, ...] = ()
    settings: str = ""


def wrong(_: Draw) -> object:
    return {"stop": [0] * (BODY_BYTES // 3)}


def keys(_: Draw) -> object:
    return {f"k{number}": 0 for number in range(BODY_BYTES // 11)}


def odd(draw: Draw) -> object:
    return {
        "seed": " ".join("".join(draw.choices(string.ascii_lowercase, k=30)) for _ in range(16))
    }


def apostrophes(draw: Draw) -> object:
    parts = ["un", "out", "ness", "er", "'", "ing", "re", "th", "q", "ies", "less"]
    words = ["".join(draw.choices(parts, k=12))[:29] for _ in range(16)]
    return {"seed": " ".join(words)}


def accents(draw: Draw) -> object:
    letters = "éèêëàâäîïôöùûüç"
    return {"avoid": ["".join(draw.choices(letters, k=30)) for _ in range(200)]}


def cards(draw: Draw) -> object:
    words = ["".join(draw.choices(string.ascii_lowercase, k=7)) for _ in range(499)]
    return {"title": "A Title", "text": " ".join(words)}


ATTACKS = (
    Attack("nobody"),
    Attack("wrong", body=wrong),
    Attack("keys", body=keys),
    Attack("odd", body=odd, own_addresses=True),
    Attack("apostrophes", body=apostrophes, own_addresses=True),
    Attack("accents", body=accents, own_addresses=True),
    Attack("cards", "/api/cards", body=cards, own_addresses=True),
)


@dataclass
class Measurement:
    """What was measured while an attack went on; times in seconds."""

    name: str
    connections: int
    health: list[float] = field(default_factory=list)
    unhealthy: Counter[str] = field(default_factory=Counter)
    lags: list[float] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)


class WatchedBot:
    """A bot in a process of its own, whose lags are known once it has ended."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process, self._folder = process, folder

    def address(self) -> Address:
        """Wait for its page; return where that is."""
        end = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            log = (self._folder / "log").read_text("utf-8")
            if found := re.search(r"page is at .*:(\d+)", log):
                return ATTACKER, int(found[1])
            time.sleep(LOOK_SECONDS)
        raise RuntimeError(f"the page does not begin: {log[-2000:]}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(GIVE_UP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def lags(self, begin: float, end: float) -> list[float]:
        """Return the lags that were seen from `begin` to `end`."""
        lines = (self._folder / "lags").read_text("ascii").splitlines()
        looks = (tuple(map(float, line.split())) for line in lines)
        return [late for when, late in looks if begin <= when <= end]


@contextmanager
def watched_bot(tree: Path, attack: Attack) -> Iterator[WatchedBot]:
    """Run a bot until the block ends."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "config.toml"
        config.write_text(f"[web]\nport = 0\n{attack.settings}", "utf-8")
        script = Path(__file__).with_name("watched_bot.py")
        names = [config, folder / "lags"]
        environment = {key: value for key, value in os.environ.items() if key != "DISCORD_TOKEN"}
        environment["PYTHONPATH"] = str(tree)  # which may have no `bench`; hence by the file's path
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", str(script), *map(str, names), *attack.alongside],
                cwd=tree,
                env=environment,
                stderr=log,
            )
        bot = WatchedBot(process, folder)
        try:
            yield bot
        finally:
            bot.stop()


async def probe(address: Address, seen: Measurement) -> None:
    """Ask for /healthz at fixed moments; a late answer counts from when it was due."""
    connector = aiohttp.TCPConnector(local_addr=(POLITE, 0), limit=1)
    async with aiohttp.ClientSession(connector=connector) as client:
        due = time.monotonic()
        while True:
            try:
                async with client.get(f"http://{address[0]}:{address[1]}/healthz") as answer:
                    await answer.read()
                    if answer.status != 200:
                        seen.unhealthy[str(answer.status)] += 1
            except aiohttp.ClientError as error:
                seen.unhealthy[type(error).__name__] += 1
            now = time.monotonic()
            seen.health.append(now - due)
            due = max(due + PROBE_SECONDS, now)
            await asyncio.sleep(due - now)


def request_of(attack: Attack, draw: Draw) -> bytes:
    assert attack.body is not None
    body = json.dumps(attack.body(draw), separators=(",", ":")).encode()
    head = (
        f"POST {attack.path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Attacker:
    """One connection of the attacker's, opened again where it was closed."""

    def __init__(self, attack: Attack, address: Address, nth: int, answers: Counter[str]) -> None:
        self._address, self._answers = address, answers
        self._source = f"127.1.{nth // 250}.{1 + nth % 250}" if attack.own_addresses else ATTACKER
        draw = Draw(nth)
        # Made before, so that the attacker's own work does not slow the attack.
        self._requests = itertools.cycle([request_of(attack, draw) for _ in range(VARIANTS)])

    async def attack(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    *self._address, local_addr=(self._source, 0)
                )
            except OSError:
                self._answers["refused"] += 1
                await asyncio.sleep(LOOK_SECONDS)
                continue
            try:
                while True:
                    await self._ask(reader, writer)
            except (OSError, EOFError):
                self._answers["lost"] += 1
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(self._requests))
        await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        self._answers[answer[9:12].decode("ascii")] += 1
        if size := re.search(rb"content-length: (\d+)", answer, re.IGNORECASE):
            await reader.readexactly(int(size[1]))
        if b"connection: close" in answer.lower():
            raise EOFError


async def attack_for(attack: Attack, address: Address, connections: int, pipe: Connection) -> None:
    """Attack until there is a word on the pipe; tell then what was seen."""
    answers: Counter[str] = Counter()
    attackers = [Attacker(attack, address, nth, answers) for nth in range(connections)]
    tasks = [asyncio.create_task(attacker.attack()) for attacker in attackers]
    await asyncio.to_thread(pipe.recv)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    pipe.send(dict(answers))


def attack_in_process(name: str, address: Address, connections: int, pipe: Connection) -> None:
    attack = next(attack for attack in ATTACKS if attack.name == name)
    asyncio.run(attack_for(attack, address, connections, pipe))


async def measure(
    attack: Attack, connections: int, address: Address, seconds: float
) -> Measurement:
    """Look at a page while it is attacked."""
    seen = Measurement(attack.name, connections)
    watcher = asyncio.create_task(probe(address, seen))
    if attack.body is None:
        await asyncio.sleep(seconds)
    else:
        spawn = multiprocessing.get_context("spawn")
        pipe, theirs = spawn.Pipe()
        attacker = spawn.Process(
            target=attack_in_process, args=(attack.name, address, connections, theirs)
        )
        attacker.start()
        await asyncio.sleep(seconds)
        pipe.send("enough")
        seen.answers = await asyncio.to_thread(pipe.recv)
        attacker.join()
    watcher.cancel()
    with suppress(asyncio.CancelledError):
        await watcher
    return seen


def measure_all(asked: argparse.Namespace) -> list[Measurement]:
    phases = []
    for attack in ATTACKS:
        if asked.attacks and attack.name not in asked.attacks:
            continue
        for connections in asked.connections if attack.body else [0]:
            print(f"{attack.name}, {connections} connections …", file=sys.stderr, flush=True)
            with watched_bot(asked.tree, attack) as bot:
                address, begin = bot.address(), time.monotonic()
                seen = asyncio.run(measure(attack, connections, address, asked.seconds))
                end = time.monotonic()
                bot.stop()
                seen.lags = bot.lags(begin, end)
            phases.append(seen)
            show([seen])
    return phases


def percentiles(waits: list[float]) -> list[str]:
    """Return median, 99th percentile and the worst in milliseconds."""
    if len(waits) < 2:
        return ["–"] * 3
    cuts = quantiles(waits, n=100, method="inclusive")
    return [number(1000 * value, 1) for value in (cuts[49], cuts[98], max(waits))]


def told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items())) or "–"


def meets(seen: Measurement) -> bool:
    """Whether the loop was never held up for longer than the goals say."""
    cuts = quantiles(seen.lags, n=100, method="inclusive")
    return cuts[98] <= GOAL_P99 and max(seen.lags) <= GOAL_WORST


def show(phases: list[Measurement]) -> None:
    head = (
        *("attack", "connections", "health p50", "p99 ms", "worst"),
        *("lag p50", "p99 ms", "worst", "goal", "answers", "else"),
    )
    rows = [
        [
            *(seen.name, f"{seen.connections}"),
            *percentiles(seen.health),
            *percentiles(seen.lags),
            *("met" if meets(seen) else "MISSED", told(seen.answers), told(seen.unhealthy)),
        ]
        for seen in phases
    ]
    print(table(head, rows), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--connections", type=int, nargs="+", default=[8, 60])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--attacks", nargs="+", choices=[attack.name for attack in ATTACKS])
    parser.add_argument("--tree", type=Path, default=ROOT, help="of the bot that is measured")
    parser.add_argument("--quick", action="store_true", help="8 connections, 3 s of each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    asked = parser.parse_args()
    if asked.quick:
        asked.connections, asked.seconds = [8], 3.0
    return asked


def main() -> None:
    asked = arguments()
    about = machine()
    print(machine_line())
    phases = measure_all(asked)
    print(f"\ngoal: lag p99 ≤ {1000 * GOAL_P99:.0f} ms, worst ≤ {1000 * GOAL_WORST:.0f} ms")
    show(phases)
    if asked.json is not None:
        write_json(asked.json, {**about, "phases": [asdict(seen) for seen in phases]})


if __name__ == "__main__":
    main()
