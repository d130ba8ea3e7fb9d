"""How Sonneteer was installed: as files of the project, or as a package in some Python.

A package never writes into its own folder. Its settings, its data and what it compiles are in the
folders that the system has for such things of a user.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import platformdirs

NAME = "sonneteer"
ROOT = Path(__file__).resolve().parents[2]  # bot, model and train.py are in it
IS_PACKAGE = (ROOT / "__main__.py").is_file()  # only a package has it: deploy/wheel
COMMAND = NAME if IS_PACKAGE else "python -m bot"  # what is typed at a shell

if IS_PACKAGE:
    # Without an author's name between them, which platformdirs puts there on Windows.
    CONFIG_FILE = platformdirs.user_config_path(NAME, appauthor=False) / "config.toml"
    HOME = platformdirs.user_data_path(NAME, appauthor=False)  # of data and models
else:
    CONFIG_FILE, HOME = ROOT / "config.toml", ROOT

# What can be left out, as packages' extras, and the modules that each brings.
EXTRAS = {"train": ("torch", "matplotlib", "tqdm"), "cluster": ("nats", "asyncpg")}
IN_CHECKOUT = {
    "train": "make .venv/run.done, or the pip commands in docs/install.md",
    "cluster": "pip install --require-hashes -r requirements-cluster.lock",
}
IN_IMAGE = {
    "train": "take an image that was built with --build-arg TRAINING=yes",
    "cluster": "take an image that was built with --build-arg CLUSTER=yes",
}
ON_PANEL = {"train": "set TRAINING to 1 on the server's Startup page, then choose Reinstall"}
PANEL = "P_SERVER_UUID"  # what Pelican and Pterodactyl set in a server's container


def has_extra(extra: str) -> bool:
    """Whether all modules of one of EXTRAS are installed; none of them is loaded."""
    return all(find_spec(module) is not None for module in EXTRAS[extra])


def how_to_install(extra: str) -> str:
    """Return what installs one of EXTRAS: a command for the tool that installed Sonneteer, say."""
    if IS_PACKAGE:
        return command_for(extra, Path(sys.prefix), _source())
    return without_package(extra, ROOT, on_panel=PANEL in os.environ)


def without_package(extra: str, root: Path, *, on_panel: bool) -> str:
    """Return what installs one of EXTRAS in a checkout, or in an image, which has no Makefile."""
    if on_panel and extra in ON_PANEL:
        return ON_PANEL[extra]
    return (IN_CHECKOUT if (root / "Makefile").is_file() else IN_IMAGE)[extra]


def command_for(extra: str, environment: Path, source: str) -> str:
    """Return what to type for a Python's environment; `source` is where the package came from.

    pip leaves a package alone that is there already, and adds what its extra needs. uv makes a
    tool's environment anew, so that it must be told where to find the package, and all extras.
    """
    wanted = f"{NAME}[{extra}]"
    if (environment / "pipx_metadata.json").is_file():
        return as_typed("pipx", "runpip", NAME, "install", wanted)
    every = ",".join(each for each in EXTRAS if each == extra or has_extra(each))
    whole = f"{NAME}[{every}]" + (f" @ {source}" if source else "")
    if (environment / "uv-receipt.toml").is_file():
        return as_typed("uv", "tool", "install", "--force", whole)
    if "archive-v0" in environment.parts:  # of uv's cache: uvx makes it, and may remove it
        return as_typed("uvx", "--from", whole, NAME)
    if find_spec("pip") is None:
        return as_typed("uv", "pip", "install", "--python", sys.executable, wanted)
    return as_typed(sys.executable, "-m", "pip", "install", wanted)


def as_typed(*words: str) -> str:
    """Return words as a shell takes them."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _source() -> str:
    """Return the address of what was installed, "" where it came from an index (PEP 610)."""
    try:
        told = json.loads(distribution(NAME).read_text("direct_url.json") or "{}")
        kind = told.get("vcs_info")
        address = str(told.get("url", ""))
        return f"{kind['vcs']}+{address}@{kind['commit_id']}" if kind else address
    except (PackageNotFoundError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
