"""What there is in a file that somebody wants to train on; read by the same code as train.py."""

from __future__ import annotations

from pathlib import Path

from bot.core.errors import BadSetting, BookRefused
from bot.core.jobs import FoundBook
from bot.core.names import MAX_TITLE, one_line
from model import MAX_BOOK_BYTES, BookError, SettingError, check_name, read_book, safe_name

__all__ = ["MAX_BOOK_BYTES", "fit_name", "one_line", "read_file"]

FIRST_LINES = 4
MAX_LINE = 80  # characters of each, as they are shown


def read_file(path: Path, title: str) -> FoundBook:
    """Read a book; raise BookRefused with the sentence that says why it is none.

    `title` holds unless the book has one of Project Gutenberg's headers.
    """
    try:
        book = read_book(path.read_bytes(), title)
    except BookError as error:
        raise BookRefused(str(error)) from error
    lines = (line.strip() for line in book.text.split("\n"))
    first = [line[:MAX_LINE] for line in lines if any(map(str.isalnum, line))][:FIRST_LINES]
    return FoundBook(
        title=one_line(book.title)[:MAX_TITLE] or "a book",
        characters=len(book.text),
        alphabet=len(set(book.text)),
        words=len(book.text.split()),
        first_lines=tuple(first),
        encoding=book.encoding,
        notes=book.notes,
        sha256=book.sha256,
    )


def fit_name(wanted: str, *, tidy: bool = False) -> str:
    """Return a name that a model may have; raise BadSetting, or with `tidy` make one of it.

    >>> fit_name("../../My book!", tidy=True)
    'My-book'
    """
    if tidy:
        return safe_name(wanted)
    try:
        return check_name(wanted)
    except SettingError as error:
        raise BadSetting("name", error.value, error.allowed) from error
