-- A database as Sonneteer's first release with books left it. Never change this file: databases
-- like it are out there.
CREATE TABLE guilds (
    guild TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    guild TEXT NOT NULL REFERENCES guilds ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (guild, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guild TEXT NOT NULL REFERENCES guilds ON DELETE CASCADE,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    characters INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('proposed', 'waiting', 'running', 'done', 'failed', 'cancelled')),
    asker TEXT NOT NULL DEFAULT '',
    channel TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    created TEXT NOT NULL,
    ended TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0.0,
    loss REAL,
    sentence TEXT NOT NULL DEFAULT '',
    told INTEGER NOT NULL DEFAULT 0
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

CREATE TABLE choices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guild TEXT NOT NULL REFERENCES guilds ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    chosen TEXT NOT NULL,
    chosen_by TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX choices_by_guild ON choices (guild, id);

INSERT INTO guilds VALUES ('10');
INSERT INTO settings VALUES ('10', 'lines', '8');
INSERT INTO jobs (guild, name, title, source, characters, state, asker, created)
    VALUES ('10', 'dunes', 'The Dunes', 'an attachment', 90000, 'done', 'discord:1',
            '2026-11-25T00:00:00+00:00');
INSERT INTO models VALUES ('10', 'dunes', 'abababab', 'The Dunes', 'an attachment',
                           '2026-11-25T01:00:00+00:00', 'discord:1', 1);
INSERT INTO choices (guild, name, sha256, chosen, chosen_by)
    VALUES ('10', 'dunes', 'abababab', '2026-11-25T01:00:00+00:00', 'discord:1');
PRAGMA user_version = 1;
