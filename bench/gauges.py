"""What a process can tell of itself while it works: memory, event-loop lag, the machine."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

LOOK_SECONDS = 0.005  # between two looks at the event loop
MB = 1024 * 1024
ROOT = Path(__file__).resolve().parent.parent


def resident_mb() -> float:
    """Return what is in memory now, in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def peak_resident_mb() -> float:
    """Return the most that was in memory since this program began, in MB.

    Not from getrusage, which on Linux counts what stood in this process before it became this
    program.
    """
    status = Path("/proc/self/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


async def watch_lag(lags: list[float], look_seconds: float = LOOK_SECONDS) -> None:
    """Add to `lags` how many seconds late each short sleep ended, until cancelled."""
    while True:
        due = time.perf_counter() + look_seconds
        await asyncio.sleep(look_seconds)
        lags.append(max(0.0, time.perf_counter() - due))


def per_second(step: Callable[[], object], seconds: float) -> float:
    """Return how often a second of the processor `step` is done; it is done at least once.

    What others do with the core meanwhile does not count.
    """
    steps, began = 0, time.process_time()
    while True:
        step()
        steps += 1
        spent = time.process_time() - began
        if spent >= seconds:
            return steps / spent


def processor() -> str:
    """Name the processor as Linux does, or as Python can."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> dict[str, str]:
    """Tell where and when figures were taken, without loading torch."""
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        "torch": version("torch"),
        "date": datetime.now(UTC).date().isoformat(),
    }


def machine_line() -> str:
    """Return the same as a line above a table."""
    return ", ".join(f"{key}: {value}" for key, value in machine().items())
