"""The kernel is compiled once for a whole run of the tests, while the tests are collected.

Compiling takes half a minute of a core. Each worker of pytest-xdist did it again, and so did each
program that a test started meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from model.kernel import compilation

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "from model.kernel import checked_instruction_set; checked_instruction_set()"
LOOK_SECONDS = 0.1
WAIT_SECONDS = 120.0


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")  # of pytest-xdist


def pytest_configure(config: pytest.Config) -> None:
    """Let the process that starts the workers have it compiled beside them."""
    starts_workers = config.getoption("dist", "no") != "no" and not _is_worker(config)
    if starts_workers and compilation.CACHE is not None and not compilation.is_compiled():
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        config.add_cleanup(lambda: cast(None, process.wait()))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Wait, in a worker, until programs that tests start have no compiling to announce."""
    if not _is_worker(session.config) or compilation.CACHE is None:
        return
    end = time.monotonic() + WAIT_SECONDS
    while not compilation.is_compiled() and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
