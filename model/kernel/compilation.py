"""How the kernel is compiled: by numba, once per processor and version of these sources.

numba keeps machine code between runs, but of a function it looks at its own file alone, although
what the function calls is compiled into it. So each version of the folder gets a cache of its own.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba import extending
from numba.core import config

Function = TypeVar("Function", bound=Callable[..., Any])

HERE = Path(__file__).resolve().parent
# Nowhere else: what lies in a cache is executed, so others must not be able to write there.
PLACES = (HERE / "__pycache__", Path("~/.cache/sonneteer").expanduser())
PREFIX = "compiled-"


def cache_folder(sources: Path, places: Sequence[Path]) -> Path | None:
    """Make a folder for this version of the sources in the first of `places` that can be written.

    Folders of other versions are removed there. None where nothing can be written.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(sources.glob("*.py")):
        digest.update(source.read_bytes())
    name = f"{PREFIX}{digest.hexdigest()[:16]}"
    for place in places:
        folder = place / name
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            for other in place.glob(f"{PREFIX}*"):
                if other.name != name:
                    shutil.rmtree(other, ignore_errors=True)
            return folder
    return None


CACHE = cache_folder(HERE, PLACES)
if CACHE is not None:
    config.CACHE_DIR = str(CACHE)  # type: ignore[attr-defined]


def is_compiled() -> bool:
    """Whether the cache has something, so that compiling will take no time to speak of."""
    return CACHE is not None and any(CACHE.rglob("*.nbi"))


def announcement(folder: Path | None, places: Sequence[Path]) -> str:
    """Say that compiling begins, and whether that is so at every start: where nothing is kept."""
    if folder is not None:
        return "compiling the arithmetic for this processor, once: some twenty seconds"
    return (
        "compiling the arithmetic for this processor, as at every start: some twenty seconds. "
        "Nothing can be kept, for the bot may write neither in "
        f"{' nor in '.join(map(str, places))}; let its user write in one of them"
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
