"""Whether the bot that runs on this machine is well: for containers, scripts and monitors.

`python -m bot health` comes here without a detour: what the rest of the command line imports takes
a second and 100 MB, and a health check must not take them beside a training.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from bot.core import installation
from bot.core.errors import BotError
from bot.core.redaction import Redactor
from bot.core.shards import ShardRange
from bot.core.store.lock import is_in_use
from bot.environment_file import environment_file, read_environment_file, under
from bot.sections import DataConfig, Section, WebConfig
from bot.sources import DEFAULT_PATH, given_settings, home_of, read_file
from bot.web.health import ask_health

COMMAND = "health"
WITH_VALUE = ("--config", "--shards", "--log")  # options of `python -m bot` before a command
WELL, UNWELL, WRONG_USE = 0, 1, 2
TIMEOUT_SECONDS = 4.0  # below the time that a health check is given


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Tell whether `health` is the command among the arguments of `python -m bot`.

    >>> is_asked_for(["--config", "a.toml", "health"]), is_asked_for(["write", "health"])
    (True, False)
    """
    return list(arguments[find_command(arguments) :][:1]) == [COMMAND]


def find_command(arguments: Sequence[str]) -> int:
    """Return the place of the command among the arguments, their number where there is none."""
    words = iter(enumerate(arguments))
    for place, word in words:
        if word in WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return place
    return len(arguments)


def main(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Do what `python -m bot health` says; return the exit status."""
    parser = argparse.ArgumentParser(prog=installation.COMMAND)
    parser.add_argument("--config", type=Path)
    for option in ("--shards", "--log"):
        parser.add_argument(option)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("command", choices=[COMMAND])
    read = parser.parse_args(arguments)
    return run(read.config, read.shards, out=sys.stdout, environment=environment)


def run(
    path: Path | None, shards: str | None, *, out: TextIO, environment: Mapping[str, str]
) -> int:
    """Print how the bot of a config file is, and return the exit status.

    `shards` are those of the process that is meant.
    """
    try:
        shard_range = ShardRange.read(shards) if shards else None
        web, folder = _read(path, environment)
    except BotError as error:
        sys.stderr.write(f"{Redactor()(str(error))}\n")
        return WRONG_USE
    except ValidationError:
        sys.stderr.write(f"The settings are wrong; {installation.COMMAND} doctor says how.\n")
        return WRONG_USE
    well, told = asyncio.run(check_health(web, folder, shard_range))
    out.write(f"{told}\n")
    return WELL if well else UNWELL


async def check_health(
    web: WebConfig, folder: Path, shard_range: ShardRange | None = None
) -> tuple[bool, str]:
    """Ask the page how the bot is, wherever it listens; tell whether it is well, and why not.

    Without a page, a bot counts as well while it has the data folder.
    """
    if not web.enabled:
        runs = await asyncio.to_thread(is_in_use, folder)
        return bool(runs), f"the page is off; {'a' if runs else 'no'} bot has the data folder"
    if not web.port:
        return False, "unknown: [web] port is 0, so the page is on any port. Set one."
    port = web.port + (shard_range.first if shard_range else 0)
    figures = await ask_health(web.hosts, port, TIMEOUT_SECONDS)
    if figures is None:
        return False, f"no Sonneteer answers on {' or '.join(web.hosts)}, port {port}"
    return (True, "well") if figures.get("ok") is True else (False, _complaint(figures))


def _read(path: Path | None, environment: Mapping[str, str]) -> tuple[WebConfig, Path]:
    """Read the settings of the page, and where the data are; the others may be wrong."""
    file = environment_file(path or DEFAULT_PATH)
    environment = under(read_environment_file(file), environment)
    content = read_file(path)
    sections: dict[str, type[Section]] = {"web": WebConfig, "data": DataConfig}
    tables: dict[str, Any] = {name: content.get(name, {}) for name in sections}
    for (section, key), given in given_settings(environment, sections).items():
        if isinstance(tables[section], dict):
            tables[section][key] = given.value
    data = DataConfig.model_validate(tables["data"])
    return WebConfig.model_validate(tables["web"]), home_of(path) / data.folder


def _complaint(figures: dict[str, Any]) -> str:
    parts = ["stopping"] if figures.get("closing") else []
    if not figures["model_loaded"]:
        parts.append("no model is loaded")
    if figures.get("gateway_ready") is False:
        parts.append("not connected to Discord")
    return f"not well: {', '.join(parts) or 'for a reason that it does not give'}"
