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
from bot.core.store.any_database import KEEP_GUILD, AnyDatabase
from bot.core.store.connection import describe_error, open_read_only
from bot.core.store.database import BUSY_SECONDS, FILE_NAME

log = logging.getLogger(__name__)

MAX_CHOICES = 20  # remembered per guild, for undoing
SETTINGS = "SELECT guild, name, value FROM settings"
CHOICES = "SELECT guild, name, sha256 FROM choices"

Cells = Iterable[Any]  # of a row, in the order that was asked for


class GuildStore:
    """Settings and choices; every writing method is one transaction and raises DataNotKept."""

    def __init__(self, database: AnyDatabase) -> None:
        self._database = database

    async def settings(self) -> dict[str, dict[str, object]]:
        """Return the stored settings of every guild; damaged ones are left out."""
        return read_settings(await self._database.fetch(SETTINGS))

    async def settings_of(self, guild: str) -> dict[str, object]:
        """Return the stored settings of one guild."""
        rows = await self._database.fetch(f"{SETTINGS} WHERE guild = ?", guild)
        return read_settings(rows).get(guild, {})

    async def keep_settings(
        self, guild: str, values: Mapping[str, object], before: Mapping[str, object] | None = None
    ) -> None:
        """Replace all stored settings of a guild by `values`.

        With `before`, what they were when they were read: only what differs is written, so that
        what another process has changed since stays.
        """
        async with self._database.transaction(guild, tells=True) as run:
            await run(KEEP_GUILD, guild)
            if before is None:
                await run("DELETE FROM settings WHERE guild = ?", guild)
            else:
                for name in before.keys() - values.keys():
                    await run("DELETE FROM settings WHERE guild = ? AND name = ?", guild, name)
            for name, value in values.items():
                if before is None or name not in before or before[name] != value:
                    await run(
                        "INSERT INTO settings VALUES (?, ?, ?) "
                        "ON CONFLICT (guild, name) DO UPDATE SET value = excluded.value",
                        *(guild, name, json.dumps(value)),
                    )

    async def choices(self) -> dict[str, list[ModelChoice]]:
        """Return what each guild has chosen, the latest last."""
        return read_choices(await self._database.fetch(f"{CHOICES} ORDER BY id"))

    async def choices_of(self, guild: str) -> list[ModelChoice]:
        """Return what one guild has chosen, the latest last."""
        rows = await self._database.fetch(f"{CHOICES} WHERE guild = ? ORDER BY id", guild)
        return read_choices(rows).get(guild, [])

    async def choose(self, guild: str, choice: ModelChoice, by: str, now: str) -> None:
        async with self._database.transaction(guild, tells=True) as run:
            await run(KEEP_GUILD, guild)
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
        latest = "SELECT max(id) FROM choices WHERE guild = ?"
        async with self._database.transaction(guild, tells=True) as run:
            await run(f"DELETE FROM choices WHERE id = ({latest})", guild)  # noqa: S608

    async def remove_models(self, guild: str, gone: Collection[tuple[str, ModelChoice]]) -> None:
        """Remove models, each with the guild that has added it; forget that `guild` chose them."""
        async with self._database.transaction(guild, tells=True) as run:
            for owner, model in gone:
                await run("DELETE FROM choices WHERE guild = ? AND sha256 = ?", guild, model.sha256)
                named = "guild = ? AND lower(name) = lower(?)"
                await run(f"DELETE FROM models WHERE {named}", owner, model.name)  # noqa: S608


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
