"""A backup as a file: a plain tar whose first member, backup.json, has every other's hash and size.

Its headers are read here and not by tarfile, which would follow links, sparse maps and headers of
any size: a backup may come from a stranger.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from bot.core.errors import BackupUnusable
from bot.core.guild_settings import is_snowflake
from bot.core.names import is_device
from bot.core.store.database import FILE_NAME

FORMAT = 1
INDEX_NAME = "backup.json"
GUILDS, MODELS = "guilds", "models"
# No separators, drives, control characters or halves of characters, and nothing hidden.
STEM = r"[^./\\:\x00-\x1f\x7f\ud800-\udfff][^/\\:\x00-\x1f\x7f\ud800-\udfff]{0,199}"
MODEL = ".safetensors"
SUFFIXES = {GUILDS: (MODEL, ".png", ".txt"), MODELS: (MODEL, ".png")}  # what trainings leave
MEMBER = re.compile(
    rf"{re.escape(FILE_NAME)}|{GUILDS}/(?P<guild>[0-9]{{1,20}})/{STEM}\.(safetensors|png|txt)"
    rf"|{MODELS}/{STEM}\.(safetensors|png)"
)
SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_TAR_NAME = 100  # bytes that a tar's plain header has for a file's name
MAX_INDEX_BYTES = 16 * 2**20  # some 80,000 files
CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class BackupEntry:
    """A file in a backup."""

    sha256: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class BackupIndex:
    """What is in a backup: files by their names, such as guilds/1234/dunes.safetensors."""

    created: str  # ISO 8601
    files: Mapping[str, BackupEntry]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files.values())

    def count(self, folder: str) -> int:
        """Return how many models lie in a folder."""
        names = (name for name in self.files if name.startswith(f"{folder}/"))
        return sum(name.endswith(MODEL) for name in names)

    def as_json(self) -> bytes:
        hashes = {name: entry.sha256 for name, entry in self.files.items()}
        sizes = {name: entry.size for name, entry in self.files.items()}
        content = {"format": FORMAT, "created": self.created, "files": hashes, "sizes": sizes}
        return json.dumps(content, indent=1).encode()


def write_backup(into: Path, index: BackupIndex, contents: Mapping[str, Path]) -> None:
    """Write a new backup of the files that `contents` has for the index's names."""
    made = int(datetime.fromisoformat(index.created).timestamp())
    first = index.as_json()
    # Readable by its owner only: members' numbers are in it.
    descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            tar.addfile(_header(INDEX_NAME, len(first), made), BytesIO(first))
            for name, entry in index.files.items():
                with contents[name].open("rb") as content:
                    tar.addfile(_header(_member(name), entry.size, made), content)
        raw.flush()
        os.fsync(raw.fileno())


def read_index(file: Path, archive: BinaryIO) -> BackupIndex:
    """Read what a backup says it has, from its beginning; raise BackupUnusable."""
    header = _next_header(file, archive)
    sound = header is not None and header.name == INDEX_NAME
    if header is None or not sound or not 0 < header.size <= MAX_INDEX_BYTES:
        raise BackupUnusable(file, "it is not a Sonneteer backup")
    try:
        content = json.loads(b"".join(_content(file, archive, header.size)))
        version = content["format"]
        if type(version) is not int:
            raise TypeError
        if version != FORMAT:
            reason = f"it has format {version}; this Sonneteer knows {FORMAT}"
            raise BackupUnusable(file, f"{reason}. Update Sonneteer")
        sizes = content["sizes"]
        files = {
            name: BackupEntry(sha256, sizes[name]) for name, sha256 in content["files"].items()
        }
        created = datetime.fromisoformat(content["created"]).isoformat()
        sound = FILE_NAME in files and all(map(_is_sound, files, files.values()))
        sound = sound and len({_member(name) for name in files}) == len(files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BackupUnusable(file, f"its {INDEX_NAME} cannot be read") from error
    if not sound:
        raise BackupUnusable(file, f"its {INDEX_NAME} lists files that no backup has")
    return BackupIndex(created, files)


def unpack(file: Path, archive: BinaryIO, index: BackupIndex, into: Path) -> None:
    """Write the files that come after the index into a folder; raise BackupUnusable, or OSError
    where they cannot be written."""
    missing = {_member(name): name for name in index.files}
    while (header := _next_header(file, archive)) is not None:
        if header.name not in missing:
            raise BackupUnusable(file, f"it has a {header.name!r} that it does not list")
        name = missing.pop(header.name)
        if header.size != index.files[name].size:
            raise BackupUnusable(file, f"its {name!r} does not have the size that it lists")
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if write_file(path, _content(file, archive, header.size)) != index.files[name].sha256:
            raise BackupUnusable(file, f"its {name!r} is damaged")
    if missing:
        raise BackupUnusable(file, f"its {min(missing)!r} is missing")


def describe_file(path: Path) -> BackupEntry:
    """Return the hash and size of a file."""
    with path.open("rb") as file:
        return BackupEntry(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def write_file(path: Path, blocks: Iterable[bytes]) -> str:
    """Write a new file that outlasts a power cut; return its hash.

    Raises FileExistsError, also where the disk holds two names for one: Dunes and dunes, say.
    """
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for block in blocks:
            file.write(block)
            digest.update(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _is_sound(name: str, entry: BackupEntry) -> bool:
    plain = is_member(name) and SHA256.fullmatch(entry.sha256) is not None
    return plain and type(entry.size) is int and entry.size >= 0


def is_member(name: str) -> bool:
    """Whether a backup may have a file of that name.

    >>> [is_member(f"guilds/{name}.png") for name in ("10/dunes", "0/dunes", "10/con", "../dunes")]
    [True, False, False, False]
    """
    match = MEMBER.fullmatch(name)
    if match is None or (match["guild"] is not None and not is_snowflake(match["guild"])):
        return False
    return not is_device(name.rpartition("/")[2])


def _member(name: str) -> str:
    """Return what a file is called in the tar: its name, or a hash of one that is too long.

    >>> _member("models/sonnets.png"), len(_member(f"models/{'x' * 150}.png"))
    ('models/sonnets.png', 75)
    """
    folder, _, last = name.rpartition("/")
    if len(last.encode()) <= MAX_TAR_NAME:
        return name
    return f"{folder}/{hashlib.sha256(last.encode()).hexdigest()}{Path(last).suffix}"


def _header(member: str, size: int, made: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(member)
    header.size, header.mtime, header.mode = size, made, 0o600
    return header


def _next_header(file: Path, archive: BinaryIO) -> tarfile.TarInfo | None:
    """Return the next member, a plain file; None at the end."""
    block = _read(file, archive, tarfile.BLOCKSIZE)
    if block == bytes(tarfile.BLOCKSIZE):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError) as error:
        raise BackupUnusable(file, "it is not a Sonneteer backup, or it is damaged") from error
    if header.type != tarfile.REGTYPE:
        raise BackupUnusable(file, f"its {header.name!r} is not a plain file")
    return header


def _content(file: Path, archive: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield a member's content, and skip what fills its last block."""
    padding = -size % tarfile.BLOCKSIZE
    while size:
        block = _read(file, archive, min(size, CHUNK_BYTES))
        size -= len(block)
        yield block
    _read(file, archive, padding)


def _read(file: Path, archive: BinaryIO, size: int) -> bytes:
    try:
        block = archive.read(size)
    except OSError as error:
        raise BackupUnusable(file, error.strerror or str(error)) from error
    if len(block) < size:
        raise BackupUnusable(file, "it ends too early, or is not a Sonneteer backup")
    return block
