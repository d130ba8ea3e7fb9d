"""Databases of strangers: what would run is refused, and of the rest only sound rows come in."""

# ruff: noqa: S608 - statements of strangers are what this is about

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.app import make_library, open_app
from bot.config import Config
from bot.core.errors import DataFolderUnusable
from bot.core.store.column_rules import COLUMN_RULES, NOT_KEPT
from bot.core.store.connection import GuardedConnection
from bot.core.store.database import FILE_NAME, Database
from bot.core.store.rebuild import MAX_BYTES, Unsound, rebuild
from bot.core.store.schema import MIGRATIONS
from tests.apps import FakeTrainer
from tests.bot.core.store.forgery import Forged, Refused, change_database
from tests.bot.core.store.installation import Installation

TIME = "2026-11-26T00:00:00+00:00"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
JOB = {
    "guild": "10",
    "name": "dunes",
    "title": "The Dunes",
    "source": "an attachment",
    "characters": 9,
    "state": "done",
    "created": TIME,
}
MODEL = {
    "guild": "10",
    "name": "dunes",
    "sha256": "ab" * 32,
    "book": "The Dunes",
    "source": "an attachment",
    "added": TIME,
}
CHOICE = {"guild": "10", "name": "dunes", "sha256": "ab" * 32, "chosen": TIME}


def rebuilt(table: str, old: str, new: str) -> str:
    """Return statements that make one of our tables otherwise."""
    script = "".join(MIGRATIONS)
    begin = script.index(f"CREATE TABLE {table} ")
    made = script[begin : script.index(";\n", begin)]
    assert old in made
    return f"DROP TABLE {table}; {made.replace(old, new)};"


def smuggled(kind: str, name: str, sql: str) -> str:
    """Return statements that write to the schema itself."""
    row = f"('{kind}', '{name}', '{name}', 0, '{sql}')"
    return f"PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES {row};"


STRANGE_SCHEMAS = {
    "a trigger that plants rights": "CREATE TRIGGER t AFTER INSERT ON settings BEGIN INSERT INTO "
    "settings VALUES ('11', 'managers', '[\"666\"]'); END",
    "a trigger without an end": "CREATE TRIGGER t AFTER INSERT ON guilds BEGIN "
    f"SELECT count(*) FROM ({ENDLESS} SELECT x FROM c); END",
    "a view without an end": f"CREATE VIEW v AS {ENDLESS} SELECT x FROM c",
    "a view in the place of a table": "DROP TABLE choices; CREATE VIEW choices AS SELECT 1 AS id",
    "a virtual table": "CREATE VIRTUAL TABLE v USING fts5(text)",
    "one more table": "CREATE TABLE evil (x)",
    "one more index": "CREATE INDEX evil ON settings (name)",
    "an index on an expression": "CREATE INDEX evil ON settings (hex(zeroblob(100000)))",
    "an index on other rows": "DROP INDEX jobs_by_guild; "
    "CREATE INDEX jobs_by_guild ON jobs (guild, created) WHERE id < 0",
    "ids that are text": rebuilt("jobs", "INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT PRIMARY KEY"),
    "any type": rebuilt("settings", "STRICT, WITHOUT ROWID", "WITHOUT ROWID"),
    "another check": rebuilt("jobs", "'cancelled')", "'cancelled', 'evil')"),
    "another type": rebuilt("jobs", "told INTEGER", "told TEXT"),
    "a default": rebuilt("jobs", "DEFAULT 0.0", "DEFAULT (random())"),
    "a generated column": rebuilt("choices", "sha256 TEXT NOT NULL", "sha256 TEXT AS (name)"),
    "a collation": rebuilt("models", "COLLATE NOCASE", "COLLATE RTRIM"),
    "a conflict that is settled": rebuilt("settings", "NOT NULL,", "NOT NULL ON CONFLICT IGNORE,"),
    "no foreign key": rebuilt("choices", " REFERENCES guilds ON DELETE CASCADE", ""),
    "a trigger that calls itself statistics": smuggled(
        "table",
        "sqlite_stat1",
        "CREATE TRIGGER sqlite_stat1 AFTER INSERT ON guilds BEGIN SELECT 1; END",
    ),
    "a trigger that calls itself a table": smuggled(
        "table", "jobs", "CREATE TRIGGER jobs AFTER INSERT ON guilds BEGIN SELECT 1; END"
    ),
    "a comment's sign within quotes": rebuilt("jobs", "DEFAULT ''", "DEFAULT '--' CHECK (1)\n"),
    "names without an end": f"CREATE TABLE '{'x' * 5_000}' (x)",
}


@pytest.mark.parametrize("what", STRANGE_SCHEMAS)
def test_a_schema_that_is_not_ours_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, what: str
) -> None:
    file = change_database(forged, tmp_path, STRANGE_SCHEMAS[what])
    refused(file, "cannot be restored: its database is ")


@pytest.mark.parametrize("what", STRANGE_SCHEMAS)
async def test_a_data_folder_that_has_it_already_is_not_opened(
    here: Installation, what: str
) -> None:
    """An earlier version would have restored it."""
    with closing(sqlite3.connect(here.data / FILE_NAME)) as connection:
        connection.executescript(STRANGE_SCHEMAS[what])
    with pytest.raises(DataFolderUnusable, match="database") as caught:
        await Database.open(here.data)
    assert len(str(caught.value)) < 1_000
    with pytest.raises(DataFolderUnusable):
        here.back_up()


async def test_a_job_that_is_called_like_a_folder_removes_nothing(
    forged: Forged, there: Installation, refused: Refused, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    values = {**JOB, "id": str(precious), "state": "proposed", "created": "2000-01-01T00:00:00Z"}
    text = rebuilt("jobs", "INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT PRIMARY KEY")
    refused(change_database(forged, tmp_path, text + inserting("jobs", values)), "is not as")
    with closing(sqlite3.connect(there.data / FILE_NAME)) as connection:
        connection.executescript(text + inserting("jobs", values))
    config = Config(home=there.home)
    with pytest.raises(DataFolderUnusable):
        async with open_app(config, make_library(config), FakeTrainer()):
            pass
    assert precious.is_dir()


# Rows


def inserting(table: str, values: dict[str, Any], *more: str) -> str:
    shown = ", ".join(
        "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value)
        for value in values.values()
    )
    first = "PRAGMA ignore_check_constraints = ON; INSERT OR REPLACE INTO"
    return f"{first} {table} ({', '.join(values)}) VALUES ({shown}); {';'.join(more)}"


STRANGE_NUMBERS = ["../10", "010", "0", "-1", "١٢", "1" * 21, "99999999999999999999", "10 ", "1e3"]
STRANGE_TIMES = ["a time of its own", "", "2026-11-26", "2026-11-26T00:00:00", "2026-13-01T00:00Z"]
STRANGE_VALUES: dict[str, list[Any]] = {
    "guild": STRANGE_NUMBERS,
    "id": [-1, 0, 2**53, 2**63 - 1, -(2**63)],
    "name": [
        "../dunes",
        "/etc/passwd",
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "x" * 65,
        "d\n",
        "_book",
        "C:",
    ],
    "characters": [-1, 2**62],
    "state": ["evil", "", "DONE"],
    "asker": ["discord:", "discord:../1", "discord:1\n", "somebody", "terminal:x", "x" * 9_999],
    "channel": STRANGE_NUMBERS,
    "message": STRANGE_NUMBERS,
    "created": STRANGE_TIMES,
    "ended": STRANGE_TIMES[:1],
    "seconds": [-1.0, "9e999", "-9e999", 1e300],
    "loss": ["9e999", -0.5],
    "told": [2, -1],
}


@pytest.mark.parametrize(
    ("column", "value"),
    [(name, each) for name, values in STRANGE_VALUES.items() for each in values],
)
def test_a_job_that_no_sonneteer_keeps_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, column: str, value: object
) -> None:
    guilds = f"INSERT OR IGNORE INTO guilds VALUES ('{value}')" if column == "guild" else ""
    script = inserting("jobs", {**JOB, column: value}, guilds)
    if str(value).endswith("9e999"):
        script = script.replace(f"'{value}'", str(value))
    file = change_database(forged, tmp_path, script)
    refused(file, "cannot be restored: (in its database a row|its database is damaged)")


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("guilds", {"guild": "../../etc"}),
        ("models", {**MODEL, "name": "../dunes"}),
        ("models", {**MODEL, "sha256": "../" * 9}),
        ("models", {**MODEL, "added": "yesterday"}),
        ("models", {**MODEL, "job": 77}),
        ("models", {**MODEL, "guild": "12"}),
        ("choices", {**CHOICE, "name": "../dunes"}),
        ("choices", {**CHOICE, "name": "a/b"}),
        ("choices", {**CHOICE, "guild": "12"}),
        ("choices", {**CHOICE, "chosen_by": "root"}),
        ("choices", {**CHOICE, "id": -5}),
        ("settings", {"guild": "12", "name": "lines", "value": "8"}),
        ("settings", {"guild": "", "name": "lines", "value": "8"}),
    ],
)
def test_a_row_that_no_sonneteer_keeps_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, table: str, values: dict[str, Any]
) -> None:
    file = change_database(forged, tmp_path, inserting(table, values))
    refused(file, "cannot be restored: (in its database a row|its database is damaged)")


@pytest.mark.parametrize("last", [2**63 - 1, -1, "'1'", 0.5])
def test_numbers_that_are_used_up_are_refused(
    forged: Forged, refused: Refused, tmp_path: Path, last: object
) -> None:
    script = inserting("jobs", JOB, f"UPDATE sqlite_sequence SET seq = {last}")
    refused(change_database(forged, tmp_path, script), "numbers that Sonneteer never gives")


def test_a_value_that_is_huge_is_refused(forged: Forged, refused: Refused, tmp_path: Path) -> None:
    script = "UPDATE settings SET value = hex(zeroblob(2000000))"
    refused(change_database(forged, tmp_path, script), "too big")


def test_text_that_is_none_is_refused(forged: Forged, refused: Refused, tmp_path: Path) -> None:
    script = "UPDATE settings SET value = CAST(x'ff' AS TEXT)"
    refused(change_database(forged, tmp_path, script), "its database is damaged")


def test_a_file_that_is_huge_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "huge.db").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(Unsound, match="more than 536,870,912 bytes"):
        rebuild(tmp_path / "huge.db", tmp_path / "fresh.db")


def rows_of(installation: Installation, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(installation.data / FILE_NAME)) as connection:
        return connection.execute(question).fetchall()


def test_settings_that_are_none_are_left_out_and_the_others_come(
    forged: Forged, there: Installation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = {
        "managers": json.dumps(["5", "6"]),
        "channels": json.dumps(["../5"]),
        "form": '"opera"',
        "evil": "1",
        "temperature": "[" * 50_000,
        "cooldown_seconds": "NaN",
        "avoid": json.dumps(["gloom"]),
    }
    script = "".join(
        inserting("settings", {"guild": "10", "name": name, "value": value})
        for name, value in rows.items()
    )
    there.restore(change_database(forged, tmp_path, script))
    assert rows_of(there, "SELECT name, value FROM settings ORDER BY name") == [
        *(("avoid", '["gloom"]'), ("lines", "8"), ("managers", '["5", "6"]')),
    ]
    [line] = caplog.messages
    assert line.startswith("5 settings are not known to this Sonneteer and are left out")


def test_words_come_without_what_no_reader_sees(
    forged: Forged, there: Installation, tmp_path: Path
) -> None:
    title = f"The\x1b[2J \u202eDunes{'!' * 999}"
    there.restore(change_database(forged, tmp_path, inserting("jobs", {**JOB, "title": title})))
    [(shown,)] = rows_of(there, "SELECT title FROM jobs")
    assert shown.startswith("The[2J Dunes!!")
    assert len(shown) <= 200


def test_a_number_that_was_given_is_not_given_again(
    forged: Forged, there: Installation, tmp_path: Path
) -> None:
    """A message of the training that had it may still have its buttons."""
    script = inserting("jobs", {**JOB, "id": 7}, "DELETE FROM jobs")
    there.restore(change_database(forged, tmp_path, script))
    with closing(sqlite3.connect(there.data / FILE_NAME)) as connection:
        connection.executescript(inserting("jobs", JOB))
    assert rows_of(there, "SELECT id FROM jobs") == [(8,)]


def test_a_poem_that_was_half_written_at_the_backup_is_not_taken_back_after_the_restore(
    forged: Forged, there: Installation, tmp_path: Path
) -> None:
    script = "INSERT INTO unfinished VALUES ('31', '20', '10')"
    there.restore(change_database(forged, tmp_path, script))
    assert rows_of(there, "SELECT * FROM unfinished") == []


def test_what_an_analysis_left_is_not_minded(
    forged: Forged, there: Installation, tmp_path: Path
) -> None:
    there.restore(change_database(forged, tmp_path, "ANALYZE"))
    assert there.lines() == 8


def test_there_is_a_rule_for_each_column() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(";".join(MIGRATIONS))
        columns = {
            table: [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
            for table in COLUMN_RULES
        }
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        assert {name for (name,) in tables} == {*COLUMN_RULES, *NOT_KEPT, "sqlite_sequence"}
    assert {table: list(rules) for table, rules in COLUMN_RULES.items()} == columns


# However a file is opened


@pytest.fixture
def guarded(here: Installation) -> Any:
    path = here.data / FILE_NAME
    with closing(sqlite3.connect(path, factory=GuardedConnection)) as connection:
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH 'elsewhere.db' AS other",
        "PRAGMA writable_schema = ON",
        "PRAGMA trusted_schema = ON",
        "CREATE TRIGGER t AFTER INSERT ON guilds BEGIN SELECT 1; END",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE v USING fts5(text)",
        f"{ENDLESS} SELECT count(*) FROM c",
        "SELECT load_extension('evil')",
        "VACUUM INTO 'elsewhere.db'",
    ],
)
def test_what_no_statement_of_ours_does_is_refused(guarded: sqlite3.Connection, sql: str) -> None:
    with pytest.raises(sqlite3.Error, match=r"not authorized|authorization denied"):
        guarded.execute(sql)


@pytest.mark.parametrize(
    ("before", "sql"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON guilds BEGIN DELETE FROM settings; END", "INSERT"),
        ("DROP TABLE guilds; CREATE VIEW guilds AS SELECT '10' AS guild", "SELECT"),
    ],
)
def test_what_lies_in_a_file_does_not_run(here: Installation, before: str, sql: str) -> None:
    with closing(sqlite3.connect(here.data / FILE_NAME)) as connection:
        connection.executescript(before)
    statement = {"INSERT": "INSERT INTO guilds VALUES ('11')", "SELECT": "SELECT * FROM guilds"}
    opened = sqlite3.connect(here.data / FILE_NAME, factory=GuardedConnection)
    with closing(opened), pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited"):
        opened.execute(statement[sql])
    assert here.lines() == 8


class Hurried(GuardedConnection):
    SECONDS = 0.0


def test_a_question_ends() -> None:
    with closing(sqlite3.connect(":memory:", factory=Hurried)) as connection:
        connection.execute("CREATE TABLE a (x)")
        connection.executemany("INSERT INTO a VALUES (?)", ((x,) for x in range(100)))
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            connection.execute("SELECT count(*) FROM a, a, a, a, a, a").fetchall()


def test_what_goes_with_a_guild_still_goes(guarded: sqlite3.Connection) -> None:
    guarded.execute("PRAGMA foreign_keys = ON")
    guarded.execute("DELETE FROM guilds")
    assert guarded.execute("SELECT * FROM settings").fetchall() == []
