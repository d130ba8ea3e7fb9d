"""What is said where this Python, its libraries or the processor will not do."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bot import supported

ROOT = Path(__file__).resolve().parents[2]
STARTED = ("bot/__main__.py", "train.py", "train_base.py")
OLD = "flags\t\t: fpu sse sse2 ssse3 cx16"
V2 = "flags\t\t: fpu sse sse2 ssse3 cx16 sse4_1 sse4_2 popcnt"


def cpuinfo(folder: Path, flags: str) -> str:
    file = folder / "cpuinfo"
    file.write_text(f"processor\t: 0\nmodel name\t: Core 2\n{flags}\n")
    return str(file)


@pytest.mark.parametrize("name", ["bot/supported.py", "bot/__init__.py", *STARTED])
def test_an_old_python_can_read_what_refuses_it(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    ast.parse(text, feature_version=(3, 6))
    assert "from __future__ import annotations" not in text  # Python 3.7 was the first to have it


@pytest.mark.parametrize("name", STARTED)
def test_nothing_is_loaded_before_the_python_is_looked_at(name: str) -> None:
    first, *rest = [
        node
        for node in ast.parse((ROOT / name).read_text("utf-8")).body
        if not isinstance(node, ast.Expr)
    ]
    assert ast.unparse(first) == "from bot import supported"
    assert ast.unparse(rest[0]).endswith("supported.begin()")


def test_an_old_python_is_told_which_one_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"python3.12"}
    monkeypatch.setattr(supported, "starts", names.__contains__)
    told = supported.python_fault((3, 10), "/usr/bin/python3")
    assert told == (
        "Sonneteer needs Python 3.11, 3.12, 3.13 or 3.14; /usr/bin/python3 is 3.10. "
        "Take python3.12, which is installed: make run PYTHON=python3.12"
    )
    names.clear()
    assert "Install one of them; docs/install.md" in supported.python_fault((3, 6), "python3")
    assert supported.python_fault((3, 11), "python3") == ""


def test_a_name_that_a_version_manager_keeps_for_nothing_is_no_python(tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert not supported.starts(str(shim))
    assert not supported.starts(str(tmp_path / "none"))
    assert supported.starts(sys.executable)


def test_set_up_takes_no_python_that_is_newer_than_the_locks() -> None:
    newest = supported.PYTHONS[-1]
    assert "is 3.99" in supported.python_fault((3, 99), "python3", newest=newest)
    assert supported.python_fault((3, 99), "python3") == ""
    assert supported.python_fault(newest, "python3", newest=newest) == ""


def test_set_up_says_which_package_has_the_venv_module(monkeypatch: pytest.MonkeyPatch) -> None:
    assert supported.set_up_fault() == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    version = "{}.{}".format(*sys.version_info[:2])
    assert supported.set_up_fault().endswith(f"apt install python{version}-venv")


def test_a_processor_that_is_too_old_is_named(tmp_path: Path) -> None:
    told = supported.processor_fault(cpuinfo(tmp_path, OLD))
    assert told.startswith("The processor, Core 2, lacks sse4_1, sse4_2, popcnt")
    assert "processor type host" in told
    assert supported.processor_fault(cpuinfo(tmp_path, V2)) == ""
    assert supported.processor_fault(cpuinfo(tmp_path, "Features\t: fp asimd")) == ""  # ARM
    assert supported.processor_fault(str(tmp_path / "none")) == ""


@pytest.mark.parametrize("command", [("-m", "bot"), ("train.py",), ("train_base.py",)])
def test_without_libraries_there_is_one_sentence(command: tuple[str, ...]) -> None:
    bare = [sys.executable, "-S", "-E", *command]
    done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == supported.WRONG_USE
    assert "has no module" in done.stderr
    assert done.stderr.count("\n") == 1


def way(root: Path, *files: str, prefix: Path = Path("/usr"), reason: str = "") -> str:
    for name in files:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    return supported.way_to_libraries(reason, root, prefix)


def test_the_way_to_libraries_depends_on_what_is_there(tmp_path: Path) -> None:
    assert "make run" in way(tmp_path)
    assert str(tmp_path / ".venv") in way(tmp_path, ".venv/run.done")
    assert "make clean" in way(tmp_path, prefix=tmp_path / ".venv")
    assert "noexec" in way(tmp_path, reason="a.so: failed to map segment from shared object")
    assert "tool that installed it" in way(tmp_path, "__main__.py")


def test_other_errors_keep_their_stack(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (ValueError("a fault"), ModuleNotFoundError("No module", name="bot.none")):
        supported.explain(type(error), error, None)
        assert type(error).__name__ in capsys.readouterr().err
