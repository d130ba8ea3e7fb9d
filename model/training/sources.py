"""The files that a book is read from; their bytes together are held to the limit of one book."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model.book import MAX_BOOK_BYTES, Book, read_books
from model.errors import BookMissing, BookTooLong


def read_paths(paths: Sequence[Path]) -> Book:
    """Read text files as one book; raise a BookError that names what is wrong."""
    sources = []
    room = MAX_BOOK_BYTES
    for path in paths:
        try:
            with path.open("rb") as file:
                raw = file.read(room + 1)
        except OSError as error:
            raise BookMissing(path, error.strerror or str(error)) from error
        if len(raw) > room:
            raise BookTooLong(path.name, max(path.stat().st_size, len(raw)), MAX_BOOK_BYTES)
        room -= len(raw)
        sources.append((path.stem, raw))
    return read_books(sources)
