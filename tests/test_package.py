"""Sonneteer as a package: what is in it, and what it does in a Python where nothing else is."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from itertools import chain
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from bot.core.application import VERSION
from bot.core.installation import NAME
from tests.locks import pins_of, plain
from tests.texts import quatrains
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FOLDERS = ("bot", "model")
TRAINING = ("torch", "tqdm", "matplotlib")


def files_of(*folders: str) -> set[str]:
    """Return the files of folders that belong to the project, by their paths from its top."""
    return {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_package_has_the_program_and_nothing_beside_one_folder() -> None:
    built = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    inside = files_of(*FOLDERS) | {"train.py", "config.toml", "__init__.py", "__main__.py"}
    assert built == {f"{NAME}/{path}" for path in inside}
    assert f"{NAME}/model/pretrained/sonnets.safetensors" in built


def test_the_source_archive_has_what_the_package_is_built_of() -> None:
    archived = {file.distribution_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    assert archived >= files_of(*FOLDERS, "deploy/wheel") | {"train.py", "config.toml"}


def test_the_version_is_written_in_one_place() -> None:
    assert WheelBuilder(str(ROOT)).metadata.version == VERSION
    assert "version" not in PROJECT["project"]


def test_the_package_asks_for_what_is_pinned_or_a_later_fix_of_it() -> None:
    run, cluster = pins_of("requirements.txt"), pins_of("requirements-cluster.txt")
    train = {name: run.pop(name) for name in TRAINING}
    asked = {
        "": PROJECT["project"]["dependencies"],
        **PROJECT["project"]["optional-dependencies"],
    }
    for extra, pins in (("", run), ("train", train), ("cluster", cluster)):
        wanted = dict(each.split("~=") for each in asked.pop(extra))
        assert {plain(name): version for name, version in wanted.items()} == pins
    assert not asked
    (builder,) = PROJECT["build-system"]["requires"]
    assert builder in (ROOT / "requirements-dev.txt").read_text("utf-8").splitlines()


def imported() -> set[str]:
    """Return the modules at the top that the program imports, its own left out."""
    found: set[str] = set()
    for path in [ROOT / "train.py", *(p for f in FOLDERS for p in (ROOT / f).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - {*FOLDERS, "train"} - sys.stdlib_module_names


def test_every_library_that_is_imported_comes_with_the_package() -> None:
    project = PROJECT["project"]
    waiting = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    reached: set[str] = set()
    while waiting:
        name = plain(re.split(r"[^\w.-]", waiting.pop())[0])
        if name not in reached:
            reached.add(name)
            with suppress(PackageNotFoundError):  # of another system, say
                waiting += [each for each in requires(name) or [] if "extra ==" not in each]
    brought = packages_distributions()
    for module in imported():
        assert reached & {plain(each) for each in brought.get(module, [])}, module


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the size and time of every file below a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


class Installation:
    """A Python of its own, with a home of its own, in which the package is installed."""

    def __init__(self, folder: Path) -> None:
        self.python_folder = folder / "python"
        self.home = folder / "home"
        self.home.mkdir()
        self.scripts = self.python_folder / ("Scripts" if os.name == "nt" else "bin")
        self.command = self.scripts / NAME
        kept = ("PATH", "LANG", "TMPDIR", "SYSTEMROOT", "OMP_NUM_THREADS")
        self.environment = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            **{name: str(self.home) for name in ("HOME", "USERPROFILE", "LOCALAPPDATA")},
        }

    def run(self, *command: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * HANG_SECONDS,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    def pip(self, *arguments: str | Path) -> None:
        pip = (self.scripts / "python", "-m", "pip", "--disable-pip-version-check")
        self.run(*pip, *arguments, "--quiet")

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve the page, and give its address."""
        process = subprocess.Popen(
            [self.command, "--log", "json"],
            cwd=self.home,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stderr is not None
            try:
                said = (json.loads(line)["message"] for line in process.stderr)
                yield next(line.split()[-1] for line in said if "the page is at" in line)
            finally:
                process.send_signal(signal.SIGTERM)
                process.stderr.read()
        assert process.returncode == 0


@pytest.fixture
def installed(tmp_path: Path) -> tuple[Installation, dict[str, tuple[int, int]]]:
    """The installation, and what was in its Python before.

    Its libraries are those of the tests: nothing is downloaded. Somebody else's package called
    `bot` is there, too.
    """
    there = Installation(tmp_path)
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path / "dist"))
    there.run(sys.executable, "-m", "venv", there.python_folder)
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    packages = Path(there.run(there.scripts / "python", "-c", where).stdout.strip())
    (packages / "of_the_tests.pth").write_text(sysconfig.get_paths()["purelib"])
    (packages / "bot.py").write_text("WHOSE = 'somebody else'\n")
    before = snapshot(there.python_folder)
    there.pip("install", "--no-index", "--no-deps", wheel)
    return there, before


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_a_package_writes_serves_trains_and_goes_without_a_trace(
    installed: tuple[Installation, dict[str, tuple[int, int]]],
) -> None:
    there, before = installed
    after, of_pip = snapshot(there.python_folder), snapshot(there.home)
    assert there.run(there.command, "--version").stdout == f"Sonneteer {VERSION}\n"

    told = there.run(there.command, "init", "--no-token").stdout
    config = there.home / ".config" / NAME / "config.toml"
    assert f"Wrote {config}." in told
    assert "libraries have the versions that are required" in told
    assert told.endswith("Start it: sonneteer\n")
    config.write_text(config.read_text().replace("port = 8080 ", "port = 0 "))

    poem = there.run(there.command, "write", "The sea", "--random-seed", "1").stdout
    assert poem.startswith("The sea")
    assert len(poem.splitlines()) >= 14
    with there.served() as address:
        page = urllib.request.urlopen(address, timeout=HANG_SECONDS)  # noqa: S310
        with page:
            assert b"Sonneteer" in page.read()

    book = there.home / "walks.txt"
    book.write_text(quatrains(150))
    assert 19_000 < book.stat().st_size < 22_000
    there.run(there.command, "train", book.name, "--seconds", "5")
    assert "walks" in there.run(there.command, "models").stdout

    whose = (there.scripts / "python", "-B", "-c", "import bot; print(bot.WHOSE)")
    assert there.run(*whose).stdout == "somebody else\n"
    assert snapshot(there.python_folder) == after, "something was written beside the code"
    kept = [Path(path) for path in snapshot(there.home).keys() - of_pip.keys()]
    folders = [f".config/{NAME}", f".local/share/{NAME}", f".cache/{NAME}"]
    folders += [".config/matplotlib", ".cache/matplotlib", book.name]
    assert not [path for path in kept if not any(map(path.is_relative_to, folders))]
    there.pip("uninstall", "--yes", NAME)
    assert snapshot(there.python_folder) == before
