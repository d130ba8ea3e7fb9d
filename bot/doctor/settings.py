"""config.toml, the environment, and the versions of what the bot depends on."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bot.config import DEFAULT_PATH, KEY_VARIABLE, TOKEN_VARIABLE, Config, load_config
from bot.core.errors import BadConfig
from bot.core.paths import ROOT
from bot.doctor.results import CheckResult, failed, ok, warning

REQUIREMENTS = ROOT / "requirements.txt"
PREFIX = "SONNETEER_"
# What other bots call it; somebody who moves here may have set one of these.
LIKE_TOKEN = ("BOT_TOKEN", "DISCORD_API_TOKEN", "DISCORD_BOT_TOKEN", "TOKEN")


def check_config(
    path: Path | None, environment: Mapping[str, str]
) -> tuple[Config | None, CheckResult]:
    """Read the settings; None where they cannot be used."""
    file = path or DEFAULT_PATH
    try:
        config = load_config(path, environment)
    except BadConfig as error:
        advice = "Correct it. The config.toml that comes with Sonneteer lists all settings."
        return None, failed("config", str(error), advice)
    if not file.is_file():
        return config, ok("config", f"{file} does not exist; all settings have their defaults")
    return config, ok("config", f"{file} is valid")


def check_environment(environment: Mapping[str, str]) -> CheckResult:
    """Look for variables that may be meant for the bot and that it does not read."""
    unread = sorted(
        name for name in environment if name.upper().startswith(PREFIX) and name != KEY_VARIABLE
    )
    if not environment.get(TOKEN_VARIABLE, "").strip():
        unread += [name for name in LIKE_TOKEN if name in environment]
    if unread:
        seen = f"{', '.join(unread)} {'is' if len(unread) == 1 else 'are'} set but ignored"
        way = (
            f"The token is read from {TOKEN_VARIABLE}, the key of the API from {KEY_VARIABLE}; all "
            "other settings are in config.toml."
        )
        return warning("environment", seen, way)
    return ok("environment", "no ignored variables")


def check_versions(
    requirements: Path = REQUIREMENTS, installed: Callable[[str], str] = version
) -> CheckResult:
    """Compare what is installed with requirements.txt."""
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    try:
        wanted = re.findall(r"^([\w.-]+)==([\w.]+)", requirements.read_text("utf-8"), re.MULTILINE)
    except OSError:
        return ok("versions", f"{python}; there is no requirements.txt to compare with")
    missing, others = [], []
    for name, number in wanted:
        try:
            found = installed(name)
        except PackageNotFoundError:
            missing.append(f"{name} {number}")
            continue
        if found.partition("+")[0] != number:  # torch says which build it is after a plus
            others.append(f"{name} {found} instead of {number}")
    way = "Install them with make .venv/run.done, or with the pip commands in docs/install.md."
    if missing:
        return failed("versions", f"{python}; not installed: {', '.join(missing)}", way)
    if others:
        return warning("versions", f"{python}; {', '.join(others)}", way)
    return ok(
        "versions", f"{python}; all {len(wanted)} libraries have the versions in requirements.txt"
    )
