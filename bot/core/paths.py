"""Paths in the data folder: what becomes one, what is removed there, and who may read it.

Numbers and names come from a database, which may be a backup's, or from strangers. They become a
path here and nowhere else, as one step down from a folder of ours.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bot.core.errors import PathRefused
from bot.core.names import is_device

log = logging.getLogger(__name__)

OTHERS = stat.S_IRWXG | stat.S_IRWXO
PLAIN = re.compile(r"[^/\\:\x00-\x1f\x7f\ud800-\udfff]{1,250}")


def numbered(folder: Path, number: int) -> Path:
    """Return what a folder has for a number of the database's; raise PathRefused for no number.

    >>> numbered(Path("jobs"), 7).as_posix()
    'jobs/7'
    """
    if type(number) is not int or not 0 < number < 2**63:  # the database may hold anything
        raise PathRefused(folder, number)
    return folder / str(number)


def named(folder: Path, name: str) -> Path:
    """Return what a folder has for a name that may be a stranger's; raise PathRefused for a path.

    >>> named(Path("guilds/10"), "dunes.txt").as_posix()
    'guilds/10/dunes.txt'
    """
    if not isinstance(name, str) or not PLAIN.fullmatch(name) or is_device(name):
        raise PathRefused(folder, name)
    if name.endswith((".", " ")):  # which Windows leaves out: it would be another file's name
        raise PathRefused(folder, name)
    return _one_step(folder, name)


def remove_folder(folder: Path, name: int | str) -> None:
    """Remove an entry of a folder, by its name or number, with all in it, as far as possible.

    No effect where there is none. Raises PathRefused, and then nothing is removed.
    """
    inner = _one_step(folder, name) if isinstance(name, str) else numbered(folder, name)
    shutil.rmtree(inner, ignore_errors=True)  # it does not follow links


def remove_file(folder: Path, name: str) -> None:
    """Remove a file that lies in a folder, if there is one; raise PathRefused for a path."""
    _one_step(folder, name).unlink(missing_ok=True)


def read_blocks(path: Path, block_bytes: int = 2**20) -> Iterator[bytes]:
    """Yield a file's content, a block at a time."""
    with path.open("rb") as file:
        while block := file.read(block_bytes):
            yield block


def _one_step(folder: Path, name: str) -> Path:
    """Return the path one step down; a name never leads up, away, or to the folder itself."""
    path = folder / name
    if name in ("", ".", "..") or "\0" in name or path.parent != folder or path.name != name:
        raise PathRefused(folder, name)
    return path


def stay_private() -> None:
    """Let only this process's user read the files that it, or a child of it, makes from now on.

    Windows has other ways, which a folder of the user's has already.
    """
    os.umask(OTHERS)


def close_to_others(folder: Path, names: tuple[str, ...]) -> None:
    """Make a folder, and its entries that match `names` (which may have *), unreadable for others.

    Other entries stay as they are: the folder may be somebody's home.
    """
    if sys.platform == "win32":
        return
    opened = 0
    for path in _ours(folder.resolve(), names):
        with suppress(FileNotFoundError):
            opened += _close(path)
    if opened:
        log.info(
            "%d files and folders in %s were open to other users of this machine; now they are not",
            *(opened, folder),
        )


def _ours(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    yield folder
    for name in names:
        for path in folder.glob(name):
            yield path
            if not path.is_symlink():
                for place, folders, files in os.walk(path):
                    yield from (Path(place) / each for each in (*folders, *files))


def _close(path: Path) -> bool:
    """Make a file or folder of ours unreadable for others; return whether they could read it."""
    status = path.lstat()
    shared = status.st_mode & stat.S_ISVTX  # such as /tmp, which is not ours to close
    theirs = status.st_uid != os.geteuid() or shared or stat.S_ISLNK(status.st_mode)
    if theirs or not status.st_mode & OTHERS:
        return False
    try:
        path.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)
    except OSError as error:
        log.warning("%s stays open to other users of this machine: %s", path, error.strerror)
        return False
    return True
