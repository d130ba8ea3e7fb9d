"""What the locks say: each package with its version, its hashes, where it is needed and by whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Locked:
    version: str
    hashes: frozenset[str]
    wanted_by: frozenset[str]  # packages, and files of pins
    only_where: str | None  # a marker, such as "sys_platform == 'win32'"


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
        assert len(hashes) == len(set(hashes)), f"{match[1]} in {name} has a hash twice"
        found[match[1]] = Locked(match[2], frozenset(hashes), frozenset(wanted_by), match[3])
    rest = re.sub(r"^\s*#.*\n", "", ENTRY.sub("", text), flags=re.MULTILINE)
    assert rest.split() == ["--only-binary", ":all:"], f"{name} has more than packages: {rest[:80]}"
    return found
