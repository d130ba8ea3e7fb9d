"""The machine: what memory and processors the container or service leaves to us."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPILING_BYTES = 500_000_000  # below, the first start was killed: bench/results/ways-in.md
ROOT = Path("/")
CGROUPS = "sys/fs/cgroup"


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; None: not known here."""

    total: int | None
    available: int | None
    limited: bool = False  # by a container or service, below what the machine has


def read_memory(root: Path = ROOT) -> Memory:
    """Read what there is from /proc and the control groups; elsewhere the total alone."""
    machine = _figures(root / "proc/meminfo")
    if "MemTotal:" not in machine:
        return Memory(_total_of_system() if root == ROOT else None, None)
    total = machine["MemTotal:"] * 1024
    available = machine.get("MemAvailable:", machine.get("MemFree:", 0)) * 1024
    limited = False
    for limit, used in _limits(root):
        if limit < total:
            total, limited = limit, True
        available = min(available, max(limit - used, 0))
    return Memory(total, available, limited)


def _total_of_system() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """Yield each limit on us and how much of it cannot be freed: version 2, then version 1."""
    # What was read from files may be dropped, and does not count as used.
    versions = (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    for controller, limit_name, used_name, droppable in versions:
        for folder in _groups(root, controller):
            limit, used = _number(folder / limit_name), _number(folder / used_name)
            if limit is not None and used is not None:
                yield limit, used - _figures(folder / "memory.stat").get(droppable, 0)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folder of our control group and of all groups around it; "": of version 2."""
    top = root / CGROUPS / controller
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            # Within a container the path may be the outer one: then only the top is there.
            inner = top / path.strip("/")
            yield from (each for each in (inner, *inner.parents) if each.is_relative_to(top))


def count_processors(root: Path = ROOT) -> float:
    """Return how many processors' worth of time we may have."""
    if hasattr(os, "sched_getaffinity"):
        count = float(len(os.sched_getaffinity(0)))
    else:
        count = float(os.cpu_count() or 1)
    for folder in _groups(root, ""):
        quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
        if quota.isdecimal() and period.isdecimal():
            count = min(count, int(quota) / int(period))
    for folder in _groups(root, "cpu"):
        limit, per = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if limit is not None and per:
            count = min(count, limit / per)
    return count


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    """Return a file's one number; None where it has none, such as "max" or -1."""
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _figures(path: Path) -> dict[str, int]:
    """Return the lines of a name and a number."""
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
