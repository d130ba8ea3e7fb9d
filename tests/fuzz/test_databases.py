"""Databases that somebody has tampered with: the same number gives the same file."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from bot.core.store.column_rules import COLUMN_RULES
from bot.core.store.rebuild import Unsound, rebuild
from bot.core.store.schema import MIGRATIONS, OBJECTS, fault_of_schema

FEW, MANY = 150, 10_000
PAGE = 512  # small, so that there are many
SPECIAL = (0, 1, 2, 5, 10, 13, 127, 128, 255)  # kinds of pages, ends of numbers
OLDEST = Path(__file__).resolve().parents[1] / "data" / "schema_1.sql"


def good_database(folder: Path) -> bytes:
    path = folder / "good.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.executescript(OLDEST.read_text())
        connection.executemany(
            "INSERT INTO jobs (guild, name, title, source, characters, state, created, seconds) "
            "VALUES ('10', ?, 'The Dunes', 'an attachment', 9, 'done', '2026-11-26T00:00:00Z', 1)",
            [(f"dunes-{number}",) for number in range(40)],
        )
        connection.commit()
    return path.read_bytes()


def mutant(good: bytes, number: int) -> bytes:
    """Return the file with one fault or several: within a page, of whole pages, at the end."""
    chance = random.Random(number)
    raw = bytearray(good)
    pages = len(raw) // PAGE
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        page = PAGE * chance.randrange(pages)
        match chance.randrange(5):
            case 0:
                raw[chance.randrange(100)] = chance.choice(SPECIAL)  # the file's header
            case 1:
                raw[page + chance.randrange(24)] = chance.choice(SPECIAL)  # a page's
            case 2:
                raw[page + chance.randrange(PAGE)] = chance.randrange(256)
            case 3:
                other = PAGE * chance.randrange(pages)
                raw[page : page + PAGE] = raw[other : other + PAGE]
            case _:
                text = chance.choice((b"dunes", b"done", b"discord", b"CREATE", b"lines", b"2026"))
                spoilt = bytes(chance.choice((letter, 0, 34, 39, 46, 47, 255)) for letter in text)
                raw = bytearray(raw.replace(text, spoilt, chance.randrange(1, 4)))
    return bytes(raw[: chance.randrange(len(raw))] if chance.random() < 0.1 else raw)


def prove(folder: Path, numbers: range) -> Counter[str]:
    """Have mutants made anew; whatever is made has our schema, and rows that keep the rules."""
    good, outcomes, sentences = good_database(folder), Counter[str](), list[str]()
    for number in numbers:
        source, into = folder / "mutant.db", folder / f"fresh-{number}.db"
        source.write_bytes(mutant(good, number))
        try:
            rebuild(source, into)
        except Unsound as error:
            outcomes["refused"] += 1
            sentences.append(str(error))
        except Exception as error:
            raise AssertionError(f"mutant {number}") from error
        else:
            look_at(into)
            outcomes["made anew"] += 1
        for path in folder.glob("fresh-*"):
            path.unlink()
    assert all(len(sentence) < 500 and sentence.isprintable() for sentence in sentences)
    return outcomes


def look_at(fresh: Path) -> None:
    with closing(sqlite3.connect(fresh)) as connection:
        assert fault_of_schema(connection.execute(OBJECTS), MIGRATIONS) is None
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for table, rules in COLUMN_RULES.items():
            for row in connection.execute(f"SELECT {', '.join(rules)} FROM {table}"):  # noqa: S608
                assert [rule(value) for rule, value in zip(rules.values(), row, strict=True)] == [
                    *row
                ]


def test_the_database_that_is_mutated_is_good(tmp_path: Path) -> None:
    (tmp_path / "source.db").write_bytes(good_database(tmp_path))
    rebuild(tmp_path / "source.db", tmp_path / "fresh.db")
    look_at(tmp_path / "fresh.db")


def test_a_database_that_was_tampered_with_is_refused_or_made_anew(tmp_path: Path) -> None:
    outcomes = prove(tmp_path, range(FEW))
    assert outcomes["refused"] > FEW / 3
    assert outcomes["made anew"] > FEW / 20


@pytest.mark.slow
def test_many_databases_that_were_tampered_with_are_refused_or_made_anew(tmp_path: Path) -> None:
    prove(tmp_path, range(FEW, MANY))
