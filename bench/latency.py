"""How long members wait: many ask for a poem at the same moment, through the real service.

    python bench/latency.py [--members 50] [--rounds 5] [--quick] [--json FILE]

A fresh process is started as the bot starts, all its doors imported, with the default settings of
config.toml and the model that ships. In each round `--members` members ask at once; those beyond
`max_rows` stand in line. The table tells, over all rounds:

    first text   from the request to the first characters from the model, seconds
    whole poem   from the request to the end of the poem, seconds
    loop lag     how late the event loop was at worst, milliseconds, looked at every 5 ms
    memory       the process's peak resident set, MB
    start        from starting the process to a loaded model, seconds
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

LOOK_SECONDS = 0.005
SEEDS = ("Shall I compare thee", "The sea", "When lamps are lit", "", "O winter", "My love")
GOALS = {"loop lag, worst, ms": 50.0, "memory, peak, MB": 400.0, "start, s": 4.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--members", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    if arguments.worker:
        asyncio.run(work(arguments.members, rounds))
        return
    figures = measure(arguments.members, rounds)
    print(f"{arguments.members} members at once, {rounds} round(s)")
    for name, value in figures.items():
        goal = f"   goal ≤ {GOALS[name]:g}" if name in GOALS else ""
        print(f"  {name:24} {value:10.3f}{goal}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def measure(members: int, rounds: int) -> dict[str, float]:
    """Run the worker and return its figures, the seconds from its start to ready among them."""
    command = [sys.executable, __file__, "--worker"]
    command += ["--members", str(members), "--rounds", str(rounds)]
    began = time.time()  # the worker's clock too
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    ready = report.pop("ready") - began
    return {**report, "start, s": ready}


async def work(members: int, rounds: int) -> None:
    """Be the bot: start, write, and print what was seen as JSON."""
    import bot.__main__  # every door, as the bot has them
    import bot.discord_app.client
    import bot.web.app  # noqa: F401
    from bot.composition import compose_service
    from bot.config import load_config

    service = compose_service(load_config(environment={}))
    await service.warm_up()
    ready = time.time()
    lags: list[float] = []
    watch = asyncio.create_task(watch_lag(lags))
    firsts: list[float] = []
    wholes: list[float] = []
    characters = 0
    began = time.perf_counter()
    for number in range(rounds):
        asked = (ask(service, f"bench:{number}-{n}", firsts, wholes) for n in range(members))
        characters += sum(await asyncio.gather(*asked))
    seconds = time.perf_counter() - began
    watch.cancel()
    await service.close()
    figures = {
        "ready": ready,
        "first text, p50, s": quantile(firsts, 0.50),
        "first text, p99, s": quantile(firsts, 0.99),
        "whole poem, p50, s": quantile(wholes, 0.50),
        "whole poem, p99, s": quantile(wholes, 0.99),
        "poems per second": members * rounds / seconds,
        "characters per second": characters / seconds,
        "loop lag, p99, ms": quantile(lags, 0.99) * 1000,
        "loop lag, worst, ms": max(lags) * 1000,
        "memory, peak, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


async def ask(service: object, member: str, firsts: list[float], wholes: list[float]) -> int:
    """Ask for one poem as a member does; return how many characters came."""
    from bot.core.records import Asker, PoemRequest
    from bot.core.service import Service

    assert isinstance(service, Service)
    seed = SEEDS[int(member.rpartition("-")[2]) % len(SEEDS)]
    began = time.perf_counter()
    pieces = 0
    async with service.write(PoemRequest(asker=Asker(member), seed=seed)) as writing:
        async for _ in writing:
            pieces += 1
            if pieces == 2:  # the first is the seed, known at once
                firsts.append(time.perf_counter() - began)
    wholes.append(time.perf_counter() - began)
    return len(writing.text)


async def watch_lag(lags: list[float]) -> None:
    while True:
        due = time.perf_counter() + LOOK_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        lags.append(max(0.0, time.perf_counter() - due))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the others do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    main()
