"""Pythons and systems: what is promised is what the locks can install and what CI tries."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from bot import supported
from tests.locks import read_lock

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PYTHONS = [name.split()[-1] for name in PROJECT["classifiers"] if "Python :: 3." in name]


def test_ci_tries_each_python_that_is_promised() -> None:
    matrices = re.findall(r"^ +python: \[(.+)\]$", WORKFLOW.read_text("utf-8"), re.MULTILINE)
    assert len(matrices) == 2  # Linux, and elsewhere
    assert all(re.findall(r'"(3\.\d+)"', matrix) == PYTHONS for matrix in matrices)


def test_what_ci_takes_from_others_is_named_by_commit() -> None:
    used = re.findall(r"uses: (\S+)(.*)", WORKFLOW.read_text("utf-8"))
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)


def test_set_up_takes_the_pythons_that_are_promised_and_no_other() -> None:
    first, last = (tuple(map(int, PYTHONS[place].split("."))) for place in (0, -1))
    after = (last[0], last[1] + 1)
    assert PROJECT["requires-python"] == ">={}.{},<{}.{}".format(*first, *after)
    assert [f"{major}.{minor}" for major, minor in supported.PYTHONS] == PYTHONS
    assert supported.NEEDED.endswith(f"{', '.join(PYTHONS[:-1])} or {PYTHONS[-1]}")


def test_pytorch_without_cuda_is_locked_for_each_python_on_each_system() -> None:
    systems = 4  # Linux on two processors, Windows, macOS
    assert len(read_lock("requirements-cpu.lock")["torch"].hashes) == systems * len(PYTHONS)
