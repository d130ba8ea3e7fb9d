"""How much faster several writing threads are than one, in one process.

    python -m bench.threads [--threads 1 2] [--poems 24] [--rounds 3] [--simulate 16]
                            [--quick] [--json FILE]

For each number of threads a service of its own writes the same sonnets, from the same random seeds,
with twice as many asked for at once as threads can write; in each round all numbers take a turn.
The event loop runs meanwhile, as it does for the bot.

    sonnets/s    the median of the rounds; × that of the first number beside it, round by round
    apart        × that of the first number with so many processes of one thread instead, which
                 share nothing but the machine: more than that no machine gives to threads
    cores        how many cores were busy, the event loop's share included
    lag          how late the event loop was, looked at every 5 ms
    same         whether each poem is the same as with the first number of threads, to the letter
    MB a thread  what a process took more after its poems than with the first number, by threads

A machine has so many cores as it has. What more of them would bring is simulated from the steps of
the first round: each step computes for so long without Python's lock and needs so long with it, and
takes turns for the lock with those of the other threads. The simulation knows nothing of memory
that the cores share, so it tells the most that may be expected.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from unittest.mock import patch

from bench.gauges import ROOT, machine, machine_line, resident_mb, watch_lag
from bench.poem_seeds import SEEDS
from bench.stats import quantile
from bench.tables import number, table, write_json
from bot.app import make_library, make_poem_service
from bot.config import load_config
from bot.core.poems import PoemService
from bot.core.records import Asker, PoemRequest
from model import MAX_FORM_POEMS, Engine
from model.kernel import Batch

GOALS = {"× of one with two threads": "≥ 1.9", "lag p99": "≤ 20 ms", "MB a thread": "≤ 20"}
SIMULATED = (1, 2, 4, 8, 16)
SIMULATED_STEPS = 400  # of each thread


@dataclass(slots=True)
class Row:
    """What was measured with so many threads."""

    threads: int
    sonnets_per_second: list[float] = field(default_factory=list)  # a round each
    apart: list[float] = field(default_factory=list)  # the same with processes instead
    cores: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)  # seconds
    poems: list[str] = field(default_factory=list)
    mb: float = 0.0


def make_service(threads: int) -> PoemService:
    config = load_config(ROOT / "config.toml")
    writing = config.writing.model_copy(
        update={"threads": threads, "max_per_guild": 10_000, "max_per_member": 10_000}
    )
    open_wide = config.model_copy(update={"writing": writing})
    return make_poem_service(open_wide, make_library(open_wide))


async def write_sonnets(service: PoemService, count: int, at_once: int) -> tuple[float, list[str]]:
    """Return the seconds that `count` sonnets took, `at_once` at a time, and the poems."""
    turns = asyncio.Semaphore(at_once)

    async def write(n: int) -> str:
        async with turns:
            asker = Asker(f"bench:{n}")
            request = PoemRequest(asker, seed=SEEDS[n % len(SEEDS)], random_seed=n, form="sonnet")
            async with service.write(await service.admit(request)) as poem_stream:
                return (await poem_stream.finish()).text

    began = time.perf_counter()
    poems = await asyncio.gather(*map(write, range(count)))
    return time.perf_counter() - began, poems


class Apart:
    """Processes that write with one thread each, all at once when asked."""

    def __init__(self, count: int) -> None:
        command = [sys.executable, "-m", "bench.threads", "--apart"]
        self._processes = [
            subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(count)
        ]
        for process in self._processes:
            self._answer_of(process)

    @staticmethod
    def _answer_of(process: subprocess.Popen[str]) -> float:
        assert process.stdout is not None
        return float(process.stdout.readline())

    def write_sonnets(self, count: int) -> float:
        """Return how many sonnets they write in a second."""
        each = count // len(self._processes)
        for process in self._processes:
            print(each, file=process.stdin, flush=True)
        return sum(each / self._answer_of(process) for process in self._processes)

    def close(self) -> None:
        for process in self._processes:
            process.communicate()


async def write_apart() -> None:
    """Write as many sonnets as each line of standard input says; tell the seconds."""
    service = make_service(1)
    await service.warm_up()
    await write_sonnets(service, 2, 2)
    print(0.0, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        seconds, _ = await write_sonnets(service, int(line), 2 * MAX_FORM_POEMS)
        print(seconds, flush=True)
    await service.close(grace_seconds=0)


async def measure(threads: Sequence[int], poems: int, rounds: int) -> list[Row]:
    rows = [Row(each) for each in threads]
    processes = [Apart(each) for each in threads]
    services = [make_service(each) for each in threads]
    for row, service in zip(rows, services, strict=True):
        await service.warm_up()
        await write_sonnets(service, 2 * row.threads, 2 * row.threads)
    for turn in range(rounds):
        for row, service, apart in zip(rows, services, processes, strict=True):
            print(f"round {turn + 1}, {row.threads} threads", file=sys.stderr)
            watching = asyncio.create_task(watch_lag(row.lags))
            at_once = 2 * MAX_FORM_POEMS * row.threads
            before = time.process_time()
            seconds, row.poems = await write_sonnets(service, poems, at_once)
            row.cores.append((time.process_time() - before) / seconds)
            watching.cancel()
            row.sonnets_per_second.append(poems / seconds)
            row.apart.append(await asyncio.to_thread(apart.write_sonnets, poems))
    for service in services:
        await service.close(grace_seconds=0)
    for apart in processes:
        apart.close()
    return rows


async def measure_memory(threads: int) -> float:
    service = make_service(threads)
    await service.warm_up()
    await write_sonnets(service, 8 * threads, 2 * MAX_FORM_POEMS * threads)
    mb = resident_mb()
    await service.close(grace_seconds=0)
    return mb


def memory_of(threads: int) -> float:
    """Return what a process of its own has in memory after some poems, in MB."""
    command = [sys.executable, "-m", "bench.threads", "--memory", str(threads)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(json.loads(answer.stdout))


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds of one step of an engine."""

    free: float  # without Python's lock
    locked: float  # with it


async def time_steps(poems: int) -> list[Step]:
    """Return the steps of one thread that writes."""
    steps: list[Step] = []
    free = 0.0
    step = Engine.step

    def timed(name: str) -> AbstractContextManager[object]:
        """Count what a function of the batch takes as time without the lock."""
        compute = getattr(Batch, name)

        def compute_timed(batch: Batch, argument: object) -> object:
            nonlocal free
            began = time.thread_time()
            result = compute(batch, argument)
            free += time.thread_time() - began
            return result

        return patch.object(Batch, name, compute_timed)

    def timed_step(engine: Engine) -> object:
        nonlocal free
        free, began = 0.0, time.thread_time()
        pieces = step(engine)
        steps.append(Step(free, time.thread_time() - began - free))
        return pieces

    service = make_service(1)
    await service.warm_up()
    with (
        timed("write"),
        timed("read"),
        timed("surprisals"),
        patch.object(Engine, "step", timed_step),
    ):
        await write_sonnets(service, poems, 2 * MAX_FORM_POEMS)
    await service.close(grace_seconds=0)
    return steps


def simulate(steps: Sequence[Step], threads: int, per_thread: int = SIMULATED_STEPS) -> float:
    """Return how many times as much `threads` write as one, if nothing but the lock is shared.

    >>> round(simulate([Step(1.0, 0.0)], 4), 2), round(simulate([Step(0.0, 1.0)], 4), 2)
    (4.0, 1.0)
    """
    chance = random.Random(1)
    chosen = [[chance.choice(steps) for _ in range(per_thread)] for _ in range(threads)]
    done, at = [0] * threads, [0.0] * threads  # steps, and when each next wants the lock
    for thread in range(threads):
        at[thread] = chosen[thread][0].free
    lock_free = 0.0
    while min(done) < per_thread:
        thread = min((n for n in range(threads) if done[n] < per_thread), key=at.__getitem__)
        lock_free = max(lock_free, at[thread]) + chosen[thread][done[thread]].locked
        done[thread] += 1
        at[thread] = lock_free
        if done[thread] < per_thread:
            at[thread] += chosen[thread][done[thread]].free
    alone = sum(step.free + step.locked for each in chosen for step in each)
    return alone / max(at)


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def report(rows: Sequence[Row], steps: Sequence[Step], simulated: Sequence[int]) -> str:
    first = rows[0]
    lines = []
    for row in rows:
        more = (row.mb - first.mb) / (row.threads - first.threads) if row is not first else 0.0
        lines.append(
            (
                str(row.threads),
                number(median(row.sonnets_per_second), 2),
                number(_ratio(row.sonnets_per_second, first.sonnets_per_second), 2),
                number(_ratio(row.apart, first.apart), 2),
                number(median(row.cores), 2),
                *(number(1000 * quantile(row.lags, share), 1) for share in (0.5, 0.99, 1.0)),
                "yes" if row.poems == first.poems else "NO",
                number(row.mb),
                number(more, 1),
            )
        )
    head = (
        *("threads", "sonnets/s", "×", "apart", "cores", "lag p50 ms", "p99", "worst"),
        *("same", "MB", "MB a thread"),
    )
    free, locked = (sum(getattr(step, name) for step in steps) for name in ("free", "locked"))
    told = ", ".join(f"{n}: × {simulate(steps, n):.2f}" for n in simulated)
    return "\n".join(
        (
            table(head, lines),
            f"\nPython's lock is held for {100 * locked / (free + locked):.0f} % of a step.",
            f"Simulated threads: {told}.",
            "Goals: " + ", ".join(f"{name} {goal}" for name, goal in GOALS.items()),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--poems", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--simulate", type=int, default=SIMULATED[-1], help="up to so many")
    parser.add_argument("--quick", action="store_true", help="one round of eight poems")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--apart", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.apart:
        asyncio.run(write_apart())
        return
    if asked.memory:
        print(json.dumps(asyncio.run(measure_memory(asked.memory))))
        return
    if asked.quick:
        asked.poems, asked.rounds = 8, 1
    print(machine_line())
    rows = asyncio.run(measure(asked.threads, asked.poems, asked.rounds))
    for row in rows:
        row.mb = memory_of(row.threads)
    steps = asyncio.run(time_steps(asked.poems))
    simulated = [each for each in SIMULATED if each <= asked.simulate]
    print(report(rows, steps, simulated))
    if asked.json:
        figures = [
            {
                "threads": row.threads,
                "sonnets_per_second": row.sonnets_per_second,
                "apart": row.apart,
                "cores": row.cores,
                "lag_ms": [1000 * quantile(row.lags, share) for share in (0.5, 0.99, 1.0)],
                "mb": row.mb,
            }
            for row in rows
        ]
        scaling = {each: simulate(steps, each) for each in simulated}
        write_json(asked.json, {"machine": machine(), "rows": figures, "simulated": scaling})


if __name__ == "__main__":
    main()
