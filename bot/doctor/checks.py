"""All checks: they run at the same time and are shown in one order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TextIO

from bot import logs
from bot.app import data_folder, discord_proxy, operator_of
from bot.config import Config
from bot.core.errors import BadConfig
from bot.core.guild_settings import is_snowflake
from bot.core.machine import count_processors, read_memory
from bot.core.model_cache import has_compiled
from bot.core.store.lock import is_in_use
from bot.doctor import database, models, page, results, settings, system
from bot.doctor.database import DatabaseContents
from bot.doctor.results import (
    CheckResult,
    can_show_marks,
    failed,
    has_no_failure,
    hide_secrets,
    render,
    skipped,
)
from bot.sources import SECRET_VARIABLES

log = logging.getLogger(__name__)

EXIT_OK, EXIT_FAILED = 0, 1
TELL_SECONDS = 3.0  # until the reader is told what is being waited for


def run(
    path: Path | None,
    *,
    as_json: bool,
    out: TextIO,
    err: TextIO,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Look at the installation of a config file (None: the project's own); return the status."""
    found = asyncio.run(check_all(path, err, environment))
    if as_json:
        print(results.as_json(found), file=out)
    else:
        print(render(found, marks=can_show_marks(out)), file=out)
    out.flush()
    return EXIT_OK if has_no_failure(found) else EXIT_FAILED


async def check_all(
    path: Path | None, err: TextIO, environment: Mapping[str, str] = os.environ
) -> list[CheckResult]:
    """Return what was found, secrets taken out."""
    config, result = settings.check_config(path, environment)
    found = [result, settings.check_versions(), settings.check_environment(environment)]
    secrets = {environment.get(name, "").strip() for name in SECRET_VARIABLES}
    if config is None:
        why = "the settings are invalid"
        others = ("web page", "token", "data folder", "database", "model files")
        found += [skipped(name, why) for name in others]
        found.append(system.check_memory(read_memory(), bot_runs=False))
    else:
        secrets = config.secrets
        logs.hide(*secrets)
        found += settings.check_proxies(config)
        found += await CheckRun(config, err).check_all()
    return [hide_secrets(each, *secrets) for each in found]


class CheckRun:
    """One visit to an installation whose settings can be read."""

    def __init__(self, config: Config, err: TextIO, tell_seconds: float = TELL_SECONDS) -> None:
        self._config = config
        self._data = data_folder(config)
        self._err = err
        self._tell_seconds = tell_seconds
        self._loaded = ""  # how many models were, of how many

    async def check_all(self) -> list[CheckResult]:
        """Look at everything; a check that fails is a finding, too."""
        if self._config.cluster.database:
            found_database, contents = await database.check_server(self._config)
        else:
            found_database, contents = await asyncio.to_thread(database.check_database, self._data)
        checks = {
            "web page": self._page(),
            "Discord": self._discord(contents),
            "disk": self._disk(found_database),
            "models": self._models(contents),
            "memory": self._machine(),
        }
        tasks = {
            name: asyncio.create_task(_or_failure(name, check)) for name, check in checks.items()
        }
        waiting: set[asyncio.Task[list[CheckResult]]] = set(tasks.values())
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=self._tell_seconds)
            if waiting:
                names = [name for name, task in tasks.items() if task in waiting]
                told = ", ".join(f"{n}{self._loaded if n == 'models' else ''}" for n in names)
                print(f"still checking: {told}", file=self._err, flush=True)
        return [result for task in tasks.values() for result in task.result()]

    async def _page(self) -> list[CheckResult]:
        return [await page.check_page(self._config.web)]

    async def _machine(self) -> list[CheckResult]:
        runs = await asyncio.to_thread(is_in_use, self._data) is True
        return [
            system.check_memory(read_memory(), bot_runs=runs, compiled=has_compiled()),
            system.check_processors(
                count_processors(),
                {"books": self._config.books.threads, "writing": self._config.writing.threads},
            ),
        ]

    async def _discord(self, contents: DatabaseContents) -> list[CheckResult]:
        from bot.discord_app.commands_sync import FILE_NAME
        from bot.doctor import discord_checks

        config = self._config
        try:
            proxy = discord_proxy(config)
        except BadConfig:
            return [skipped(name, "the proxy cannot be used") for name in ("token", "clock")]
        facts = discord_checks.DiscordFacts(
            token=config.token.get_secret_value() if config.token else None,
            api_url=config.discord.api_url,
            proxy=proxy,
            message_content=config.discord.message_content,
            operator=operator_of(config),
            needed=not config.web.enabled,
            commands_sent=(self._data / FILE_NAME).exists(),
            channels={
                guild: guild_settings.channels
                for guild, guild_settings in contents.guild_settings.items()
                if is_snowflake(guild)
            },
        )
        return await discord_checks.check_discord(facts)

    async def _disk(self, database: CheckResult) -> list[CheckResult]:
        shared = self._config.home / self._config.models.folder
        folders = [
            await asyncio.to_thread(system.check_folder, name, folder, setting=section, needed=need)
            for name, folder, section, need in (
                ("data folder", self._data, "data", True),
                ("models folder", shared, "models", False),
            )
        ]
        return [*folders, database]

    async def _models(self, contents: DatabaseContents) -> list[CheckResult]:
        def told(done: int, of: int) -> None:
            self._loaded = f" ({done} of {of})"

        config = self._config
        installed = await asyncio.to_thread(
            models.load_models,
            config.home / config.models.folder,
            self._data / "guilds",
            told=told,
        )
        return [
            models.check_default_model(installed, config.models.default),
            models.check_model_files(installed),
            models.check_chosen_models(installed, contents),
        ]


async def _or_failure(name: str, check: Awaitable[list[CheckResult]]) -> list[CheckResult]:
    try:
        return await check
    except Exception as error:
        log.exception("a check failed")
        return [failed(name, f"the check itself failed: {error!r}", "Please report this as a bug.")]
