"""Take out of an image what the bot never reads: tests of packages, C headers, other languages.

deploy/Dockerfile runs it at the end of the installation, from the project's top folder.
"""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from bot.core.languages import ENGLISH, LANGUAGES

# Packages whose tests and headers are megabytes; nothing of the others is touched.
LARGE = ("numpy", "numba", "llvmlite", "matplotlib", "mpl_toolkits", "torch", "sympy", "networkx")
UNREAD = ("tests", "include", "sample_data")


def unread_folders(packages: Path) -> Iterator[Path]:
    """Yield folders in a site-packages folder that only developers of packages need."""
    for package in LARGE:
        for name in UNREAD:
            yield from (packages / package).rglob(name)


def unread_locales(packages: Path) -> Iterator[Path]:
    """Yield Babel's files for languages that the bot does not speak."""
    spoken = {language.replace("-", "_") for language in (ENGLISH, *LANGUAGES)}
    needed = {"root", *spoken, *(language.partition("_")[0] for language in spoken)}
    for file in (packages / "babel" / "locale-data").glob("*.dat"):
        if file.stem not in needed:
            yield file


def trim(packages: Path) -> None:
    """Remove all of that from a site-packages folder."""
    for folder in list(unread_folders(packages)):
        shutil.rmtree(folder, ignore_errors=True)
    for file in list(unread_locales(packages)):
        file.unlink()


if __name__ == "__main__":
    trim(Path(sysconfig.get_path("purelib")))
