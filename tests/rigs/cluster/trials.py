"""What goes wrong while visitors ask for sonnets and admins change settings."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tests.rigs import runner
from tests.rigs.cluster.admins import Admins, Changes, Outcome
from tests.rigs.cluster.hosts import hosts, set_link
from tests.rigs.cluster.processes import (
    PAGE_A,
    PAGE_B,
    SHARDS,
    TOTAL_SHARDS,
    Cluster,
    servers,
)
from tests.rigs.cluster.visitors import Asked, ask

CUT_SECONDS = 30.0
CLAIM_SECONDS = 35.0  # until the shards of a gateway that was killed are free
IDENTIFY_SECONDS = 5.0
AHEAD_SECONDS = 300
ROUNDS = 5  # in which two gateways claim the same shards
LIBRARY = "faketime/libfaketimeMT.so.1"
LIBRARIES = (
    Path("/usr/lib/x86_64-linux-gnu"),
    Path("/usr/lib/aarch64-linux-gnu"),
    Path("/usr/lib"),
)
LOGGED_AT = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ", re.MULTILINE)
REFUSED = re.compile(r"another (?:gateway|process)[^\n]*(?: has )[^\n]*", re.IGNORECASE)


@dataclass
class Seen:
    """What came of a trial."""

    asked: Asked
    changes: Changes | None = None
    notes: list[str] = field(default_factory=list)


Trial = Callable[[Cluster, Admins, int], Awaitable[Seen]]
Step = tuple[float, Callable[[], Awaitable[object]]]


async def meanwhile(asking: Awaitable[Asked], *steps: Step) -> Asked:
    """Let things happen while sonnets are asked for, each so many seconds after the last."""
    task = asyncio.ensure_future(asking)
    for seconds, step in steps:
        await asyncio.sleep(seconds)
        await step()
    return await task


async def try_calm(_: Cluster, __: Admins, poems: int) -> Seen:
    return Seen(await ask((PAGE_A, PAGE_B), poems))


async def try_worker(cluster: Cluster, _: Admins, poems: int) -> Seen:
    asked = await meanwhile(
        ask((PAGE_A, PAGE_B), poems),
        (3.0, lambda: cluster.kill("worker-b")),
        (5.0, lambda: cluster.start_worker("b")),
    )
    return Seen(asked)


async def try_gateway(cluster: Cluster, _: Admins, poems: int) -> Seen:
    asked = await meanwhile(
        ask((PAGE_A, PAGE_B), poems, again=True), (3.0, lambda: cluster.kill("gateway-b"))
    )
    await asyncio.sleep(CLAIM_SECONDS)
    await cluster.start_gateway("b")
    return Seen(asked)


async def try_cut(_: Cluster, __: Admins, poems: int) -> Seen:
    asked = await meanwhile(
        ask((PAGE_A,), poems),
        (3.0, lambda: asyncio.to_thread(set_link, "b", "down")),
        (CUT_SECONDS, lambda: asyncio.to_thread(set_link, "b", "up")),
    )
    return Seen(asked)


async def try_bus(cluster: Cluster, _: Admins, poems: int) -> Seen:
    asked = await meanwhile(
        ask((PAGE_A, PAGE_B), poems),
        (3.0, lambda: cluster.nats.stop(kill=True)),
        (3.0, cluster.nats.start),
    )
    return Seen(asked)


async def try_refused(cluster: Cluster, _: Admins, poems: int) -> Seen:
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
    notes = [f"four refused within {seconds:.1f} s: {refused.refused[0]}"]
    return Seen(await ask((PAGE_A, PAGE_B), poems), notes=notes)


# The database


async def _with_admins(cluster: Cluster, admins: Admins, poems: int, *steps: Step) -> Seen:
    await cluster.discord_ready()
    async with admins.at_work() as changes:
        asked = await meanwhile(ask((PAGE_A, PAGE_B), poems), *steps)
        await asyncio.sleep(3.0)  # so that some come when all is well again
    return Seen(asked, changes)


async def try_database(cluster: Cluster, admins: Admins, poems: int) -> Seen:
    """Kill PostgreSQL three times, for three seconds."""
    killed = (3.0, cluster.kill_database), (3.0, cluster.start_database)
    return await _with_admins(cluster, admins, poems, *killed, *killed, *killed)


async def try_stopped(cluster: Cluster, admins: Admins, poems: int) -> Seen:
    """Stop PostgreSQL as an admin does, for three seconds."""
    steps = (3.0, cluster.stop_database), (3.0, cluster.start_database)
    return await _with_admins(cluster, admins, poems, *steps)


async def try_away(cluster: Cluster, admins: Admins, poems: int) -> Seen:
    """Kill PostgreSQL for longer than anybody waits for it."""
    steps = (3.0, cluster.kill_database), (20.0, cluster.start_database)
    return await _with_admins(cluster, admins, poems, *steps)


# Shards and clocks


async def try_claims(cluster: Cluster, _: Admins, poems: int) -> Seen:
    """Let two gateways on two hosts start with the same shards at once; one of them may."""
    await cluster.stop("gateway-b")
    notes: list[str] = []
    for _number in range(ROUNDS):
        started = await asyncio.gather(
            *(cluster.start(f"claim-{host}", host, "--shards", SHARDS["b"]) for host in "ab"),
            return_exceptions=True,
        )
        refused = [str(each) for each in started if isinstance(each, RuntimeError)]
        if len(refused) != 1 or not REFUSED.search(refused[0]):
            raise RuntimeError(f"two gateways with the same shards: {started}")
        winner = "b" if started[0] is not None else "a"
        notes.append(f"{winner} has them; the other: {REFUSED.findall(refused[0])[-1]}")
        await cluster.stop(f"claim-{winner}")
    await cluster.start_gateway("b")
    return Seen(await ask((PAGE_A, PAGE_B), poems), notes=sorted(set(notes)))


def clock_library() -> Path | None:
    """Return what sets a process's clock, None where it is not installed."""
    return next((each / LIBRARY for each in LIBRARIES if (each / LIBRARY).exists()), None)


async def try_clocks(cluster: Cluster, admins: Admins, poems: int) -> Seen:
    """Let the clock of one host be five minutes ahead: all that runs there, from its start on."""
    library = clock_library()
    assert library is not None
    ahead = {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"+{AHEAD_SECONDS}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # seconds since the start are the same everywhere
    }
    for name in ("worker-a", "gateway-a", "gateway-b"):
        await cluster.stop(name)
    before = len(cluster.discord.gateway.identified_at)
    await asyncio.gather(
        cluster.start_worker("a", ahead),
        cluster.start_gateway("a", ahead),
        cluster.start_gateway("b"),
    )
    told = LOGGED_AT.findall(cluster.running["gateway-a"].log())[-1]
    differs = datetime.fromisoformat(told).timestamp() - time.time()
    if abs(differs - AHEAD_SECONDS) > 20:
        raise RuntimeError(f"the clock of the host a is not ahead: {differs:.0f} s")
    seen = await _with_admins(cluster, admins, poems)
    try:
        await cluster.start("claim-a", "a", "--shards", SHARDS["b"], variables=ahead)
    except RuntimeError as error:
        seen.notes.append(REFUSED.findall(str(error))[-1])
    else:
        raise RuntimeError("a gateway took shards that another one has")
    await cluster.identified(before + TOTAL_SHARDS)
    gaps = gaps_between(cluster.discord.gateway.identified_at[before:])
    seen.notes.append(f"{len(gaps) + 1} identifies, at least {min(gaps):.2f} s between two")
    for name in ("worker-a", "gateway-a"):
        await cluster.stop(name)
    await cluster.start_worker("a")
    await cluster.start_gateway("a")
    return seen


def gaps_between(times: Sequence[float]) -> list[float]:
    return [b - a for a, b in pairwise(times)]


TRIALS: dict[str, Trial] = {
    "calm": try_calm,
    "worker": try_worker,
    "gateway": try_gateway,
    "cut": try_cut,
    "bus": try_bus,
    "refused": try_refused,
    "database": try_database,
    "stopped": try_stopped,
    "away": try_away,
    "claims": try_claims,
    "clocks": try_clocks,
}
NEED_DATABASE = ("database", "stopped", "away", "clocks")


@dataclass(frozen=True, slots=True)
class Row:
    """A trial, counted."""

    name: str
    asked: int
    wrong: int  # sonnets with another text than alone
    recovered: float  # seconds after it until both pages gave a sonnet
    seen: Seen
    load: float  # of the machine, as it tells it for the last minute

    @property
    def told(self) -> str:
        told = f"{len(self.seen.asked.texts)} of {self.asked} came"
        if (changes := self.seen.changes) is not None:
            confirmed = changes.count(Outcome.CONFIRMED)
            told += f", of {confirmed} changes {changes.lost} lost, {changes.doubled} doubled"
        return told

    @property
    def holds(self) -> bool:
        changes = self.seen.changes
        sound = changes is None or not (changes.lost or changes.doubled or changes.false)
        return sound and len(self.seen.asked.texts) == self.asked and not self.wrong


@dataclass
class Trials:
    """What came of all trials."""

    rows: list[Row] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)  # MB of each process
    first_gaps: list[float] = field(default_factory=list)  # s between identifies, at the start
    gaps: list[float] = field(default_factory=list)  # and over all trials


async def try_all(
    names: Sequence[str],
    poems: int,
    home: Path,
    alone: dict[int, str],
    delay_ms: tuple[float, float],
) -> Trials:
    """Start the hosts and try one thing after another."""
    trials = Trials()
    async with hosts(delay_ms), servers(home) as cluster:
        assert cluster.database is not None or not set(names) & set(NEED_DATABASE)
        await asyncio.gather(*(cluster.start_worker(host) for host in "ab"))
        await asyncio.gather(*(cluster.start_gateway(host) for host in "ab"))
        admins = Admins(cluster)
        if cluster.database is not None:
            await admins.open()
        runner.tell("both gateways identify")
        await cluster.identified(TOTAL_SHARDS)
        trials.first_gaps = gaps_between(cluster.discord.gateway.identified_at)
        for name in names:
            runner.tell(name)
            seen = await TRIALS[name](cluster, admins, poems)
            wrong, recovered = seen.asked.count_wrong(alone), await wait_for_both()
            row = Row(name, poems, wrong, recovered, seen, os.getloadavg()[0])
            trials.rows.append(row)
            runner.tell(f"{name}: {row.told}; on")
        trials.memory = cluster.memory
        trials.gaps = gaps_between(cluster.discord.gateway.identified_at)
    return trials


async def wait_for_both() -> float:
    """Return how long it took until both pages gave a sonnet."""
    began = time.perf_counter()
    for address in (PAGE_A, PAGE_B):
        while not (await ask((address,), 1)).texts:
            await asyncio.sleep(0.5)
    return time.perf_counter() - began
