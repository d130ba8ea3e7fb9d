"""The locks: each package once, with hashes, as the pins say, and none that nobody asks for."""

from __future__ import annotations

import re

import pytest

from tests.locks import LOCKS, ROOT, Locked, pins_of, read_lock

TRAINING = {"torch", "tqdm", "matplotlib"}  # without them poems are written as ever
IN_ANOTHER_LOCK = {
    "requirements.lock": {"torch"},
    "requirements-dev.lock": {"torch"},
    "requirements-judge.lock": {"torch"},
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_wheels_alone_each_package_once_and_with_hashes(name: str) -> None:
    assert all(locked.hashes for locked in read_lock(name).values())


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_pinned_is_locked_at_that_version(name: str) -> None:
    pins, lock = pins_of(LOCKS[name]), read_lock(name)
    assert {n: each.version for n, each in lock.items() if n in pins} == {
        n: version for n, version in pins.items() if n in lock
    }


def test_every_pin_is_in_its_lock() -> None:
    run, dev = pins_of("requirements.txt"), pins_of("requirements-dev.txt")
    assert set(pins_of("requirements-cluster.txt")) <= set(read_lock("requirements-cluster.lock"))
    assert set(run) - set(read_lock("requirements.lock")) == {"torch"}
    assert set(run) - set(read_lock("requirements-bot.lock")) == TRAINING
    assert set(dev) - set(read_lock("requirements-dev.lock")) == {"torch"}
    assert set(pins_of("requirements-fuzz.txt")) - set(dev) == set(
        read_lock("requirements-fuzz.lock")
    )
    assert set(pins_of("requirements-judge.txt")) - set(read_lock("requirements-judge.lock")) == {
        "torch"
    }
    assert set(read_lock("requirements-cpu.lock")) == {"torch"}
    assert "torch" in read_lock("requirements-cuda.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_no_package_is_there_that_nobody_asks_for(name: str) -> None:
    lock, pins = read_lock(name), pins_of(LOCKS[name])
    for package, locked in lock.items():
        asking = {each for each in locked.wanted_by if not each.startswith("requirements")}
        assert package in pins or asking, f"{package} in {name}"
        assert asking <= set(lock) | IN_ANOTHER_LOCK.get(name, set())


def test_the_locks_agree_with_each_other() -> None:
    together: dict[str, Locked] = {}
    for name in LOCKS:
        for package, locked in read_lock(name).items():
            other = together.setdefault(package, locked)
            assert locked.version == other.version, f"{package} in {name}"
            # PyTorch without CUDA is other files of the same version; macOS' are in both.
            assert locked.hashes == other.hashes or package == "torch", f"{package} in {name}"


def test_a_lock_names_no_place_where_packages_come_from() -> None:
    for name in LOCKS:
        assert "://" not in (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_pinned_is_for_every_system_and_python(name: str) -> None:
    pins = pins_of(LOCKS[name])
    limited = {n: each.only_where for n, each in read_lock(name).items() if each.only_where}
    assert not limited.keys() & pins.keys()


def test_pytorch_without_cuda_is_locked_for_every_system_and_python() -> None:
    """Four files for each Python: Linux on ARM and x86-64, Windows, and macOS.

    Whether a file is another one than that of the plain index shows that each is in its place.
    """
    hashes = re.findall(
        "sha256:([0-9a-f]{64})", (ROOT / "requirements-cpu.lock").read_text("utf-8")
    )
    with_cuda = read_lock("requirements-cuda.lock")["torch"].hashes
    shared = [each in with_cuda for each in hashes]
    until_3_13, for_3_14 = [False, False, False, True], [False, False, True, True]
    assert shared == 3 * until_3_13 + for_3_14


def test_set_up_the_image_and_continuous_integration_install_from_locks_alone() -> None:
    """Where a lock is named, pip wants a hash for every package."""
    for name in ("Makefile", "deploy/Dockerfile", ".ci/run", ".github/workflows/ci.yml"):
        for line in (ROOT / name).read_text("utf-8").replace("\\\n", " ").splitlines():
            if "pip install" in line:
                assert re.search(r"--require-hashes| -r \S+\.lock", line), f"{name}: {line}"
