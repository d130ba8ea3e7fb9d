"""Folders: whether they can be written in, and how much room there is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from bot.doctor.results import CheckResult, failed, ok, warning

LITTLE_BYTES, NONE_BYTES = 1_000_000_000, 100_000_000  # a training keeps some 50 MB
ROOM = "Free some space: delete old backups, logs and unused models (python -m bot models)."


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
        return warning(name, f"{folder}: free space unknown: {error.strerror or error}", ROOM)
    how = "writable" if folder.exists() else "will be created when needed"
    seen = f"{folder}: {how}, {in_words(room)} free"
    if room < NONE_BYTES:
        return failed(name, seen, ROOM)
    return warning(name, seen, ROOM) if room < LITTLE_BYTES else ok(name, seen)


def in_words(size: float) -> str:
    """Return a number of bytes in the unit that fits.

    >>> in_words(90_500_000), in_words(2_340_000_000)
    ('90 MB', '2.3 GB')
    """
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{int(size / 1e6)} MB"
