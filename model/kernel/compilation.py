"""How the kernel is compiled: by numba, once per processor and version of these sources.

numba keeps machine code between runs, but of a function it looks at its own file alone, although
what the function calls is compiled into it. So each version of the folder gets a cache of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding
import numba
import platformdirs
from filelock import FileLock, Timeout
from numba import extending
from numba.core import config
from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found]

Function = TypeVar("Function", bound=Callable[..., Any])

HERE = Path(__file__).resolve().parent
# An installed package's folder is not written to (only a package has this file: deploy/wheel).
_IS_PACKAGE = (HERE.parents[1] / "__main__.py").is_file()
_OF_USER = platformdirs.user_cache_path("sonneteer", appauthor=False)
PLACES = (_OF_USER,) if _IS_PACKAGE else (HERE / "__pycache__", _OF_USER)
PREFIX = "compiled-"
OTHERS_SECONDS = 300.0  # that another process may take to compile before this one does it, too


def cache_folder(sources: Path, places: Sequence[Path]) -> Path | None:
    """Make a folder for this version of the sources in the first of `places` that will do.

    Only this user and root may be able to write there, because its content is executed.
    Folders of other versions are removed there. None where no place will do.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(sources.glob("*.py")):
        digest.update(source.read_bytes())
    name = f"{PREFIX}{digest.hexdigest()[:16]}"
    for place in places:
        folder = place / name
        with suppress(OSError):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not is_ours_alone(folder):
                continue
            tempfile.TemporaryFile(dir=folder).close()
            for other in place.glob(f"{PREFIX}*"):
                if other.name != name:
                    shutil.rmtree(other, ignore_errors=True)
            return folder
    return None


def is_ours_alone(folder: Path) -> bool:
    """Whether only this user and root can put anything at or into a folder.

    Windows keeps users apart by their profile's folders, whose rights are not looked at.
    """
    if sys.platform == "win32":
        return True
    folder = folder.resolve()
    return _is_safe(folder.stat()) and all(
        _is_safe(status) or (status.st_uid == 0 and status.st_mode & stat.S_ISVTX)  # as /tmp
        for status in map(Path.stat, folder.parents)
    )


def _is_safe(status: os.stat_result) -> bool:
    others_write = status.st_mode & stat.S_IWOTH or (
        status.st_mode & stat.S_IWGRP and not _is_private_group(status.st_gid)
    )
    return status.st_uid in (0, os.geteuid()) and not others_write


def _is_private_group(group: int) -> bool:
    """Whether a group has this user alone, as many systems give each user one of the same name."""
    import grp  # not on Windows
    import pwd

    try:
        return group == 0 or grp.getgrgid(group).gr_name == pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False


CACHE = cache_folder(HERE, PLACES)
if CACHE is not None:
    config.CACHE_DIR = str(CACHE)  # type: ignore[attr-defined]


def arm_features(dot_products: bool) -> str:
    """Return what this ARM processor can do, as LLVM writes it.

    LLVM does not ask the system for dot products: it takes them for granted where it knows the
    processor's name, and for missing elsewhere. numpy asks.
    """
    found = llvmlite.binding.get_host_cpu_features()
    found |= {"neon": True, "dotprod": dot_products}
    return str(found.flatten())


ON_ARM = llvmlite.binding.get_process_triple().startswith(("aarch64", "arm64"))
if ON_ARM and config.CPU_FEATURES is None:  # type: ignore[attr-defined]
    config.CPU_FEATURES = arm_features(__cpu_features__["ASIMDDP"])  # type: ignore[attr-defined]


def is_compiled() -> bool:
    """Whether the cache has something, so that compiling will take no time to speak of."""
    return CACHE is not None and any(CACHE.rglob("*.nbi"))


@contextmanager
def one_at_a_time(folder: Path | None, seconds: float = OTHERS_SECONDS) -> Iterator[None]:
    """Wait while another process compiles, and then find in the cache what it compiled.

    Without a cache, or where the lock cannot be had in `seconds`, each compiles for itself.
    """
    lock = None if folder is None else FileLock(folder / "lock", timeout=seconds)
    try:
        if lock is not None:
            with suppress(OSError, Timeout, NotImplementedError):
                lock.acquire()
        yield
    finally:
        if lock is not None:
            lock.release()


def announcement(folder: Path | None, places: Sequence[Path]) -> str:
    """Say that compiling begins, and whether that is so at every start: where nothing is kept."""
    if folder is not None:
        return "compiling the arithmetic for this processor, once: some twenty seconds"
    return (
        "compiling the arithmetic for this processor, as at every start: some twenty seconds. "
        "Nothing can be kept: the bot's user, and nobody else, must be able to write in "
        f"{' or in '.join(map(str, places))}"
    )


def intrinsic(function: Callable[..., Any]) -> Any:
    """Make a function that compiled ones call of one that writes it in LLVM's language."""
    return extending.intrinsic(function)


def inner(function: Function) -> Function:
    """Compile a function that compiled ones call; it becomes a part of each of them."""
    return _compiled(function, cache=False)


def entry(function: Function) -> Function:
    """Compile a function that Python calls, and keep the machine code for the next start."""
    return _compiled(function, cache=CACHE is not None)


def _compiled(function: Function, *, cache: bool) -> Function:
    return cast(Function, numba.njit(cache=cache, nogil=True, error_model="numpy")(function))
