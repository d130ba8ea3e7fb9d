"""Reads a book that a member wants to train on, with the same code as train.py.

A long one is read in a process of its own. Python's work on a text of megabytes is often one step
that lets nothing else run: a set of its characters, a pattern over all of it. In a thread, that
held up the bot for up to 0.8 s.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bot.core.errors import BadSetting, BookRefused
from bot.core.jobs import FoundBook
from bot.core.languages import sentence
from bot.core.model_sentences import as_sentence
from bot.core.names import MAX_TITLE, one_line
from bot.core.sandbox import (
    START_SECONDS,
    end_with_the_bot,
    limit_this_process,
    sandboxed_process,
)
from model import BookError, SettingError, check_name, read_book, safe_name

FIRST_LINES = 4
MAX_LINE = 80  # characters of each, as they are shown
SHORT_BYTES = 64 * 2**10  # whose steps take 10 ms at most; a process takes a second to start
SECONDS = 60.0  # 64 MB take 30
CPU_SECONDS = 60
MEMORY_BYTES = 3 * 2**30  # of addresses; 64 MB of four-byte characters take 1.5 GB
MAX_REFUSAL_BYTES = 4_000
MODULE = "bot.core.book_reader"
FOUND = TypeAdapter(FoundBook)


def read_file(path: Path, title: str) -> FoundBook:
    """Read a book; raise BookRefused with the sentence that says why it cannot be one.

    `title` holds unless the book has one of Project Gutenberg's headers.
    """
    try:
        book = read_book(path.read_bytes(), title)
    except BookError as error:
        raise BookRefused(as_sentence(error)) from error
    lines = (line.strip() for line in book.text.split("\n"))
    first = [line[:MAX_LINE] for line in lines if any(map(str.isalnum, line))][:FIRST_LINES]
    return FoundBook(
        title=one_line(book.title)[:MAX_TITLE] or "a book",
        characters=len(book.text),
        alphabet=len(set(book.text)),
        words=len(book.text.split()),
        first_lines=tuple(first),
        encoding=book.encoding,
        notes=tuple(map(as_sentence, book.notes)),
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
        raise BadSetting("name", error.value, as_sentence(error.allowed)) from error


async def read_book_in_sandbox(path: Path, title: str) -> FoundBook:
    """Do what `read_file` does, without holding up the loop."""
    if await asyncio.to_thread(_size, path) <= SHORT_BYTES:
        return await asyncio.to_thread(read_file, path, title)
    instructions = json.dumps({"path": str(path), "title": title}).encode()
    try:
        async with (
            asyncio.timeout(SECONDS + START_SECONDS),
            sandboxed_process(MODULE, instructions) as process,
        ):
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            answer = await process.stdout.read()
    except TimeoutError:
        answer = b""
    if answer.startswith(b"!"):
        told = answer[1 : MAX_REFUSAL_BYTES + 1].decode("utf-8", "replace")
        raise BookRefused(as_sentence(told))
    try:
        found = FOUND.validate_json(answer)
        return replace(found, notes=tuple(map(as_sentence, found.notes)))
    except ValidationError as error:
        raise BookRefused(
            sentence(
                "The book {name} takes too much time or memory to read. Send a part of it.",
                name=repr(title),
            )
        ) from error


def _size(path: Path) -> int:
    return path.stat().st_size


def main() -> None:
    instructions = json.loads(sys.stdin.buffer.readline())
    end_with_the_bot()
    limit_this_process(cpu_seconds=CPU_SECONDS, memory_bytes=MEMORY_BYTES)
    try:
        answer = FOUND.dump_json(read_file(Path(instructions["path"]), instructions["title"]))
    except BookRefused as error:
        answer = b"!" + str(error).encode("utf-8", "replace")
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()
