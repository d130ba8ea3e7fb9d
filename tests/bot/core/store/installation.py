"""An installation without a bot: a data folder, shared models, and where its backups go."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.core.store.archive import BackupSummary, RestoreSummary, back_up, restore
from bot.core.store.database import FILE_NAME
from bot.core.store.schema import MIGRATIONS


@dataclass(frozen=True)
class Installation:
    """A data folder, a folder of shared models, and where its backups go."""

    home: Path

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def file(self) -> Path:
        return self.home / "backup.tar"

    def put(self, name: str, content: bytes) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def have(self, lines: int) -> None:
        """Have a sound database that says `lines`."""
        self.data.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.data / FILE_NAME)) as connection:
            connection.executescript(";".join(("BEGIN", *MIGRATIONS, "COMMIT")))
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
            connection.execute("INSERT INTO guilds VALUES ('10')")
            connection.execute("INSERT INTO settings VALUES ('10', 'lines', ?)", (str(lines),))
            connection.commit()

    def lines(self) -> int:
        """Return what the database says."""
        with closing(sqlite3.connect(self.data / FILE_NAME)) as connection:
            [(value,)] = connection.execute("SELECT value FROM settings WHERE name = 'lines'")
        return int(value)

    def back_up(self) -> BackupSummary:
        return back_up(self.data, self.models, self.file)

    def restore(self, file: Path | None = None) -> RestoreSummary:
        return restore(file or self.file, self.data, self.models)


def tree(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder but the lock, which whoever looks may leave."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
