"""The visit: everything is looked at, side by side, and told in one order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TextIO

from bot.composition import data_folder
from bot.config import TOKEN_VARIABLE, Config
from bot.core.customs import is_snowflake
from bot.core.findings import Finding, skipped, wrong
from bot.doctor import disk, ledger, memory, models, page, report, settings
from bot.doctor.ledger import Ledger

log = logging.getLogger(__name__)

WELL, ILL = 0, 1
TELL_SECONDS = 3.0  # after which whoever waits hears for what


def run(
    path: Path | None,
    *,
    as_json: bool,
    out: TextIO,
    err: TextIO,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Look at the installation of a config file (None: the project's own); return the status."""
    findings = asyncio.run(examine(path, err, environment))
    if as_json:
        print(report.as_json(findings), file=out)
    else:
        print(report.render(findings, marks=report.can_show_marks(out)), file=out)
    out.flush()
    return WELL if report.is_well(findings) else ILL


async def examine(
    path: Path | None, err: TextIO, environment: Mapping[str, str] = os.environ
) -> list[Finding]:
    """Return what was found, tokens taken out."""
    config, finding = settings.examine_config(path, environment)
    found = [finding, settings.examine_versions(), settings.examine_environment(environment)]
    if config is None:
        why = "the settings cannot be read"
        others = ("web page", "token", "data folder", "database", "model files")
        found += [skipped(name, why) for name in others]
        found.append(memory.examine_memory(memory.read_memory(), bot_runs=False))
        token = environment.get(TOKEN_VARIABLE, "").strip()
    else:
        found += await Visit(config, err).examine()
        token = config.token.get_secret_value() if config.token else ""
    return [report.hide_token(each, token) for each in found]


class Visit:
    """One visit to an installation whose settings can be read."""

    def __init__(self, config: Config, err: TextIO, tell_seconds: float = TELL_SECONDS) -> None:
        self._config = config
        self._data = data_folder(config)
        self._err = err
        self._tell_seconds = tell_seconds
        self._loaded = ""  # how many models were, of how many

    async def examine(self) -> list[Finding]:
        """Look at everything; a check that fails is a finding, too."""
        found_database, book = await asyncio.to_thread(ledger.examine_database, self._data)
        checks = {
            "web page": self._page(),
            "Discord": self._discord(book),
            "disk": self._disk(found_database),
            "models": self._models(book),
            "memory": self._machine(),
        }
        tasks = {
            name: asyncio.create_task(_or_why_not(name, check)) for name, check in checks.items()
        }
        waiting: set[asyncio.Task[list[Finding]]] = set(tasks.values())
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=self._tell_seconds)
            if waiting:
                names = [name for name, task in tasks.items() if task in waiting]
                told = ", ".join(f"{n}{self._loaded if n == 'models' else ''}" for n in names)
                print(f"still looking at: {told}", file=self._err, flush=True)
        return [finding for task in tasks.values() for finding in task.result()]

    async def _page(self) -> list[Finding]:
        return [await page.examine_page(self._config.web)]

    async def _machine(self) -> list[Finding]:
        runs = await asyncio.to_thread(ledger.is_open, self._data) is True
        return [
            memory.examine_memory(memory.read_memory(), bot_runs=runs),
            memory.examine_processors(memory.count_processors(), self._config.books.threads),
        ]

    async def _discord(self, book: Ledger) -> list[Finding]:
        from bot.discord_app import checkup
        from bot.discord_app.commands_sync import FILE_NAME

        config = self._config
        patient = checkup.Patient(
            token=config.token.get_secret_value() if config.token else None,
            api_url=config.discord.api_url,
            message_content=config.discord.message_content,
            needed=not config.web.enabled,
            commands_sent=(self._data / FILE_NAME).exists(),
            channels={
                guild: customs.channels
                for guild, customs in book.customs.items()
                if is_snowflake(guild)
            },
        )
        return await checkup.examine_discord(patient)

    async def _disk(self, database: Finding) -> list[Finding]:
        shared = self._config.home / self._config.models.folder
        folders = [
            await asyncio.to_thread(disk.examine_folder, name, folder, setting=section, needed=need)
            for name, folder, section, need in (
                ("data folder", self._data, "data", True),
                ("models folder", shared, "models", False),
            )
        ]
        return [*folders, database]

    async def _models(self, book: Ledger) -> list[Finding]:
        def told(done: int, of: int) -> None:
            self._loaded = f" ({done} of {of})"

        config = self._config
        installed = await asyncio.to_thread(
            models.look_at_models,
            config.home / config.models.folder,
            self._data / "guilds",
            told=told,
        )
        return [
            models.examine_default(installed, config.models.default),
            models.examine_files(installed),
            models.examine_choices(installed, book),
        ]


async def _or_why_not(name: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        return await check
    except Exception as error:
        log.exception("a check failed")
        return [
            wrong(name, f"the check itself failed: {error!r}", "Please tell Sonneteer's makers.")
        ]
