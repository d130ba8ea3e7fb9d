"""Where tests keep their files: in memory, where there is room for them.

The bot and its database wait until a disk has what they write. On a slow disk the tests waited
longer than they computed. Nothing else is different there. `--basetemp`, or pytest's own variable,
names another place.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 — on Linux; each run makes a folder of its own there
ROOM_BYTES = 2 * 2**30  # a whole run leaves a third of a gigabyte
VARIABLE = "PYTEST_DEBUG_TEMPROOT"  # pytest's, for the folder above all folders of tests


def has_room(place: Path) -> bool:
    """Whether this user can write so much there; a container may have a few megabytes."""
    try:
        return os.access(place, os.W_OK) and shutil.disk_usage(place).free >= ROOM_BYTES
    except OSError:
        return False


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")  # of pytest-xdist: its folder is given


def pytest_configure(config: pytest.Config) -> None:
    chosen = config.option.basetemp or os.environ.get(VARIABLE)
    if not chosen and not _is_worker(config) and has_room(MEMORY):
        os.environ[VARIABLE] = str(MEMORY)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Give the memory back, unless a test failed, of which somebody may want to see the files."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory is None or _is_worker(session.config) or exitstatus != pytest.ExitCode.OK:
        return
    if MEMORY in (folder := factory.getbasetemp()).parents:
        shutil.rmtree(folder, ignore_errors=True)
