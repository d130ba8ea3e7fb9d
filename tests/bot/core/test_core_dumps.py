"""What a crash leaves behind, and what can still be seen of a process that hides its memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bot.core.core_dumps import forbid_core_dumps, take_from_environment
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[3]
HIDDEN = """
import ctypes, os, resource, sys
from bot.core.core_dumps import forbid_core_dumps, hide_memory
from bot.core.metrics import Metrics
if os.getuid() == 0:
    os.setuid(65534)  # root may see everything
forbid_core_dumps()
hide_memory()
print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
figures = Metrics().render()
for name in (b"process_resident_memory_bytes", b"process_cpu_seconds_total", b"process_open_fds"):
    assert b"\\n" + name + b" " in figures, name
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_a_process_that_hides_its_memory_leaves_no_core_and_still_has_its_figures() -> None:
    """/proc then belongs to root, which a plain user must not come to feel in /metrics."""
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "0 0\n")


def test_a_process_that_has_ended_is_no_error() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    forbid_core_dumps(ended.pid)


def test_a_secret_is_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "sé-cret")
    assert take_from_environment("A_SECRET") == "sé-cret"
    assert take_from_environment("A_SECRET") == ""
    assert b"A_SECRET" not in subprocess.check_output(
        [sys.executable, "-c", "import os; print(*os.environ)"]
    )
