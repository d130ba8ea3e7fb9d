"""The machine: whether folders can be written, free disk space, memory and processors.

The needs are measured: bench/results/new-books.md.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.core.installation import COMMAND
from bot.core.machine import COMPILING_BYTES, Memory
from bot.core.retry import FULL
from bot.doctor.results import CheckResult, failed, ok, warning

LITTLE_BYTES, NONE_BYTES = 1_000_000_000, 100_000_000  # a training keeps some 50 MB
FREE_SPACE = f"Free some space: delete old backups, logs and unused models ({COMMAND} models)."
BOT_BYTES, TRAINING_BYTES = 300_000_000, 730_000_000


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
            FREE_SPACE
            if error.errno in FULL
            else "Make it writable for the user that runs the bot, or set "
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


def check_memory(memory: Memory, *, bot_runs: bool, compiled: bool = True) -> CheckResult:
    """Say whether the bot fits, and a training beside it; a bot that runs has its part already.

    Where nothing is `compiled` yet, the first start takes more.
    """
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
    if not compiled and available < COMPILING_BYTES:
        needs = f"The first start compiles, and takes about {format_bytes(COMPILING_BYTES)}."
        return failed("memory", seen, f"{needs} Stop other programs or raise the limit for it.")
    if memory.total < BOT_BYTES + TRAINING_BYTES or available < bot + TRAINING_BYTES:
        way = (
            f"Poems work; a training needs about {format_bytes(TRAINING_BYTES)} more and may be "
            "killed. Add memory, or train elsewhere and set [books] max_per_day = 0."
        )
        return warning("memory", seen, way)
    return ok("memory", f"{seen}; enough for poems and a training")


def check_processors(count: float, threads: Mapping[str, int]) -> CheckResult:
    """Say whether poems and a training can be side by side.

    `threads` are those of config.toml by their section; 0: automatic.
    """
    seen = f"{count:.3g}"
    if count < 1:
        way = "Poems will be slow. Allow at least one full CPU core."
        return warning("processors", f"{seen} cores", way)
    for section, number in threads.items():
        if number > count:
            way = f"Set [{section}] threads to {max(int(count) - 1, 1)}, or to 0 for automatic."
            return warning("processors", f"{seen}, but [{section}] threads is {number}", way)
    if count < 2:
        return ok("processors", f"{seen}; poems are slower while a training runs")
    return ok("processors", seen)
