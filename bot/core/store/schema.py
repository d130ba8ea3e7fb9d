"""The database's schema: the steps that made it, and whether a database has it and nothing else.

The steps go forward only, one transaction each. A database says in `user_version` how many of them
it has had. Never change one that has been released; add the next, and say why.

What else there is in a database would run: triggers, views, expressions in indexes, checks and
defaults. So a schema that differs from ours is refused.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing

from bot.core.store.connection import GuardedConnection

# 1: books, whose they are, and the settings of guilds. Guilds and people are Discord's numbers
# as text; "" stands for shared models, which no guild owns. Times are ISO 8601 in UTC.
BOOKS = """
CREATE TABLE guilds (
    guild TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    guild TEXT NOT NULL REFERENCES guilds ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,  -- JSON
    PRIMARY KEY (guild, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guild TEXT NOT NULL REFERENCES guilds ON DELETE CASCADE,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    source TEXT NOT NULL,  -- a kind: attachment, address or Gutenberg number
    characters INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('proposed', 'waiting', 'running', 'done', 'failed', 'cancelled')),
    asker TEXT NOT NULL DEFAULT '',
    channel TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    created TEXT NOT NULL,
    ended TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0.0,  -- of training so far
    loss REAL,  -- of the model that came out, nats per character
    sentence TEXT NOT NULL DEFAULT '',  -- how it ended
    told INTEGER NOT NULL DEFAULT 0  -- whether its message says so
) STRICT;

CREATE INDEX jobs_by_guild ON jobs (guild, created);

CREATE TABLE models (
    guild TEXT NOT NULL REFERENCES guilds ON DELETE CASCADE,
    name TEXT NOT NULL COLLATE NOCASE,
    sha256 TEXT NOT NULL,
    book TEXT NOT NULL,
    source TEXT NOT NULL,
    added TEXT NOT NULL,
    added_by TEXT NOT NULL DEFAULT '',
    job INTEGER REFERENCES jobs ON DELETE SET NULL,
    PRIMARY KEY (guild, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE choices (  -- which model a guild used, the latest last; a name of '' is the default
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guild TEXT NOT NULL REFERENCES guilds ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    chosen TEXT NOT NULL,
    chosen_by TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX choices_by_guild ON choices (guild, id);
"""

# 2: messages that show half a poem, so that the next start can end those which the last one could
# not. Nothing of a poem, a seed or a person is in it, and a row goes as soon as its poem has ended.
UNFINISHED = """
CREATE TABLE unfinished (
    message TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    guild TEXT NOT NULL DEFAULT ''  -- '' for a direct message
) STRICT, WITHOUT ROWID;
"""

# 3: poems of the day, and poems that members kept. Numbers and counts alone: no text of a poem.
DAYS_AND_KEPT = """
CREATE TABLE days (  -- the latest poem of the day of each guild
    guild TEXT PRIMARY KEY REFERENCES guilds ON DELETE CASCADE,
    day TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT ''  -- '' while it is being sent
) STRICT, WITHOUT ROWID;

CREATE TABLE kept (
    message TEXT PRIMARY KEY,
    guild TEXT NOT NULL REFERENCES guilds ON DELETE CASCADE,
    channel TEXT NOT NULL DEFAULT '',  -- of the copy
    copy TEXT NOT NULL DEFAULT ''  -- '' until it is sent
) STRICT, WITHOUT ROWID;

CREATE INDEX kept_by_guild ON kept (guild);

CREATE TABLE keepers (
    message TEXT NOT NULL REFERENCES kept ON DELETE CASCADE,
    member TEXT NOT NULL,
    PRIMARY KEY (message, member)
) STRICT, WITHOUT ROWID;

CREATE INDEX keepers_by_member ON keepers (member);
"""

# 4: how long a training may learn, which its member chooses.
LENGTHS = """
ALTER TABLE jobs ADD COLUMN length TEXT NOT NULL DEFAULT 'long'
    CHECK (length IN ('short', 'long'));
"""

MIGRATIONS = (BOOKS, UNFINISHED, DAYS_AND_KEPT, LENGTHS)

MAX_OBJECTS = 1_000  # looked at; ours has some ten
MAX_SHOWN = 60  # characters of a name that is a stranger's
OBJECTS = f"SELECT type, name, tbl_name, sql FROM sqlite_schema LIMIT {MAX_OBJECTS}"  # noqa: S608
STATISTICS = {  # what an ANALYZE at the host's shell leaves
    ("table", name, name, f"CREATE TABLE {name}({columns})")
    for name, columns in (
        ("sqlite_stat1", "tbl,idx,stat"),
        ("sqlite_stat4", "tbl,idx,neq,nlt,ndlt,sample"),
    )
}
COMMENT = re.compile(r"--[^\n]*")
NOT_OURS = "its database is not one of Sonneteer's"

Thing = tuple[object, ...]


def migration_script(number: int, script: str) -> str:
    """Return the statements that bring a database to version `number`, or change nothing."""
    return f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;"


def fault_of_schema(found: Iterable[Thing], scripts: Sequence[str]) -> str | None:
    """Return in words what differs from the schema that `scripts` make, None if nothing does.

    `found` is what the other database answers to OBJECTS.
    """
    with closing(sqlite3.connect(":memory:", factory=GuardedConnection)) as ours:
        ours.executescript(";".join(scripts))
        expected = _plain_all(ours.execute(OBJECTS))
    found = _plain_all(found) - Counter(STATISTICS)
    for kind, name, *_ in found - expected:
        return f"{NOT_OURS}: its {_shown(kind)} {_shown(name)} is not as Sonneteer makes it"
    for kind, name, *_ in expected - found:
        return f"{NOT_OURS}: no such {kind}: {name}"
    return None


def _plain_all(rows: Iterable[Thing]) -> Counter[Thing]:
    return Counter((*names, _plain(sql)) for *names, sql in rows)


def _plain(sql: object) -> object:
    """Return a statement without comments and line breaks, in which two of ours may differ.

    No text within quotes has blanks in ours. So a comment's sign within quotes, behind which SQLite
    reads on, leaves a blank where there is none in ours.
    """
    return " ".join(COMMENT.sub(" ", sql).split()) if isinstance(sql, str) else sql


def _shown(name: object) -> str:
    return ascii(name)[:MAX_SHOWN]
