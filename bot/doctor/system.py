"""The machine: whether folders can be written, free disk space, memory and processors.

Memory and processors are what the container or service leaves to us. The needs are measured:
bench/results/new-books.md.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.doctor.results import CheckResult, failed, ok, warning

LITTLE_BYTES, NONE_BYTES = 1_000_000_000, 100_000_000  # a training keeps some 50 MB
FREE_SPACE = "Free some space: delete old backups, logs and unused models (python -m bot models)."
BOT_BYTES, TRAINING_BYTES = 250_000_000, 650_000_000
ROOT = Path("/")
CGROUPS = "sys/fs/cgroup"


def try_writing(folder: Path) -> None:
    """Raise OSError where no file can be made; none is left."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"verse")
        file.flush()


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def check_folder(
    name: str,
    folder: Path,
    *,
    setting: str,
    needed: bool,
    free: Callable[[Path], int] = free_bytes,
    write: Callable[[Path], None] = try_writing,
) -> CheckResult:
    """Look at a folder, or at where it would be made.

    One that is `needed` must take files; without the other only trainings for all lack a place.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        seen = f"{there} is a file, not a folder"
        return failed(name, seen, f"Move it away, or set [{setting}] folder in config.toml.")
    try:
        write(there)
    except OSError as error:
        seen = f"{there} is not writable: {error.strerror or error}"
        way = (
            "Make it writable for the user that runs the bot, or set "
            f"[{setting}] folder in config.toml."
        )
        return (failed if needed else warning)(name, seen, way)
    try:
        room = free(there)
    except OSError as error:
        return warning(name, f"{folder}: free space unknown: {error.strerror or error}", FREE_SPACE)
    how = "writable" if folder.exists() else "will be created when needed"
    seen = f"{folder}: {how}, {format_bytes(room)} free"
    if room < NONE_BYTES:
        return failed(name, seen, FREE_SPACE)
    return warning(name, seen, FREE_SPACE) if room < LITTLE_BYTES else ok(name, seen)


def format_bytes(size: float) -> str:
    """Return a number of bytes in the unit that fits.

    >>> format_bytes(90_500_000), format_bytes(2_340_000_000)
    ('90 MB', '2.3 GB')
    """
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{int(size / 1e6)} MB"


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


def check_memory(memory: Memory, *, bot_runs: bool) -> CheckResult:
    """Say whether the bot fits, and a training beside it; a bot that runs has its part already."""
    if memory.total is None:
        return ok(
            "memory",
            "unknown on this system; the bot and a training "
            f"need {format_bytes(BOT_BYTES + TRAINING_BYTES)}",
        )
    bot = 0 if bot_runs else BOT_BYTES
    available = memory.total if memory.available is None else memory.available
    where = " allowed by the container or service" if memory.limited else ""
    free = "" if memory.available is None else f", {format_bytes(available)} free"
    seen = f"{format_bytes(memory.total)}{where}{free}"
    if memory.total < BOT_BYTES or available < bot:
        needs = f"The bot needs about {format_bytes(BOT_BYTES)}."
        return failed("memory", seen, f"{needs} Stop other programs or raise the limit.")
    if memory.total < BOT_BYTES + TRAINING_BYTES or available < bot + TRAINING_BYTES:
        way = (
            f"Poems work; a training needs about {format_bytes(TRAINING_BYTES)} more and may be "
            "killed. Add memory, or train elsewhere and set [books] max_per_day = 0."
        )
        return warning("memory", seen, way)
    return ok("memory", f"{seen}; enough for poems and a training")


def check_processors(count: float, threads: int) -> CheckResult:
    """Say whether poems and a training can be side by side; `threads` as in config.toml."""
    seen = f"{count:.3g}"
    if count < 1:
        way = "Poems will be slow. Allow at least one full CPU core."
        return warning("processors", f"{seen} cores", way)
    if threads > count:
        way = f"Set [books] threads to {max(int(count) - 1, 1)}, or to 0 for automatic."
        return warning("processors", f"{seen}, but [books] threads is {threads}", way)
    if count < 2:
        return ok("processors", f"{seen}; poems are slower while a training runs")
    return ok("processors", seen)


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
