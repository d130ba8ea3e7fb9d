"""The database's schema, as the steps that made it: forward only, one transaction each.

A database says in `user_version` how many of them it has had. Never change one that has been
released; add the next, and say why.
"""

from __future__ import annotations

# 1: books, whose they are, and what guilds have settled. Guilds and people are Discord's numbers
# as text; "" is the host's own shelf, which no guild owns. Times are ISO 8601 in UTC.
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

MIGRATIONS = (BOOKS, UNFINISHED)


def migration_script(number: int, script: str) -> str:
    """Return the statements that bring a database to version `number`, or change nothing."""
    return f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;"
