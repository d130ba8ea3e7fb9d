"""Nothing that a stranger sends takes time by the square of its length."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import cycle, islice

import pytest

from bot.core.errors import BotError
from bot.core.fetching.addresses import read_url
from bot.core.fetching.gutenberg import gutenberg_number
from bot.core.guild_settings import check_words, plain
from bot.core.names import one_line
from bot.core.poem_settings import avoided_word
from bot.core.records import Asker, PoemRequest
from bot.discord_app.button_state import read_ownership, read_poem_state
from bot.discord_app.messages import read_flags
from bot.discord_app.poem_formatting import (
    escape,
    plain_words,
    read_last_line,
    read_verse,
    unescape,
)
from model import ModelError, read_book, safe_name
from model.book import find_openings
from model.capitals import find_names
from model.gutenberg import unwrap
from model.verse.pronunciation import MAX_LOOKUPS, MAX_WORD, Pronouncer, look_up
from model.verse.words import words_of
from tests.fuzz.growth import is_linear
from tests.texts import VERSES

ALPHABET = "".join(map(chr, range(0x4E00, 0x4E40)))  # so that a book is not monotonous


def _book(raw: bytes) -> None:
    with suppress(ModelError):
        read_book(raw, "growth")


def _long_line(character: str) -> Callable[[int], bytes]:
    return lambda size: (VERSES + character * size + "x\n" + VERSES).encode()


@pytest.mark.parametrize("blank", [" ", "\t", "*", " *", "\u3000", "\n", "\n ", "\xa0x", "END "])
def test_a_book_may_have_a_line_of_blanks(blank: str) -> None:
    """Sixty thousand spaces took twenty seconds to find no licence in, five million two days."""
    assert is_linear(_book, _long_line(blank), 4_000)


@pytest.mark.parametrize("marks", ["\u0300\u0316", "\u0f73\u0f75", "\u3099\u0334", "🌹\u0300"])
def test_a_book_may_have_any_number_of_accents_on_a_letter(marks: str) -> None:
    """Half a megabyte of them took a minute, and five an hour, in which nothing else ran."""
    assert is_linear(_book, _long_line(marks), 4_000)


@pytest.mark.parametrize(
    "motif",
    [
        "Title:" + " " * 50,
        "*** START OF THE PROJECT GUTENBERG EBOOK X",
        "\nSTART OF THE PROJECT GUTENBERG " + "x" * 310,
        "\n   END   THE SMALL PRINT",
        "Produced by ",
        "\n\n \n",
    ],
)
def test_licences_are_looked_for_once(motif: str) -> None:
    assert is_linear(unwrap, lambda size: motif * (size // len(motif)), 20_000)


@pytest.mark.parametrize("motif", ["\n", "\n\n ", "a\n\n", "ab cd ", " ", "\n \n"])
def test_openings_are_found_once(motif: str) -> None:
    assert is_linear(find_openings, lambda size: motif * (size // len(motif)) + "x", 20_000)


@pytest.mark.parametrize("motif", ["the Rose ", "! Rose ", "Rose", "_ Rose ", "-", "4Th ", "é’É "])
def test_names_are_found_once(motif: str) -> None:
    """Two thousand marks of exclamation and as many roses took two minutes, in the training."""
    whole = "! " + motif
    assert is_linear(find_names, lambda size: whole[:2] * (size // 2) + motif * size, 500)


@pytest.mark.parametrize(
    ("read", "motif"),
    [
        (plain, "\u0300\u0316"),
        (plain, "\uff9e\u0334"),
        (plain, "é\u0f73\u0f75"),
        (lambda text: avoided_word(text, ("rose",)), "\u0300\u0316"),
        (lambda text: avoided_word(text, ("rose",)), "ﬁre "),
        (escape, "  1"),
        (escape, ":"),
        (unescape, "\\"),
        (read_verse, "\n-# "),
        (read_last_line, "\n "),
        (lambda text: plain_words(text, {}), "<@"),
        (lambda text: plain_words(text, {}), "<a:x"),
        (one_line, " \u200b"),
        (safe_name, "-"),
        (safe_name, "🌹a"),
        (words_of, "'-"),
        (words_of, "a'"),
        (gutenberg_number, "1"),
        (gutenberg_number, "https://www.gutenberg.org/ebooks/1?"),
        (read_poem_state, "a-"),
        (read_ownership, "1."),
    ],
)
def test_a_text_is_read_once(read: Callable[[str], object], motif: str) -> None:
    assert is_linear(read, lambda size: motif * (size // len(motif)), 10_000)


def test_words_to_avoid_are_read_once() -> None:
    def check(word: str) -> None:
        with suppress(BotError):
            check_words("avoid", [word])

    assert is_linear(check, lambda size: "\u0300\u0316" * size, 4_000)


@pytest.mark.parametrize("motif", ["a.", "ü", "%2e", "[:", "@", "?", "xn--a."])
def test_an_address_of_the_greatest_length_is_read_once(motif: str) -> None:
    def read(typed: str) -> None:
        with suppress(BotError):
            read_url(typed)

    assert is_linear(read, lambda size: ("https://" + motif * size)[:size], 240)


@pytest.mark.parametrize("motif", ["--lines 1 ", "--lines ", "--model=x\n\t", "--temperature 1e"])
def test_options_are_taken_off_one_by_one(motif: str) -> None:
    request = PoemRequest(Asker("discord:1"))
    assert is_linear(lambda text: read_flags(text, request), lambda size: motif * (size // 8), 500)


def _worst_words() -> list[str]:
    """Return words that can be taken to pieces in a great many ways, none of which works."""
    parts = ["our", "ise", "o'", "es", "ing", "eth", "un", "re", "be", "ye", "iness", "'st", "y"]
    found = ["ouriseo'oh'eousin'hereiness", "ouriseish'ofuloes'enizeeiness"]
    for step in range(1, 40):
        word = "".join(islice(cycle(parts[step % 13 :: step % 5 + 1] or parts), 12))[:MAX_WORD]
        found += words_of(word)
    return found


def test_a_made_up_word_is_looked_at_from_not_too_many_sides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of thirty letters took a fifth of a second, and a seed has room for sixteen."""
    asked: list[str] = []

    def count(word: str) -> object:
        asked.append(word)
        return look_up(word)

    monkeypatch.setattr("model.verse.pronunciation.look_up", count)
    for word in _worst_words():
        asked.clear()
        Pronouncer().pronounce(word)
        # Each side has endings and cuts that the dictionary is asked about; it was 5,000 times.
        assert len(asked) <= MAX_LOOKUPS * 40, word
