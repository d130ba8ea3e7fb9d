"""The database, read without a change to its folder, whether a bot has it open or not."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bot.core.customs import Customs, read_customs
from bot.core.findings import Finding, ok, warning, wrong
from bot.core.ports import Choice
from bot.core.store.database import BUSY_SECONDS, FILE_NAME
from bot.core.store.guarded import in_words, open_beside
from bot.core.store.lock import LOCK_NAME
from bot.core.store.migrations import MIGRATIONS
from bot.core.store.schema import OBJECTS, fault_of_schema

NAME = "database"
RESTORE = (
    "Stop the bot, and bring back a backup: python -m bot restore FILE. Without one, move {file} "
    "away: the bot begins anew, and servers' model files stay in {guilds}."
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A guild's own model as it was when it was put on the shelf."""

    guild: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """As much of the database as other checks need."""

    customs: dict[str, Customs] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)  # what each guild uses
    kept: tuple[Kept, ...] = ()


def examine_database(
    folder: Path, may_write: Callable[[Path], bool] = lambda path: os.access(path, os.W_OK)
) -> tuple[Finding, Ledger]:
    """Look at the database of a data folder."""
    file = folder / FILE_NAME
    if not file.exists():
        return ok(NAME, f"there is none yet; the first start makes {file}"), Ledger()
    try:
        with closing(_open(file)) as connection:
            [(version,)] = connection.execute("PRAGMA user_version").fetchall()
            ours = 0 < version <= len(MIGRATIONS)
            # First of all: to check a table is to work out whatever its schema has in it.
            if (
                ours
                and (fault := fault_of_schema(connection.execute(OBJECTS), MIGRATIONS[:version]))
                is not None
            ):
                raise sqlite3.DatabaseError(fault)
            [(answer,), *_] = connection.execute("PRAGMA quick_check").fetchall()
            if answer != "ok":
                raise sqlite3.DatabaseError(str(answer))
            ledger = _read(connection) if ours else Ledger()
    except sqlite3.OperationalError as error:
        seen = f"{file} cannot be read now: {in_words(error)}"
        way = "See that the user who runs the bot may read it, and try again."
        return wrong(NAME, seen, way), Ledger()
    except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
        way = RESTORE.format(file=file, guilds=folder / "guilds")
        return wrong(NAME, f"{file} is damaged: {in_words(error)}", way), Ledger()
    return _judge(file, version, ledger, may_write), ledger


def _judge(file: Path, version: int, ledger: Ledger, may_write: Callable[[Path], bool]) -> Finding:
    known = len(MIGRATIONS)
    if version > known:
        seen = f"{file} has version {version}; this Sonneteer knows {known}"
        return wrong(NAME, seen, "Update Sonneteer, or restore a backup of the older version.")
    closed = [each for each in (file, file.parent / LOCK_NAME) if each.exists()]
    closed = [each for each in closed if not may_write(each)]
    if closed:
        seen = f"{closed[0]} may not be written by this user"
        return wrong(NAME, seen, "Give the data folder to the user that runs the bot.")
    in_use = is_open(file.parent)
    use = (
        "" if in_use is None else "; a bot has it open, which is fine" if in_use else "; not in use"
    )
    servers = len({*ledger.customs, *ledger.choices, *(kept.guild for kept in ledger.kept)} - {""})
    of_servers = f"{servers} server{'' if servers == 1 else 's'} in it"
    seen = f"{file} is sound, version {version}, {of_servers}{use}"
    if version < known:
        return warning(NAME, seen, f"The next start brings it to version {known}; back up before.")
    return ok(NAME, seen)


def _open(file: Path) -> sqlite3.Connection:
    """Open for reading.

    A reader makes SQLite's side files where there are none, and leaves them. Without a log to read,
    the file can as well be read as one that nobody changes.
    """
    log = file.with_name(f"{file.name}-wal")
    return open_beside(file, BUSY_SECONDS, alone=not log.exists())


def _read(connection: sqlite3.Connection) -> Ledger:
    settings: defaultdict[str, dict[str, object]] = defaultdict(dict)
    for guild, name, value in connection.execute("SELECT guild, name, value FROM settings"):
        settings[guild][name] = json.loads(value)
    rows = connection.execute("SELECT guild, name, sha256 FROM choices ORDER BY id")
    choices = {guild: Choice(name, sha256) for guild, name, sha256 in rows}  # the latest stays
    kept = connection.execute("SELECT guild, name, sha256 FROM models ORDER BY guild, name")
    return Ledger(
        {guild: read_customs(values) for guild, values in settings.items()},
        {guild: choice for guild, choice in choices.items() if choice.name},
        tuple(Kept(*row) for row in kept),
    )


def is_open(folder: Path) -> bool | None:
    """Whether a bot has the data folder; None where that cannot be told.

    The lock is tried with a share for an instant: a bot that starts in that very instant would be
    refused, and start at the second try.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        for lock in (folder / LOCK_NAME, *folder.glob("shard-*")):
            with lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
