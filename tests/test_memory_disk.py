"""Where tests keep their files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import memory_disk
from tests.memory_disk import VARIABLE, has_room
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[1]
TESTS = """
def test_it(tmp_path):
    (tmp_path / "kept").write_text("kept")

def test_whether_it_fails():
    assert {passes}
"""
RUN = """
import pytest, sys
from pathlib import Path
from tests import memory_disk

memory_disk.MEMORY, memory_disk.ROOM_BYTES = Path(sys.argv[1]), 1
sys.exit(pytest.main(["-q", "-c", "/dev/null", *sys.argv[2:]], plugins=[memory_disk]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="its folders have no such owner")
@pytest.mark.parametrize(("passes", "left"), [(True, 0), (False, 1)])
def test_files_of_a_run_are_in_memory_and_stay_there_only_if_a_test_failed(
    tmp_path: Path, passes: bool, left: int
) -> None:
    (tests := tmp_path / "test_some.py").write_text(TESTS.format(passes=passes))
    (memory := tmp_path / "memory").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # which takes a second
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            RUN,
            memory,
            "-p",
            "no:cacheprovider",
            f"--rootdir={tmp_path}",
            tests,
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 1 - passes, done.stderr
    assert len(list(memory.glob("*/pytest-0/test_it0/kept"))) == left


def test_a_place_that_is_missing_or_small_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_disk, "ROOM_BYTES", 1)
    assert has_room(tmp_path)
    assert not has_room(tmp_path / "missing")
    monkeypatch.setattr(memory_disk, "ROOM_BYTES", 2**70)
    assert not has_room(tmp_path)
