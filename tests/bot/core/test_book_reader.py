"""Long books are read in a process of their own, and it is the same as reading them here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bot.core.book_reader import MEMORY_BYTES, SHORT_BYTES, read_book_in_sandbox, read_file
from bot.core.errors import BookRefused
from bot.core.languages import translate
from tests.texts import quatrains


async def test_a_long_book_is_read_elsewhere_and_alike(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text(quatrains(1200))
    assert path.stat().st_size > SHORT_BYTES
    assert await read_book_in_sandbox(path, "Bücher\n") == read_file(path, "Bücher\n")


async def test_a_long_book_is_refused_with_the_same_sentence(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("la la\n" * 20_000)
    with pytest.raises(BookRefused) as here:
        read_file(path, "Lalala")
    with pytest.raises(BookRefused) as elsewhere:
        await read_book_in_sandbox(path, "Lalala")
    assert str(elsewhere.value) == str(here.value)
    assert translate(elsewhere.value.sentence, "de") == (
        "Aus dem Buch 'Lalala' kann ein Modell nichts lernen: es hat nur 2 verschiedene Zeichen. "
        "Gib einen abwechslungsreicheren Text an."
    )


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="memory is not limited there")
async def test_a_book_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.touch()
    os.truncate(path, MEMORY_BYTES)  # it has no blocks on the disk
    with pytest.raises(BookRefused, match="too much time or memory"):
        await read_book_in_sandbox(path, "a book")
