"""Rows about guilds: their settings, and which models they have used."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from bot.core.errors import DataFolderUnusable
from bot.core.ports import ModelChoice
from bot.core.store.connection import describe_error, open_read_only
from bot.core.store.database import BUSY_SECONDS, FILE_NAME, Database

log = logging.getLogger(__name__)

MAX_CHOICES = 20  # remembered per guild, for undoing
SETTINGS = "SELECT guild, name, value FROM settings"
CHOICES = "SELECT guild, name, sha256 FROM choices ORDER BY id"

Cells = Iterable[Any]  # of a row, in the order that was asked for


class GuildStore:
    """Settings and choices; every writing method is one transaction and raises DataNotKept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settings(self) -> dict[str, dict[str, object]]:
        """Return the stored settings of every guild; damaged ones are left out."""
        return read_settings(await self._database.fetch(SETTINGS))

    async def keep_settings(self, guild: str, values: Mapping[str, object]) -> None:
        """Replace all stored settings of a guild by `values`."""
        async with self._database.transaction() as run:
            await run("INSERT OR IGNORE INTO guilds VALUES (?)", guild)
            await run("DELETE FROM settings WHERE guild = ?", guild)
            for name, value in values.items():
                await run("INSERT INTO settings VALUES (?, ?, ?)", guild, name, json.dumps(value))

    async def choices(self) -> dict[str, list[ModelChoice]]:
        """Return what each guild has chosen, the latest last."""
        return read_choices(await self._database.fetch(CHOICES))

    async def choose(self, guild: str, choice: ModelChoice, by: str, now: str) -> None:
        async with self._database.transaction() as run:
            await run("INSERT OR IGNORE INTO guilds VALUES (?)", guild)
            await run(
                "INSERT INTO choices (guild, name, sha256, chosen, chosen_by) "
                "VALUES (?, ?, ?, ?, ?)",
                *(guild, choice.name, choice.sha256, now, by),
            )
            await run(
                "DELETE FROM choices WHERE guild = ? AND id NOT IN "
                "(SELECT id FROM choices WHERE guild = ? ORDER BY id DESC LIMIT ?)",
                *(guild, guild, MAX_CHOICES),
            )

    async def unchoose(self, guild: str) -> None:
        """Forget a guild's latest choice."""
        await self._database.execute(
            "DELETE FROM choices WHERE id = (SELECT max(id) FROM choices WHERE guild = ?)", guild
        )

    async def remove_models(self, guild: str, gone: Collection[tuple[str, ModelChoice]]) -> None:
        """Remove models, each with the guild that has added it; forget that `guild` chose them."""
        async with self._database.transaction() as run:
            for owner, model in gone:
                await run("DELETE FROM choices WHERE guild = ? AND sha256 = ?", guild, model.sha256)
                await run("DELETE FROM models WHERE guild = ? AND name = ?", owner, model.name)


def read_settings_beside_bot(folder: Path) -> dict[str, dict[str, object]]:
    """Return what `GuildStore.settings` does, beside a bot that may be running on the folder.

    Raises DataFolderUnusable.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return {}
    try:
        with closing(open_read_only(path, BUSY_SECONDS)) as connection:
            return read_settings(connection.execute(SETTINGS))
    except sqlite3.Error as error:
        raise DataFolderUnusable(folder, describe_error(error)) from error


def read_settings(rows: Iterable[Cells], *, strict: bool = False) -> dict[str, dict[str, object]]:
    """Read the answer to SETTINGS, by guild.

    A damaged value is left out with a warning; with `strict` it raises ValueError, TypeError or
    RecursionError.
    """
    found: defaultdict[str, dict[str, object]] = defaultdict(dict)
    for guild, name, value in rows:
        try:
            found[guild][name] = json.loads(value)
        except (ValueError, TypeError, RecursionError) as error:
            if strict:
                raise
            log.warning(
                "the setting %r of guild %s is damaged and is left out: %s",
                *(name, guild, type(error).__name__),
            )
    return dict(found)


def read_choices(rows: Iterable[Cells]) -> dict[str, list[ModelChoice]]:
    """Read the answer to CHOICES, by guild, the latest last."""
    found: defaultdict[str, list[ModelChoice]] = defaultdict(list)
    for guild, name, sha256 in rows:
        found[guild].append(ModelChoice(name, sha256))
    return dict(found)
