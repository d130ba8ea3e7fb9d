"""What to type where something is not installed, for each tool that installs packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.core import installation
from bot.core.installation import command_for, has_extra, how_to_install, without_package

WHEEL = "file:///tmp/sonneteer-0.1.0-py3-none-any.whl"


def test_a_checkout_keeps_everything_beside_the_code() -> None:
    root = Path(__file__).resolve().parents[3]
    assert not installation.IS_PACKAGE
    assert (root, root / "config.toml") == (installation.HOME, installation.CONFIG_FILE)
    assert installation.COMMAND == "python -m bot"
    assert "requirements-cluster.lock" in how_to_install("cluster")


def test_an_image_and_a_panel_are_not_told_to_use_make(tmp_path: Path) -> None:
    assert "--build-arg TRAINING=yes" in without_package("train", tmp_path, on_panel=False)
    assert "Reinstall" in without_package("train", tmp_path, on_panel=True)
    assert "--build-arg CLUSTER=yes" in without_package("cluster", tmp_path, on_panel=True)
    (tmp_path / "Makefile").touch()
    assert without_package("train", tmp_path, on_panel=False).startswith("make ")


@pytest.mark.parametrize(
    ("marker", "source", "command"),
    [
        ("pipx_metadata.json", WHEEL, "pipx runpip sonneteer install 'sonneteer[train]'"),
        (
            "uv-receipt.toml",
            WHEEL,
            f"uv tool install --force 'sonneteer[train,cluster] @ {WHEEL}'",
        ),
        ("uv-receipt.toml", "", "uv tool install --force 'sonneteer[train,cluster]'"),
        ("pyvenv.cfg", WHEEL, f"{sys.executable} -m pip install 'sonneteer[train]'"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows quotes otherwise")
def test_an_extra_is_installed_with_the_tool_that_installed_the_rest(
    tmp_path: Path, marker: str, source: str, command: str
) -> None:
    """Those that are there already are named again, where everything is made anew."""
    (tmp_path / marker).touch()
    assert has_extra("cluster")
    assert command_for("train", tmp_path, source) == command


@pytest.mark.skipif(sys.platform == "win32", reason="Windows quotes otherwise")
def test_an_environment_of_uvx_is_named_anew(tmp_path: Path) -> None:
    folder = tmp_path / "archive-v0" / "x"
    command = command_for("train", folder, WHEEL)
    assert command == f"uvx --from 'sonneteer[train,cluster] @ {WHEEL}' sonneteer"
