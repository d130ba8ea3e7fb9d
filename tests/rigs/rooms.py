"""A room of one poem and many hands: a venue full of phones, and what may go wrong in it.

    python -m tests.rigs.rooms [--visitors 150] [--seconds 30] [--quick] [--json FILE]

The bot runs as a child process, as it is set up, with the model that ships; all stays on loopback,
each visitor with an address of their own. Each has the room's events open and gives a word about
every twenty seconds. In the phases, one after the other, there are besides:

    venue     nobody
    flood     three addresses that join as often and give as much as they can
    deaf      a hundred who open the room's events and never read
    guessers  three addresses that try codes
    poems     ten readers who ask for one sonnet after another
    no host   nobody, but the host's screen is gone

At the end the bot is stopped and started anew. late: how many seconds after the first phone others
showed a line; lag: of the bot's event loop, at most; MB: of its process, at most.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil  # type: ignore[import-untyped]

from bench.gauges import MB
from bench.stats import quantile
from bench.tables import number, table
from bot.core.rooms import CODE_LENGTH, CODE_LETTERS
from tests.rigs import runner
from tests.rigs.bot_process import BotProcess

WORDS = (
    "rain moon river coffee robot mother silence train computer winter kiss football whale hope "
    "pizza dragon shadow library dust elephant freedom bicycle storm grandmother telephone happy "
    "running yellow quickly broken ocean satellite garden pencil internet candle"
).split()
GIVE_SECONDS = 20.0  # between two words of a visitor, about
END_SECONDS = 10.0
HOST_ADDRESS, OTHERS = "127.0.0.2", "127.0.9"  # visitors have 127.0.1.1 and so on


@dataclass
class Phase:
    """What was seen while something went wrong."""

    name: str
    lines: int = 0
    words: int = 0  # that lines were written for
    kept: int = 0  # … and that are in them
    late: list[float] = field(default_factory=list)  # seconds
    answers: Counter[str] = field(default_factory=Counter)  # of the visitors' words
    bad_answers: Counter[str] = field(default_factory=Counter)  # of those who mean no good
    lag_ms: float = 0.0
    mb: float = 0.0
    people: int = 0  # at most


class Venue:
    """A room with its host and visitors."""

    def __init__(self, url: str) -> None:
        self.url, self.code, self.secret = url, "", ""
        self.phase = Phase("")
        self.endings: Counter[str] = Counter()
        self.screen: asyncio.Task[None] | None = None
        self._first: dict[str, float] = {}  # when a line was first shown

    async def post(self, client: aiohttp.ClientSession, path: str, body: object) -> tuple[int, Any]:
        async with client.post(f"{self.url}{path}", json=body) as response:
            return response.status, await response.json()

    async def open(self) -> None:
        async with client_of(HOST_ADDRESS) as client:
            _, answer = await self.post(client, "/api/rooms", {"form": "sonnet"})
        self.code, self.secret = answer["code"], answer["host"]
        self.screen = asyncio.create_task(self.host())

    @property
    def room(self) -> str:
        return f"/api/rooms/{self.code}"

    async def host(self) -> None:
        """Show the room, and begin the next poem when one is whole."""
        count = 0
        async with client_of(HOST_ADDRESS) as client:
            async for event, state in self.events(client, {"host": self.secret}):
                if event != "room":
                    continue
                self.phase.people = max(self.phase.people, state["people"])
                for line in state["lines"][count:]:
                    self.phase.words += line["kind"] == "word"
                    self.phase.kept += line["has_word"]
                count = len(state["lines"])
                if state["whole"] and state["title"]:
                    await self.post(client, f"{self.room}/actions", self.act("next"))
                    count = 0

    def act(self, action: str) -> dict[str, str]:
        return {"host": self.secret, "action": action}

    async def visit(self, number: int) -> None:
        """Be a visitor until the room ends."""
        draw = random.Random(number)
        async with client_of(f"127.0.1.{number + 1}") as client:
            giving: asyncio.Task[None] | None = None
            seen = 0
            async for event, content in self.events(client, {}):
                if event == "joined":
                    giving = asyncio.create_task(self.give(client, content["visitor"], draw))
                elif event == "room" and len(content["lines"]) > seen:
                    self._see(content["lines"][-1]["text"])
                elif event == "ended":
                    self.endings[content["reason"]] += 1
                seen = len(content["lines"]) if event == "room" else seen
            if giving is not None:
                giving.cancel()

    def _see(self, line: str) -> None:
        now = time.perf_counter()
        first = self._first.setdefault(line, now)
        self.phase.lines += first == now
        self.phase.late.append(now - first)

    async def give(self, client: aiohttp.ClientSession, token: str, draw: random.Random) -> None:
        while True:
            await asyncio.sleep(draw.uniform(0, 2 * GIVE_SECONDS))
            gift = {"visitor": token, "kind": "word", "text": draw.choice(WORDS)}
            with suppress(aiohttp.ClientError, TimeoutError):
                status, _ = await self.post(client, f"{self.room}/contributions", gift)
                self.phase.answers[str(status)] += 1

    async def events(self, client: aiohttp.ClientSession, key: dict[str, str]) -> Any:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with client.post(f"{self.url}{self.room}/events", json=key) as response:
                event = ""
                async for raw in response.content:
                    name, _, value = raw.decode().rstrip("\n").partition(": ")
                    if name == "event":
                        event = value
                    elif name == "data":
                        yield event, json.loads(value)

    # Those who mean no good

    async def flood(self, client: aiohttp.ClientSession) -> None:
        async for event, content in self.events(client, {}):
            if event == "joined":
                gift = {"visitor": content["visitor"], "kind": "line", "text": "x " * 90}
                for _ in range(50):
                    await self.bad(client, f"{self.room}/contributions", gift)
                return

    async def guess(self, client: aiohttp.ClientSession) -> None:
        code = "".join(random.choices(CODE_LETTERS, k=CODE_LENGTH))
        await self.bad(client, f"/api/rooms/{code}/events", {})

    async def ask(self, client: aiohttp.ClientSession) -> None:
        if await self.bad(client, "/api/poems", {"form": "sonnet"}) != 200:
            await asyncio.sleep(1)

    async def bad(self, client: aiohttp.ClientSession, path: str, body: object) -> int:
        status, _ = await self.post(client, path, body)
        self.phase.bad_answers[str(status)] += 1
        return status

    def open_deaf(self) -> list[socket.socket]:
        host, port = self.url.removeprefix("http://").split(":")
        head = f"POST {self.room}/events HTTP/1.1\r\nHost: localhost\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        found = []
        for place in range(100):
            deaf = socket.socket()
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.bind((f"{OTHERS}.{place + 1}", 0))
            deaf.connect((host, int(port)))
            deaf.send(head.encode())
            found.append(deaf)
        return found


def client_of(source: str) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(local_addr=(source, 0), limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    return aiohttp.ClientSession(connector=connector, timeout=timeout)


async def repeat(
    do: Callable[[aiohttp.ClientSession], Awaitable[None]], source: str, phase: Phase
) -> None:
    while True:
        try:
            async with client_of(source) as client:
                while True:
                    await do(client)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            phase.bad_answers[type(error).__name__] += 1
            await asyncio.sleep(0.1)


async def look(url: str, process: psutil.Process, phase: Phase) -> None:
    async with client_of("127.0.0.3") as client:
        while True:
            async with client.get(f"{url}/healthz") as response:
                phase.lag_ms = max(phase.lag_ms, (await response.json())["loop_lag_ms"])
            phase.mb = max(phase.mb, process.memory_info().rss / MB)
            await asyncio.sleep(0.25)


async def play(venue: Venue, name: str, seconds: float, process: psutil.Process) -> Phase:
    runner.tell(name)
    phase = venue.phase = Phase(name)
    tasks = [asyncio.create_task(look(venue.url, process, phase))]
    deaf = venue.open_deaf() if name == "deaf" else []
    if name == "no host" and venue.screen is not None:
        async with client_of(HOST_ADDRESS) as client:
            await venue.post(client, f"{venue.room}/actions", venue.act("next"))
        venue.screen.cancel()
    who = {  # with their addresses, and how many of them have each
        "flood": (venue.flood, 3, 40),
        "guessers": (venue.guess, 3, 1),
        "poems": (venue.ask, 10, 1),
    }
    if name in who:
        do, addresses, each = who[name]
        for address, _ in itertools.product(range(addresses), range(each)):
            tasks.append(asyncio.create_task(repeat(do, f"{OTHERS}.{200 + address}", phase)))
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for each_deaf in deaf:
        each_deaf.close()
    return phase


def show(phases: list[Phase]) -> str:
    head = ("phase", "lines", "words kept", "late median", "99 %", "words' answers")
    rows = [
        (
            *(phase.name, f"{phase.lines}", f"{phase.kept} of {phase.words}"),
            *(number(quantile(phase.late, share), 2) for share in (0.5, 0.99)),
            *(_told(phase.answers), _told(phase.bad_answers), f"{phase.people}"),
            *(number(phase.lag_ms, 0), number(phase.mb, 0)),
        )
        for phase in phases
    ]
    return table((*head, "others' answers", "people", "lag ms", "MB"), rows)


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} × {what}" for what, count in sorted(counts.items())) or "–"


async def measure_all(asked: argparse.Namespace, home: Path) -> runner.Report:
    if asked.quick:
        asked.visitors, asked.seconds = 40, 8.0
    config = home / "config.toml"
    config.write_text("[web]\nport = 0\n", "utf-8")
    phases: list[Phase] = []
    async with BotProcess(config) as bot:
        venue = Venue((await bot.address()).rstrip("/"))
        await venue.open()
        visitors = [asyncio.create_task(venue.visit(n)) for n in range(asked.visitors)]
        await asyncio.sleep(2)
        for name in ("venue", "flood", "deaf", "guessers", "poems", "no host"):
            phases.append(await play(venue, name, asked.seconds, bot.seen()))
        status = await bot.stop()
        _, left = await asyncio.wait(visitors, timeout=END_SECONDS)
        log = bot.log()
    checks = [
        runner.Check("lines go on", all(phase.lines for phase in phases), "in every phase"),
        runner.Check("words", not any(set(p.answers) - {"200"} for p in phases), "all are taken"),
        runner.Check("ended", not left and not status, _told(venue.endings)),
        runner.Check("log", "ERROR" not in log, "nothing above WARNING"),
    ]
    return runner.Report(show(phases), {"phases": [asdict(p) for p in phases]}, checks)


def main() -> None:
    parser = runner.parser_of(__doc__, quick="all of it, in a minute")
    parser.add_argument("--visitors", type=int, default=150, help="at most 250")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each phase")
    runner.run(parser.parse_args(), measure_all)


if __name__ == "__main__":
    main()
