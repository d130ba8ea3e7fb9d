"""Books of Project Gutenberg by their number, each fetched once and kept.

A book is kept as text with a record beside it. The record is written last and holds the SHA-256 of
the text, so a text without one, half a one or another one is fetched again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from weakref import WeakValueDictionary

from yarl import URL

from bot.core.errors import SourceFailed, SourceRefused
from bot.core.fetching.addresses import file_name
from bot.core.fetching.client import StatusNotOk
from bot.core.fetching.fetcher import FetchedBook, Fetcher
from bot.core.fetching.part_file import PartFile
from bot.core.languages import sentence
from bot.core.paths import named, remove_file

FORMAT = 1
MAX_NUMBER = 999_999  # about 77,000 books were there in 2025
MAX_KEPT_BYTES = 200_000_000  # some 500 books; members could else fill the host's disk
SITE = r"https?://(?:www\.)?gutenberg\.org"
NUMBER = "(?P<number>[1-9][0-9]{0,5})"
TYPED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        f"(?:#|pg)?{NUMBER}",
        rf"{SITE}/ebooks/{NUMBER}(?:\.txt(?:\.utf-8)?)?/?(?:[?#].*)?",
        rf"{SITE}/files/{NUMBER}/(?P=number)(?:-[0-9])?\.txt",
        rf"{SITE}/cache/epub/{NUMBER}/pg(?P=number)\.txt",
    )
)


def gutenberg_number(typed: str) -> int | None:
    """Read a book's number, or the address of its page or plain text; None for anything else.

    >>> gutenberg_number("#1041"), gutenberg_number("https://www.gutenberg.org/ebooks/1041")
    (1041, 1041)
    >>> gutenberg_number("https://example.org/ebooks/1041") is None
    True
    """
    for pattern in TYPED:
        if match := pattern.fullmatch(typed.strip()):
            return int(match["number"])
    return None


class Gutenberg:
    """Fetches books by number from `template`, which has {number} in it, and keeps them."""

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        template: str,
        folder: Path,
        max_kept_bytes: int = MAX_KEPT_BYTES,
    ) -> None:
        self._fetcher = fetcher
        self._template = template
        self._folder = folder
        self._max_kept_bytes = max_kept_bytes
        # One lock for each number that is being fetched; the last to hold it takes it along.
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def fetch(self, number: int) -> FetchedBook:
        """Return a book from the folder, from the site where it is not there or was changed.

        Raises what Fetcher.fetch raises, and SourceRefused for what can be no number.
        """
        if not 1 <= number <= MAX_NUMBER:
            reason = sentence("Project Gutenberg's numbers go from 1 to {most:,}", most=MAX_NUMBER)
            raise SourceRefused(str(number), reason)
        lock = self._locks.setdefault(number, asyncio.Lock())
        async with lock:
            kept = await asyncio.to_thread(self._read_kept, number)
            return kept or await self._fetch_anew(number)

    async def _fetch_anew(self, number: int) -> FetchedBook:
        url = self._template.replace("{number}", str(number))
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        try:
            fetched = await self._fetcher.fetch(url, self._text_path(number))
        except StatusNotOk as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            reason = sentence("Project Gutenberg has no plain text with that number")
            raise SourceFailed(str(number), reason) from error
        record = {
            "format": FORMAT,
            "url": fetched.url,
            "sha256": fetched.sha256,
            "size_bytes": fetched.size_bytes,
            "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with PartFile(self._record_path(number), str(number)) as part:
            await part.write(json.dumps(record, indent=2).encode() + b"\n")
            await part.finish()
            part.keep()
        await asyncio.to_thread(self._make_room)
        return fetched

    def _make_room(self) -> None:
        """Delete the books that were asked for longest ago, where all together are too large."""
        books: list[tuple[int, int, Path]] = []
        for path in self._folder.glob("gutenberg-*.txt"):
            with suppress(FileNotFoundError):  # another one makes room, too
                status = path.stat()
                books.append((status.st_mtime_ns, status.st_size, path))
        kept_bytes = 0
        for _, size_bytes, path in sorted(books, reverse=True):
            kept_bytes += size_bytes
            if kept_bytes > self._max_kept_bytes:
                remove_file(self._folder, path.with_suffix(".json").name)
                remove_file(self._folder, path.name)

    def _read_kept(self, number: int) -> FetchedBook | None:
        """Return the book that is in the folder, None unless it is whole and as it came."""
        path = self._text_path(number)
        try:
            record = json.loads(self._record_path(number).read_bytes())
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                size_bytes = file.tell()
            if record["format"] != FORMAT or record["sha256"] != sha256:
                return None
            now = time.time_ns()  # the kernel's own is of its last tick
            os.utime(path, ns=(now, now))  # shows how long ago it was asked for
            url = str(record["url"])
            return FetchedBook(url, path, size_bytes, sha256, file_name(URL(url)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # a new copy replaces one that is damaged in any way

    def _text_path(self, number: int) -> Path:
        return named(self._folder, f"gutenberg-{number:d}.txt")

    def _record_path(self, number: int) -> Path:
        return named(self._folder, f"gutenberg-{number:d}.json")
