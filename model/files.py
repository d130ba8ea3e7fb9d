"""Writing files so that they survive kills and power cuts."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

# Of a rename. Windows refuses it while somebody has the old file open: the bot that looks at a
# model, say, or a virus scanner.
TRIES, PAUSE_SECONDS = 20 if sys.platform == "win32" else 1, 0.1


def write_durably(path: Path, blocks: Iterable[bytes]) -> None:
    """Write a file of blocks so that a kill or a power cut leaves the old file or the new one.

    Raises OSError, and then leaves the old one.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # of somebody who was killed; a link is not followed
    try:
        with temporary.open("xb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def save_durably(path: Path, save: Callable[[Path], object]) -> None:
    """Let `save` write a file at the path that it is given, and put it at `path`, as above.

    Whatever `save` leaves in that path's folder when it is killed is removed the next time.
    """
    folder = path.with_name(f".{path.name}.new")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        save(folder / path.name)
        with (folder / path.name).open("rb+") as file:
            os.fsync(file.fileno())
        replace_file(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sync_folder(path.parent)


def replace_file(
    source: Path,
    target: Path,
    *,
    tries: int = TRIES,
    rename: Callable[[Path, Path], object] = os.replace,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Rename a file over another; where that is not permitted, try again. Raises OSError."""
    for _ in range(tries - 1):
        try:
            rename(source, target)
        except PermissionError:
            pause(PAUSE_SECONDS)
        else:
            return
    rename(source, target)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last through a power cut; Windows has no way and no need."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
