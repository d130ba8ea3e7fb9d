"""Memory and processors, examined on machines made of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.app import tell_memory
from bot.core.machine import Memory, count_processors, read_memory
from bot.doctor.results import CheckStatus
from bot.doctor.system import check_memory, check_processors
from tests.bot.doctor.conftest import shows

MB = 1_000_000
MEMINFO = "MemTotal:        4000000 kB\nMemFree:  100 kB\nMemAvailable:    3000000 kB\n"


def machine(root: Path, **files: str) -> Path:
    """Make a machine of files; "__" stands for "/" in their names."""
    for name, content in {"proc__meminfo": MEMINFO, **files}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_a_machine_tells_all_that_it_has(tmp_path: Path) -> None:
    assert read_memory(machine(tmp_path)) == Memory(4096 * MB, 3072 * MB)


def test_a_container_leaves_less_and_what_was_read_from_files_may_be_dropped(
    tmp_path: Path,
) -> None:
    group = "sys__fs__cgroup__bots"
    files = {
        "proc__self__cgroup": "0::/bots/sonneteer\n",
        f"{group}__memory.max": "512000000\n",
        f"{group}__memory.current": "400000000\n",
        f"{group}__memory.stat": "anon 1\ninactive_file 100000000\n",
        f"{group}__sonneteer__memory.max": "max\n",
    }
    assert read_memory(machine(tmp_path, **files)) == Memory(512 * MB, 212 * MB, limited=True)


def test_older_control_groups_count_and_a_path_from_outside_does_not_matter(
    tmp_path: Path,
) -> None:
    top = "sys__fs__cgroup__memory"
    files = {
        "proc__self__cgroup": "4:memory:/docker/0123\n3:cpu,cpuacct:/\n0::/\n",
        f"{top}__memory.limit_in_bytes": "512000000",
        f"{top}__memory.usage_in_bytes": "500000000",
    }
    assert read_memory(machine(tmp_path, **files)) == Memory(512 * MB, 12 * MB, limited=True)


def test_a_limit_beyond_the_machine_is_none(tmp_path: Path) -> None:
    top = "sys__fs__cgroup__memory"
    files = {
        "proc__self__cgroup": "4:memory:/\n",
        f"{top}__memory.limit_in_bytes": "9223372036854771712",
        f"{top}__memory.usage_in_bytes": "500000000",
    }
    assert read_memory(machine(tmp_path, **files)) == Memory(4096 * MB, 3072 * MB)


def test_a_machine_that_tells_nothing_is_not_judged(tmp_path: Path) -> None:
    memory = read_memory(tmp_path)
    assert memory == Memory(None, None)
    shows(check_memory(memory, bot_runs=False), CheckStatus.OK, "unknown on this system")


@pytest.mark.parametrize(
    ("memory", "bot_runs", "state", "words"),
    [
        (Memory(4096 * MB, 3072 * MB), False, CheckStatus.OK, "a training"),
        (Memory(4096 * MB, None), False, CheckStatus.OK, "4.1 GB; enough"),
        (Memory(2048 * MB, 900 * MB), False, CheckStatus.WARNING, "a training needs about 730 MB"),
        (Memory(2048 * MB, 900 * MB), True, CheckStatus.OK, "enough for poems and a training"),
        (Memory(1024 * MB, 600 * MB), True, CheckStatus.WARNING, "may be killed"),
        (Memory(512 * MB, 400 * MB, limited=True), False, CheckStatus.WARNING, "container"),
        (Memory(512 * MB, 200 * MB), False, CheckStatus.WRONG, "The bot needs about 300 MB"),
        (Memory(200 * MB, 199 * MB), True, CheckStatus.WRONG, "The bot needs about 300 MB"),
    ],
)
def test_memory_is_held_against_what_was_measured(
    memory: Memory, bot_runs: bool, state: CheckStatus, words: str
) -> None:
    shows(check_memory(memory, bot_runs=bot_runs), state, words)


@pytest.mark.parametrize("megabytes", [400, 900])
def test_the_first_start_needs_more(megabytes: int, caplog: pytest.LogCaptureFixture) -> None:
    """It compiles; a system that kills it says nothing."""
    memory, enough = Memory(1024 * MB, megabytes * MB), megabytes > 500
    found = check_memory(memory, bot_runs=False, compiled=False)
    assert (found.state is not CheckStatus.WRONG) is enough
    tell_memory(memory, compiled=False)
    assert bool(caplog.text) is not enough
    assert enough or "500 MB of memory, because it compiles, and 400 MB are free" in caplog.text
    caplog.clear()
    tell_memory(memory, compiled=True)
    assert not caplog.text


def test_processors_are_as_many_as_are_allowed(tmp_path: Path) -> None:
    files = {"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__cpu.max": "50000 100000\n"}
    assert count_processors(machine(tmp_path, **files)) == 0.5
    older = {
        "proc__self__cgroup": "1:cpu,cpuacct:/\n",
        "sys__fs__cgroup__cpu__cpu.cfs_quota_us": "25000\n",
        "sys__fs__cgroup__cpu__cpu.cfs_period_us": "100000\n",
    }
    assert count_processors(machine(tmp_path / "older", **older)) == 0.25
    assert count_processors(machine(tmp_path / "free")) >= 1


@pytest.mark.parametrize(
    ("count", "threads", "state", "words"),
    [
        (8.0, 0, CheckStatus.OK, "8"),
        (1.0, 0, CheckStatus.OK, "are slower while a training runs"),
        (0.5, 0, CheckStatus.WARNING, "0.5 cores"),
        (4.0, 6, CheckStatus.WARNING, "Set [books] threads to 3"),
    ],
)
def test_processors_are_held_against_the_threads(
    count: float, threads: int, state: CheckStatus, words: str
) -> None:
    shows(check_processors(count, {"books": threads, "writing": 0}), state, words)
    in_other = words.replace("[books]", "[writing]")
    shows(check_processors(count, {"books": 0, "writing": threads}), state, in_other)
