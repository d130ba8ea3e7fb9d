"""The kernel is compiled once for a whole run of the tests, beside the workers.

Compiling takes half a minute of a core. Each worker of pytest-xdist did it again, and so did each
program that a test started meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest

from model.kernel import compilation

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "from model.kernel import checked_instruction_set; checked_instruction_set()"
LOOK_SECONDS = 0.1
WAIT_SECONDS = 120.0
COMPILING = pytest.StashKey[bool]()
WORKER_KEY = "sonneteer_compiling"  # of what a worker of pytest-xdist is told


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")  # of pytest-xdist


def pytest_configure(config: pytest.Config) -> None:
    """Let the process that starts the workers have it compiled beside them."""
    starts_workers = config.getoption("dist", "no") != "no" and not _is_worker(config)
    if starts_workers and compilation.CACHE is not None and not compilation.is_compiled():
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        config.add_cleanup(lambda: cast(None, process.wait()))
        config.stash[COMPILING] = True


def pytest_configure_node(node: Any) -> None:
    """Tell each worker alike: they must have the tests in the same order."""
    node.workerinput[WORKER_KEY] = node.config.stash.get(COMPILING, False)


def is_being_compiled(config: pytest.Config) -> bool:
    """Whether this run of the tests began without a compiled kernel."""
    return bool(getattr(config, "workerinput", {}).get(WORKER_KEY, False))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wait, in a worker, before tests that start programs, which would announce their compiling.

    Other tests go on meanwhile: in a new clone both cores have something to do.
    """
    if not (is_being_compiled(item.config) and _starts_programs(item)):
        return
    end = time.monotonic() + WAIT_SECONDS
    while not compilation.is_compiled() and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)


def _starts_programs(item: pytest.Item) -> bool:
    return hasattr(getattr(item, "module", None), "subprocess")
