"""NOTICE: whose work Sonneteer needs and includes, and the texts that go with copies of it.

    python -m tests.notice    write it anew: `make notice`

The lists come out the same everywhere, the texts on Linux and x86-64: other wheels have others.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tests.licences import DATA, Package, packages
from tests.locks import ROOT

NOTICE = ROOT / "NOTICE"
WIDTH = 100
RULE = "=" * WIDTH

HEAD = """\
Sonneteer
Copyright (c) 2026 The Sonneteer maintainers
MIT licence: see LICENSE.

`make notice` writes this file from the locks and from what is installed; edit nothing here.
It lists whose work Sonneteer includes or needs to run. After the lists come the licences and
notices that must go with copies of it, each text once, as wheels for Linux on x86-64 have them; a
few that only wheels for other systems have are in these. In a container's image, packages also have
them in their own folders. What is in the image besides, Python and its system, has its own.
"""
IN_HERE = """\
In these folders. The models in model/pretrained/ are Sonneteer's own.
"""
INSTALLED = """\
Packages. Licences are in the words of SPDX. The bot needs the first; the others are for training
(train.py), and for several machines (a cluster).
"""
FETCHED = """\
Only fetched: set-up takes these where Linux has an NVIDIA GPU. No copy of Sonneteer has them. Those
under NVIDIA's own licence are not free software.
"""


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Lay out rows in columns; the last column is as wide as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    lines = ("  ".join(map(str.ljust, row[:-1], widths)) + f"  {row[-1]}" for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def rows_of(found: list[Package]) -> list[tuple[str, ...]]:
    return [(p.name, p.version, p.needed_for, p.home, p.full_licence) for p in found]


def tidy(text: str) -> str:
    """Return a text without carriage returns, form feeds, and space where none is seen."""
    lines = text.replace("\f", "\n").lstrip("\ufeff").splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def texts(found: list[Package]) -> str:
    """Return every text once, after the files that have it; spaces and breaks do not count."""
    files: dict[str, list[str]] = {}
    wording: dict[str, str] = {}
    data = [(each.name, each.text, (ROOT / each.text).read_text("utf-8")) for each in DATA]
    for name, file, text in [
        *data,
        *((p.name, file, text) for p in found for file, text in p.texts.items()),
    ]:
        key = " ".join(text.split())
        wording.setdefault(key, tidy(text))
        files.setdefault(key, []).append(f"{name}: {file}")
    return "\n".join(
        f"{RULE}\n" + "\n".join(names) + f"\n{RULE}\n\n{wording[key]}\n"
        for key, names in files.items()
    )


def lists(found: list[Package]) -> str:
    """Return the part of NOTICE that is the same on every system: all but the texts."""
    data = [(each.name, each.version, each.home, each.licence) for each in DATA]
    here = [package for package in found if package.texts]
    fetched = [package for package in found if not package.texts]
    return "\n".join(
        [
            HEAD,
            IN_HERE,
            textwrap.indent(table(data), "  "),
            INSTALLED,
            textwrap.indent(table(rows_of(here)), "  "),
            FETCHED,
            textwrap.indent(table(rows_of(fetched)), "  "),
        ]
    )


def notice() -> str:
    """Return what NOTICE must be."""
    found = packages()
    return f"{lists(found)}\n{texts(found)}"


if __name__ == "__main__":
    NOTICE.write_text(notice(), "utf-8")
