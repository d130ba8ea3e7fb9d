"""config.toml, the environment, and the versions of what the bot depends on."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from bot.app import book_proxies, discord_proxy
from bot.config import SECTIONS, Config, load_config, without_secrets
from bot.core.errors import BadConfig
from bot.core.installation import EXTRAS, IS_PACKAGE, NAME, ROOT, has_extra, how_to_install
from bot.doctor.results import CheckResult, failed, ok, warning
from bot.sources import DEFAULT_PATH, FILE, LOGIN_VARIABLES, TOKEN_VARIABLE

REQUIREMENTS = ROOT / "requirements.txt"
MAX_SHOWN = 60  # characters of a value
REQUIREMENT = re.compile(r"^([\w.-]+)(==|~=)([\w.]+)(?:.*extra == '(\w+)')?", re.MULTILINE)
REINSTALL = "Install Sonneteer again with the tool that installed it, such as pipx."
# What other bots call it; somebody who moves here may have set one of these.
LIKE_TOKEN = ("BOT_TOKEN", "DISCORD_API_TOKEN", "DISCORD_BOT_TOKEN", "TOKEN")


def check_config(
    path: Path | None, environment: Mapping[str, str]
) -> tuple[Config | None, CheckResult]:
    """Read the settings, None where they cannot be used; tell where they come from."""
    file = path or DEFAULT_PATH
    try:
        config = load_config(path, environment)
    except BadConfig as error:
        advice = "Correct it. docs/configuration.md lists all settings."
        return None, failed("config", str(error), advice)
    seen = f"{file} is valid" if file.is_file() else f"{file} does not exist, which is fine"
    changed = list(_changed(config, file.name))
    if not changed:
        return config, ok("config", f"{seen}; all settings have their defaults")
    width = max(len(what) for what, _ in changed)
    lines = (f"{what.ljust(width)}  from {origin}" for what, origin in changed)
    return config, ok("config", f"{seen}; not at their defaults:", *lines)


def _changed(config: Config, file: str) -> Iterator[tuple[str, str]]:
    """Yield what differs from its default, and where it comes from; of secrets only that."""
    for section, kind in SECTIONS.items():
        for key, field in kind.model_fields.items():
            value = getattr(getattr(config, section), key)
            if value != field.default:
                shown = without_secrets(json.dumps(value, ensure_ascii=False), MAX_SHOWN)
                yield f"[{section}] {key} = {shown}", config.origins.get(f"{section}.{key}", file)
    for name in LOGIN_VARIABLES:
        if origin := config.origins.get(name):
            yield f"{name} is set", origin if origin == name else f"the file that {origin} names"


def check_environment(environment: Mapping[str, str]) -> CheckResult:
    """Look for variables that are called as other bots call the token."""
    unread = [name for name in LIKE_TOKEN if name in environment]
    if unread and not any(environment.get(TOKEN_VARIABLE + end, "").strip() for end in ("", FILE)):
        seen = f"{', '.join(unread)} {'is' if len(unread) == 1 else 'are'} set but ignored"
        way = f"The token is read from {TOKEN_VARIABLE}, or from a file: {TOKEN_VARIABLE}{FILE}."
        return warning("environment", seen, way)
    return ok("environment", "no ignored variables")


def check_proxies(config: Config) -> list[CheckResult]:
    """Tell what is asked through which proxy; nothing where none is named."""
    if not (config.discord.proxy or config.books.proxy or config.proxies):
        return []
    try:
        discord, books = discord_proxy(config), book_proxies(config)
    except BadConfig as error:
        return [failed("proxies", str(error), "The bot does not start before that.")]
    parts = {"Discord": discord, "books over https": books.https, "over http": books.http}
    seen = (
        f"{what} {f'through {proxy}' if proxy else 'directly'}" for what, proxy in parts.items()
    )
    return [ok("proxies", ", ".join(seen))]


def check_versions(
    requirements: str | None = None, installed: Callable[[str], str] = version
) -> CheckResult:
    """Compare what is installed with what is required: lines of NAME==VERSION or NAME~=VERSION.

    Without them it is what this installation requires. Of an extra, all is required or nothing.
    """
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    try:
        text = _requirements() if requirements is None else requirements
    except OSError:
        return ok("versions", f"{python}; there is no requirements.txt to compare with")
    absent = [extra for extra in EXTRAS if f"'{extra}'" in text and not has_extra(extra)]
    wanted = [each[:3] for each in REQUIREMENT.findall(text) if each[3] not in absent]
    missing, others = [], []
    for name, comparison, number in wanted:
        try:
            found = installed(name)
        except PackageNotFoundError:
            missing.append(f"{name} {number}")
            continue
        if not _fits(found, comparison, number):
            others.append(f"{name} {found} instead of {number}")
    way = REINSTALL if IS_PACKAGE else "Install them with " + how_to_install("train") + "."
    if missing:
        return failed("versions", f"{python}; not installed: {', '.join(missing)}", way)
    if others:
        return warning("versions", f"{python}; {', '.join(others)}", way)
    seen = f"{python}; all {len(wanted)} libraries have the versions that are required"
    more = f"; for trainings: {how_to_install('train')}" if "train" in absent else ""
    return ok("versions", seen + more)


def _requirements() -> str:
    """Return what this installation requires; raise OSError where nothing says so."""
    if not IS_PACKAGE:
        return REQUIREMENTS.read_text("utf-8")
    return "\n".join(requires(NAME) or []).replace('"', "'")


def _fits(found: str, comparison: str, wanted: str) -> bool:
    """Whether a version will do: the same, or for ~= the same up to its last number, or later.

    >>> _fits("3.14.7", "~=", "3.14.5"), _fits("3.15.0", "~=", "3.14.5")
    (True, False)
    """
    release = found.partition("+")[0]  # torch says which build it is after a plus
    if comparison == "==":
        return release == wanted
    has, least = ([int(part) for part in re.findall(r"\d+", each)] for each in (release, wanted))
    return has[: len(least) - 1] == least[:-1] and has >= least
