"""Whether a database has the schema that our migrations make, and nothing else.

What else there is would run: triggers, views, expressions in indexes, checks and defaults.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing

from bot.core.store.connection import GuardedConnection

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
NOT_OURS = "its database is none of Sonneteer's"

Thing = tuple[object, ...]


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
