"""Three hosts in network namespaces, joined by a bridge, and what delays their links.

bus ──── bridge ─┬─ wire ── a      The bridge is on the host `bus`. A fourth namespace, without
                 ├─ wire ── b      addresses, has the `wire`s: there each packet waits.
                 └─ us             What is tried is started from here.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.gauges import ROOT

# Several runs at once do not disturb each other.
NUMBER = os.getpid() % 230 + 10
PREFIX, LINK, NETWORK = f"sonneteer-{NUMBER}", f"snt{NUMBER}", f"10.77.{NUMBER}"
BUS, HOST_A, HOST_B, OURS = (f"{NETWORK}.{n}" for n in (1, 2, 3, 254))
ADDRESSES = {"a": HOST_A, "b": HOST_B}
NAMES = ("bus", "a", "b", "wire")
DELAY_MS = (1.0, 20.0)  # at least and at most, of each packet, one way


def inside(host: str) -> tuple[str, ...]:
    """Return the command that runs another on a host."""
    return ("ip", "netns", "exec", f"{PREFIX}-{host}")


def set_link(host: str, state: str) -> None:
    """Cut the link of a host, "down", or mend it, "up"."""
    _ip("-n", f"{PREFIX}-{host}", "link", "set", f"{LINK}-{host}", state)


@asynccontextmanager
async def hosts(delay_ms: tuple[float, float] = DELAY_MS) -> AsyncIterator[None]:
    """Make the hosts, and links on which each packet takes a while."""
    _take_down()
    try:
        for name in NAMES:
            _ip("netns", "add", f"{PREFIX}-{name}")
            _ip("-n", f"{PREFIX}-{name}", "link", "set", "lo", "up")
        _ip("-n", f"{PREFIX}-bus", "link", "add", "br0", "type", "bridge")
        _ip("-n", f"{PREFIX}-bus", "addr", "add", f"{BUS}/24", "dev", "br0")
        _ip("-n", f"{PREFIX}-bus", "link", "set", "br0", "up")
        for host in ADDRESSES:
            _join((f"{LINK}-{host}", host), (f"{LINK}-{host}-far", "wire"))
            _join((f"{LINK}-{host}-near", "wire"), (f"{LINK}-{host}-port", "bus"))
            _ip("-n", f"{PREFIX}-bus", "link", "set", f"{LINK}-{host}-port", "master", "br0")
            _ip(
                *("-n", f"{PREFIX}-{host}", "addr", "add", f"{ADDRESSES[host]}/24"),
                *("dev", f"{LINK}-{host}"),
            )
        _join((f"{LINK}-us", None), (f"{LINK}-us-port", "bus"))
        _ip("-n", f"{PREFIX}-bus", "link", "set", f"{LINK}-us-port", "master", "br0")
        _ip("addr", "add", f"{OURS}/24", "dev", f"{LINK}-us")
        async with _wires(delay_ms):
            yield
    finally:
        _take_down()


@asynccontextmanager
async def _wires(delay_ms: tuple[float, float]) -> AsyncIterator[None]:
    ends = [f"{LINK}-{host}-{end}" for host in ADDRESSES for end in ("far", "near")]
    process = await asyncio.create_subprocess_exec(
        *(*inside("wire"), sys.executable, "-m", "tests.rigs.cluster.wire"),
        *(*map(str, delay_ms), *ends),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
        if process.returncode is not None:
            raise RuntimeError(f"the wires ended by themselves: {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)  # noqa: S607


def _join(one: tuple[str, str | None], other: tuple[str, str | None]) -> None:
    """Make a link whose ends are in two namespaces, None for ours."""
    _ip("link", "add", one[0], "type", "veth", "peer", "name", other[0])
    for name, host in (one, other):
        where: tuple[str, ...] = ()
        if host is not None:
            where = ("-n", f"{PREFIX}-{host}")
            _ip("link", "set", name, "netns", f"{PREFIX}-{host}")
        _ip(*where, "link", "set", name, "up")


def _take_down() -> None:
    for name in NAMES:
        _ip("netns", "del", f"{PREFIX}-{name}", check=False)
    _ip("link", "del", f"{LINK}-us", check=False)
