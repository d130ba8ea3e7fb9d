"""Backups as a stranger would forge them: hashes and sizes are right, what they hold is not."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.core.store.backup_file import INDEX_NAME
from bot.core.store.database import FILE_NAME

Refused = Callable[[Path, str], None]


@dataclass
class Forged:
    """A backup that is sound until somebody changes it."""

    files: dict[str, bytes]
    index: dict[str, Any] = field(default_factory=dict)
    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    def seal(self) -> None:
        hashes = {name: hashlib.sha256(each).hexdigest() for name, each in self.files.items()}
        sizes = {name: len(each) for name, each in self.files.items()}
        created = "2026-11-26T00:00:00+00:00"
        self.index = {"format": 1, "created": created, "files": hashes, "sizes": sizes}
        self.members = [member_of(name, each) for name, each in self.files.items()]

    def write(self, path: Path) -> Path:
        first = member_of(INDEX_NAME, json.dumps(self.index).encode())
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for header, content in (first, *self.members):
                tar.addfile(header, io.BytesIO(content) if header.isreg() else None)
        return path


def member_of(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> Any:
    header = tarfile.TarInfo(name)
    header.size, header.type = len(content), kind
    if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        header.linkname = "/etc/passwd"
    return header, content


def change_database(forged: Forged, tmp_path: Path, script: str) -> Path:
    path = tmp_path / "changed.db"
    path.write_bytes(forged.files[FILE_NAME])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    forged.files[FILE_NAME] = path.read_bytes()
    forged.seal()
    return forged.write(tmp_path / "forged.tar")
