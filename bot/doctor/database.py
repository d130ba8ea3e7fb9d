"""The database, read without a change to its folder, whether a bot has it open or not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bot.app import open_server, postgres_module, server_login
from bot.config import Config
from bot.core.errors import BadConfig, DatabaseUnusable, DataNotKept
from bot.core.guild_settings import GuildSettings, read_guild_settings
from bot.core.installation import COMMAND
from bot.core.ports import ModelChoice
from bot.core.store.any_database import AnyDatabase
from bot.core.store.books import MODELS, AddedModel, read_models
from bot.core.store.connection import describe_error, open_read_only
from bot.core.store.database import BUSY_SECONDS, FILE_NAME
from bot.core.store.guilds import CHOICES, SETTINGS, GuildStore, read_choices, read_settings
from bot.core.store.lock import LOCK_NAME, is_in_use
from bot.core.store.schema import MIGRATIONS, OBJECTS, fault_of_schema
from bot.doctor.results import CheckResult, failed, ok, warning

if TYPE_CHECKING:
    from bot.core.store.postgres import ServerReport

NAME = "database"
RESTORE = (
    f"Stop the bot and restore a backup: {COMMAND} restore FILE. Without a backup, move {{file}} "
    "away: the bot starts fresh, and the servers' model files stay in {guilds}."
)


@dataclass(frozen=True, slots=True)
class DatabaseContents:
    """As much of the database as other checks need."""

    guild_settings: dict[str, GuildSettings] = field(default_factory=dict)
    choices: dict[str, ModelChoice] = field(default_factory=dict)  # what each guild uses
    kept: tuple[AddedModel, ...] = ()


def check_database(
    folder: Path, may_write: Callable[[Path], bool] = lambda path: os.access(path, os.W_OK)
) -> tuple[CheckResult, DatabaseContents]:
    """Look at the database of a data folder."""
    file = folder / FILE_NAME
    if not file.exists():
        return ok(NAME, f"not created yet; the first start creates {file}"), DatabaseContents()
    try:
        with closing(_open(file)) as connection:
            [(version,)] = connection.execute("PRAGMA user_version").fetchall()
            ours = 0 < version <= len(MIGRATIONS)
            # Before the check of the tables, which evaluates expressions of their schema.
            if (
                ours
                and (fault := fault_of_schema(connection.execute(OBJECTS), MIGRATIONS[:version]))
                is not None
            ):
                raise sqlite3.DatabaseError(fault)
            [(answer,), *_] = connection.execute("PRAGMA quick_check").fetchall()
            if answer != "ok":
                raise sqlite3.DatabaseError(str(answer))
            contents = _read(connection) if ours else DatabaseContents()
    except sqlite3.OperationalError as error:
        seen = f"{file} cannot be read at the moment: {describe_error(error)}"
        way = "Check that the user that runs the bot can read it, and try again."
        return failed(NAME, seen, way), DatabaseContents()
    except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
        way = RESTORE.format(file=file, guilds=folder / "guilds")
        return failed(NAME, f"{file} is damaged: {describe_error(error)}", way), DatabaseContents()
    return _judge(file, version, contents, may_write), contents


async def check_server(config: Config) -> tuple[CheckResult, DatabaseContents]:
    """Look at the database on a server; nothing in it changes."""
    try:
        postgres, login = postgres_module(), server_login(config)
        report = await postgres.look_at(login)
        contents = DatabaseContents()
        if report.fault is None and report.version == len(MIGRATIONS):
            server = await open_server(config, migrates=False)
            try:
                contents = await _read_server(server)
            finally:
                await server.close()
    except (DatabaseUnusable, BadConfig, DataNotKept) as error:
        way = "Check [cluster] database, the password in the environment, and the server's log."
        return failed(NAME, str(error), way), DatabaseContents()
    return _judge_server(str(login.address), report, contents), contents


def _judge_server(address: str, report: ServerReport, contents: DatabaseContents) -> CheckResult:
    if report.fault is not None:
        way = "Name a database of Sonneteer's own in [cluster] database, or update Sonneteer."
        return failed(NAME, f"{address}: {report.fault}", way)
    plain = "" if report.encrypted else ", not encrypted"
    on = f"{address} on PostgreSQL {report.server.partition(' ')[0]}{plain}"
    use = "in use by a running bot" if report.in_use else "not in use"
    known = len(MIGRATIONS)
    if not report.version:
        return ok(NAME, f"{on} is empty; the first start makes its tables")
    seen = f"{on}, version {report.version}, {_of_servers(contents)}; {use}"
    if report.version < known:
        return warning(NAME, seen, f"The next start upgrades it to version {known}. Back up first.")
    return ok(NAME, seen)


async def _read_server(server: AnyDatabase) -> DatabaseContents:
    store = GuildStore(server)
    choices = {guild: each[-1] for guild, each in (await store.choices()).items()}
    rows = await server.fetch(f"{MODELS} ORDER BY guild, lower(name)")
    return DatabaseContents(
        {guild: read_guild_settings(each) for guild, each in (await store.settings()).items()},
        {guild: choice for guild, choice in choices.items() if choice.name},
        tuple(read_models(rows)),
    )


def _of_servers(contents: DatabaseContents) -> str:
    servers = len(
        {*contents.guild_settings, *contents.choices, *(kept.guild for kept in contents.kept)}
        - {""}
    )
    return f"data of {servers} server{'' if servers == 1 else 's'}"


def _judge(
    file: Path, version: int, contents: DatabaseContents, may_write: Callable[[Path], bool]
) -> CheckResult:
    known = len(MIGRATIONS)
    if version > known:
        seen = f"{file} has version {version}; this Sonneteer knows {known}"
        return failed(NAME, seen, "Update Sonneteer, or restore a backup of the older version.")
    closed = [each for each in (file, file.parent / LOCK_NAME) if each.exists()]
    closed = [each for each in closed if not may_write(each)]
    if closed:
        seen = f"{closed[0]} is not writable by this user"
        return failed(NAME, seen, "Make the data folder writable for the user that runs the bot.")
    in_use = is_in_use(file.parent)
    use = "" if in_use is None else "; in use by a running bot" if in_use else "; not in use"
    seen = f"{file} is intact, version {version}, {_of_servers(contents)}{use}"
    if version < known:
        return warning(NAME, seen, f"The next start upgrades it to version {known}. Back up first.")
    return ok(NAME, seen)


def _open(file: Path) -> sqlite3.Connection:
    """Open for reading.

    A reader creates SQLite's side files where they are missing and leaves them. Without a log to
    read, the file can be read as one that does not change.
    """
    log = file.with_name(f"{file.name}-wal")
    return open_read_only(file, BUSY_SECONDS, alone=not log.exists())


def _read(connection: sqlite3.Connection) -> DatabaseContents:
    settings = read_settings(connection.execute(SETTINGS), strict=True)
    chosen = read_choices(connection.execute(f"{CHOICES} ORDER BY id"))
    choices = {guild: each[-1] for guild, each in chosen.items()}
    return DatabaseContents(
        {guild: read_guild_settings(values) for guild, values in settings.items()},
        {guild: choice for guild, choice in choices.items() if choice.name},
        tuple(read_models(connection.execute(f"{MODELS} ORDER BY guild, name"))),
    )
