"""The locks: each package once, with hashes, as the pins say, and none that nobody asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each lock, and the file whose pins it is made of.
LOCKS = {
    "requirements.lock": "requirements.txt",
    "requirements-bot.lock": "requirements.txt",
    "requirements-cluster.lock": "requirements-cluster.txt",
    "requirements-cpu.lock": "requirements.txt",
    "requirements-cuda.lock": "requirements.txt",
    "requirements-dev.lock": "requirements-dev.txt",
    "requirements-fuzz.lock": "requirements-fuzz.txt",
    "requirements-judge.lock": "requirements-judge.txt",
}
ENTRY = re.compile(
    r"([a-z0-9-]+)==([^\s;]+)(?: ; ([^\\\n]+))?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)"
)
TRAINING = {"torch", "tqdm", "matplotlib"}  # without them poems are written as ever
IN_ANOTHER_LOCK = {
    "requirements.lock": {"torch"},
    "requirements-dev.lock": {"torch"},
    "requirements-judge.lock": {"torch"},
}


@dataclass(frozen=True)
class Locked:
    version: str
    hashes: frozenset[str]
    wanted_by: frozenset[str]  # packages, and files of pins


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(name: str) -> dict[str, str]:
    """Return the pins of a file and of those that it includes."""
    text = (ROOT / name).read_text("utf-8")
    pins = {plain(n): v for n, v in re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)}
    for other in re.findall(r"^-r (\S+)$", text, re.MULTILINE):
        pins |= pins_of(other)
    return pins


def read_lock(name: str) -> dict[str, Locked]:
    """Read a lock; whatever in it is neither an entry nor a comment is an error."""
    text = (ROOT / name).read_text("utf-8")
    found: dict[str, Locked] = {}
    for match in ENTRY.finditer(text):
        reason = re.match(r"\n    # via (.+)", text[match.end() :])
        wanted_by = reason[1].removeprefix("-r ").replace("-r ", "").split(", ") if reason else []
        hashes = re.findall("[0-9a-f]{64}", match[4])
        assert match[1] not in found, f"{match[1]} is in {name} twice"
        assert len(hashes) == len(set(hashes))
        found[match[1]] = Locked(match[2], frozenset(hashes), frozenset(wanted_by))
    rest = re.sub(r"^\s*#.*\n", "", ENTRY.sub("", text), flags=re.MULTILINE)
    assert rest.split() == ["--only-binary", ":all:"]
    return found


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
