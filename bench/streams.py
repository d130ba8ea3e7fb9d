"""What the page bears: ten thousand open connections at once that mean no good.

    python bench/streams.py [--connections 10000] [--seconds 15] [--descriptors N] [--quick]
                            [--json FILE]

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
import multiprocessing
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles

import aiohttp
import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.gauges import MB, machine  # noqa: E402
from bench.strangers import (  # noqa: E402
    ATTACKER,
    ATTACKS,
    LOOK_SECONDS,
    Attack,
    attack_until_told,
    raise_limit,
)
from bench.tables import number, table, write_json  # noqa: E402

POLITE = "127.0.0.2"
HEALTH_SECONDS = 0.05  # between two questions
CALM_DESCRIPTORS = 10  # the polite client's own connections among them
GIVE_UP_SECONDS = 60.0


@dataclass
class Seen:
    """What was measured while an attack went on."""

    name: str
    tried: int = 0
    failed: int = 0
    open_most: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    health: list[float] = field(default_factory=list)  # seconds
    health_beside: list[float] = field(default_factory=list)  # from the attacker's address
    unhealthy: Counter[str] = field(default_factory=Counter)
    poems: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    mb_before: float = 0.0
    mb_most: float = 0.0
    mb_after: float = 0.0
    calm_seconds: float = float("nan")


@contextmanager
def page(descriptors: int) -> Iterator[tuple[psutil.Process, tuple[str, int]]]:
    """Run the bot with nothing but its page; gives its process and where it listens."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text("[web]\nport = 0\n", "utf-8")
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "bot", "--config", str(config)]
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))  # the child inherits it
        with log.open("wb") as stream:
            child = subprocess.Popen(command, cwd=ROOT, stderr=stream)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            port = wait_for(lambda: re.search(r"page is at .*:(\d+)", log.read_text("utf-8")))
            yield psutil.Process(child.pid), (ATTACKER, int(port[1]))
            if child.poll() is not None:
                raise RuntimeError("the page died")
        finally:
            child.terminate()
            child.wait()
            lines = Counter(re.findall(r" (WARNING|ERROR|CRITICAL) .*", log.read_text("utf-8")))
            print(f"the page's log: {dict(lines) or 'nothing above INFO'}")


def wait_for(find: Callable[[], re.Match[str] | None]) -> re.Match[str]:
    end = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < end:
        if found := find():
            return found
        time.sleep(LOOK_SECONDS)
    raise TimeoutError("the page does not begin")


async def ask_health(source: str, url: str, waits: list[float], seen: Seen) -> None:
    while True:
        began = time.perf_counter()
        try:
            async with client_of(source) as client, client.get(f"{url}/healthz") as answer:
                await answer.read()
                if answer.status != 200:
                    seen.unhealthy[str(answer.status)] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            seen.unhealthy[type(error).__name__] += 1
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(HEALTH_SECONDS)


async def ask_poems(url: str, seen: Seen) -> None:
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
                    seen.poems.append(time.perf_counter() - began)
                else:
                    seen.refused[str(answer.status)] += 1
                    pause = min(5.0, float(answer.headers.get("Retry-After", "1")))
        except (aiohttp.ClientError, TimeoutError) as error:
            seen.refused[type(error).__name__] += 1
        await asyncio.sleep(pause)


def client_of(source: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(local_addr=(source, 0), force_close=True),
        timeout=aiohttp.ClientTimeout(total=GIVE_UP_SECONDS),
    )


async def look(process: psutil.Process, before: int, seen: Seen) -> None:
    while True:
        seen.open_most = max(seen.open_most, process.num_fds() - before)
        seen.mb_most = max(seen.mb_most, process.memory_info().rss / MB)
        await asyncio.sleep(LOOK_SECONDS)


async def measure(
    attack: Attack, process: psutil.Process, address: tuple[str, int], asked: argparse.Namespace
) -> Seen:
    """Look at a page while it is attacked, and until it is calm again."""
    seen = Seen(attack.name, mb_before=process.memory_info().rss / MB)
    seen.mb_most, before = seen.mb_before, process.num_fds()
    url = f"http://{address[0]}:{address[1]}"
    spawn = multiprocessing.get_context("spawn")
    pipe, theirs = spawn.Pipe()
    attacker = spawn.Process(
        target=attack_until_told,
        args=(attack, address, asked.connections, asked.pause, theirs),
    )
    watchers = [asyncio.create_task(look(process, before, seen))]
    attacker.start()
    await asyncio.sleep(1.0)  # until it has begun
    watchers += [
        asyncio.create_task(ask_health(POLITE, url, seen.health, seen)),
        asyncio.create_task(ask_health(ATTACKER, url, seen.health_beside, seen)),
        asyncio.create_task(ask_poems(url, seen)),
    ]
    await asyncio.sleep(asked.seconds)
    for task in watchers:
        task.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    pipe.send("enough")
    seen.tried, seen.failed, seen.answers = await asyncio.to_thread(pipe.recv)
    ended = time.monotonic()
    while process.num_fds() > before + CALM_DESCRIPTORS:
        if time.monotonic() - ended > GIVE_UP_SECONDS:
            return seen
        await asyncio.sleep(LOOK_SECONDS / 4)
    seen.calm_seconds = time.monotonic() - ended
    attacker.join()
    seen.mb_after = process.memory_info().rss / MB
    return seen


def percentiles(waits: list[float]) -> tuple[str, str]:
    """Return median and 99th percentile in milliseconds."""
    if len(waits) < 2:
        return "–", "–"
    cuts = quantiles(waits, n=100, method="inclusive")
    return number(1000 * cuts[49]), number(1000 * cuts[98])


def told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items())) or "0"


def show(phases: list[Seen]) -> None:
    head = (
        *("attack", "tried", "open", "answers", "healthz p50", "p99 ms", "beside p50", "p99 ms"),
        *("else", "poems", "p50 ms", "refused", "MB before", "most", "after", "calm s"),
    )
    rows = [
        (
            *(seen.name, f"{seen.tried:,}", f"{seen.open_most:,}", told(seen.answers)),
            *percentiles(seen.health),
            *percentiles(seen.health_beside),
            *(told(seen.unhealthy), f"{len(seen.poems)}", percentiles(seen.poems)[0]),
            told(seen.refused),
            *(number(size) for size in (seen.mb_before, seen.mb_most, seen.mb_after)),
            number(seen.calm_seconds, 1),
        )
        for seen in phases
    ]
    print(table(head, rows))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--connections", type=int, default=10_000, help="open at once")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each attack")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds until one comes again")
    parser.add_argument("--descriptors", type=int, help="that the page may have; default: most")
    parser.add_argument("--attacks", nargs="+", choices=[attack.name for attack in ATTACKS])
    parser.add_argument("--quick", action="store_true", help="all of it, in under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    asked = parser.parse_args()
    if asked.quick:
        asked.connections, asked.seconds = 2_000, 3.0
    return asked


async def measure_all(asked: argparse.Namespace) -> list[Seen]:
    with page(asked.descriptors) as (process, address):
        phases = [await measure(Attack("nobody"), process, address, quiet(asked))]
        for attack in ATTACKS:
            if not asked.attacks or attack.name in asked.attacks:
                print(f"{time.strftime('%H:%M:%S')}  {attack.name} …", file=sys.stderr, flush=True)
                phases.append(await measure(attack, process, address, asked))
    return phases


def quiet(asked: argparse.Namespace) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(asked), "connections": 0})


def main() -> None:
    asked = arguments()
    limit = raise_limit()
    asked.descriptors = asked.descriptors or limit
    about = machine()
    print(", ".join(f"{key}: {value}" for key, value in about.items()))
    print(
        f"{asked.connections:,} connections; descriptors that the attacker may have: {limit:,}, "
        f"the page: {asked.descriptors:,}"
    )
    phases = asyncio.run(measure_all(asked))
    show(phases)
    if asked.json is not None:
        write_json(
            asked.json,
            {**about, "descriptors": asked.descriptors, "phases": [asdict(p) for p in phases]},
        )


if __name__ == "__main__":
    main()
