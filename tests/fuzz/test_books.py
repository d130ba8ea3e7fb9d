"""Books: their bytes, their names, and where they are said to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.core.book_reader import fit_name, read_file
from bot.core.fetching.addresses import check_address, file_name, read_redirect, read_url
from bot.core.fetching.fetcher import Fetcher
from bot.core.fetching.gutenberg import Gutenberg, gutenberg_number
from bot.core.names import one_line
from bot.core.training_requests import _title
from model import check_name, find_openings, read_book, safe_name
from model.book import LEGACY_ENCODINGS, MAX_MARKS
from model.capitals import find_names
from model.verse import make_lexicon
from model.verse.pronunciation import Pronouncer
from model.verse.words import words_of
from tests.bot.core.hostile_files import HOSTILE, NAMES
from tests.fuzz.answers import answer
from tests.fuzz.strings import hostile, pieces
from tests.texts import VERSES

encodings = st.sampled_from(
    [*LEGACY_ENCODINGS, "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
marks = st.sampled_from(
    [
        b"",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xff\xfe\0\0",
        b"\0\0\xfe\xff",
        b"\0",
        b"\xff",
    ]
)
licences = st.sampled_from(
    [
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n",
        "   *** END OF THIS PROJECT GUTENBERG EBOOK X ***\n",
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN\n",
        "Title:   \n",
        "Title: \u202ebook\x00\n",
        "Produced by Ann\n\n",
        "\n\n",
    ]
)


def book_of(text: str, encoding: str, mark: bytes, licence: str, times: int) -> bytes:
    whole = licence + (text + "\n") * times + licence + VERSES
    return mark + whole.encode(encoding, "replace")


books = st.one_of(
    st.builds(book_of, hostile, encodings, marks, licences, st.integers(0, 60)),
    st.binary(max_size=300).map(lambda raw: raw * 40),
    st.builds(lambda mark, raw: mark + raw * 30, marks, st.binary(max_size=200)),
    st.builds(lambda text, at, raw: text[:at] + raw + text[at:],
              st.just(VERSES.encode()), st.integers(0, 3_000), st.binary(max_size=50)),
)  # fmt: skip


@settings(max_examples=200)
@given(books)
def test_a_book_is_read_or_refused(raw: bytes) -> None:
    book = answer(lambda: read_book(raw, "a stranger's"))
    if book is None:
        return
    book.text.encode("utf-8")
    assert not set(book.text) & set("\x00\r\ufeff\u202e\u2028")
    find_openings(book.text)
    find_names(book.text)
    answer(lambda: make_lexicon(book.text))


@given(st.sampled_from(list(HOSTILE)), st.integers(0, 2**32))
def test_a_hostile_file_with_a_byte_changed_is_read_or_refused(
    tmp_path: Path, name: str, chance: int
) -> None:
    raw = bytearray(HOSTILE[name][:20_000])
    if raw:
        raw[chance % len(raw)] = chance >> 24 & 255
    path = tmp_path / "book.txt"
    path.write_bytes(raw)
    found = answer(lambda: read_file(path, "a stranger's"))
    assert found is None or found.characters >= 2_000


def test_piled_accents_are_left_out_of_a_book_and_told_of() -> None:
    book = read_book((VERSES + "e" + "\u0316\u0301" * 5_000 + "\n").encode(), "piled")
    assert sum(character in "\u0316\u0301" for character in book.text) <= MAX_MARKS
    assert any("9,970 accents" in note for note in book.notes)


def test_the_accents_of_a_language_stay() -> None:
    text = VERSES + "Việt Nam, e\u0301, שָׁלוֹם, ประเทศไทย, " + "a\u0301" * 100
    assert len(read_book(text.encode(), "many").notes) == 0


words = st.lists(
    st.sampled_from(
        "s es ed ing 's 'st er est eth ier ily ness less un re be out over o'er fore dis up a our "
        "re ise yze ence ful ye oh eye i awe hmm shh th t e o' y n' - sh ouv zz qu".split()
    ),
    min_size=1,
    max_size=8,
).map("".join)  # fmt: skip


@settings(max_examples=300)
@given(words | pieces)
@example("'yes")
@example("un'yes")
def test_any_word_can_be_said(text: str) -> None:
    """Of 'ye, an elided "aye", nothing was left that could take an s."""
    for word in (text, *words_of(text)):
        for pronunciation in Pronouncer().pronounce(word):
            assert pronunciation.phones


@given(st.lists(words, min_size=1, max_size=6))
def test_how_a_word_is_said_does_not_depend_on_what_was_said_before(others: list[str]) -> None:
    """A part of a long word, given up at last, was given up for good: the same seed gave another
    poem to whoever asked after somebody's odd word."""
    used = Pronouncer()
    for other in others:
        used.pronounce(other)
    assert [used.pronounce(word) for word in others] == [
        Pronouncer().pronounce(word) for word in others
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [("abeorieth", "beorieth"), ("enseestin'ed", "seestin'ed"), ("uningo'erieth", "ingo'erieth")],
)
def test_a_word_and_its_end_are_said_the_same_in_any_order(first: str, second: str) -> None:
    for before, after in ((first, second), (second, first)):
        used = Pronouncer()
        used.pronounce(before)
        assert used.pronounce(after) == Pronouncer().pronounce(after)


# Names


@given(hostile | st.sampled_from(NAMES) | st.text("𠀀ß字a", max_size=100))
def test_any_name_becomes_one_that_a_model_may_have(name: str) -> None:
    """Sixty letters of four bytes, with what stands behind them while a file is written, were
    more than a folder holds: the training ended in nothing."""
    made = safe_name(name)
    assert check_name(made) == made
    assert len(f".{made}.safetensors.4194304.tmp".encode()) <= 255
    assert fit_name(name, tidy=True) == made
    assert Path(made).name == made
    shown = _title(name)
    assert shown
    assert shown == one_line(shown)


@given(hostile | st.text("𠀀字a", min_size=60, max_size=64))
def test_a_name_that_is_wanted_is_had_or_refused(name: str) -> None:
    fitting = answer(lambda: fit_name(name))
    if fitting is not None:
        assert len(f".{fitting}.safetensors.4194304.tmp".encode()) <= 255


# Addresses

hosts = st.sampled_from(
    "a.example [::1] [::ffff:127.0.0.1] 127.1 0x7f.1 localhost bücher.example xn--a.example [v1.x] "
    "a..b %31.example 1.2.3.4.5 a.example:99999 a.example:x @b.example ①.example 。 ｌocalhost "
    "[fe80::1%25eth0] [ a] 2130706433".split()
)
addresses = hostile | st.builds(
    lambda scheme, host, path: f"{scheme}{host}{path}",
    st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "//", "http:", "http:///"]),
    hosts,
    st.sampled_from(["", "/", "/a.txt", "/..%2f..", "?x=%zz", "#f", "/%00", "/\ud800"]) | hostile,
)


@settings(max_examples=200)
@given(addresses, addresses)
@example("https://[::1%2525]/", "//[")
def test_an_address_is_read_or_refused(typed: str, location: str) -> None:
    url = answer(lambda: read_url(typed))
    if url is not None:
        assert url.raw_host
        assert url.scheme in ("http", "https")
        assert len(file_name(url)) <= 100
        answer(lambda: read_redirect(url, location))


@given(addresses)
def test_a_redirect_is_read_or_refused(location: str) -> None:
    page = read_url("https://a.example/b/c.txt")
    target = answer(lambda: read_redirect(page, location))
    assert target is None or target.scheme == "https"


@given(st.ip_addresses().map(str) | hostile)
def test_an_ip_address_is_public_or_refused(address: str) -> None:
    answer(lambda: check_address(address, "a.example"))


@given(
    st.sampled_from(["", "#", "pg", "PG", "https://gutenberg.org/ebooks/", " "]),
    st.integers(-1, 10**9).map(str) | hostile | st.sampled_from(["١٠", "²", "1" * 5_000, "01"]),
    st.sampled_from(["", ".txt", "/", "?a", "#\n", " "]),
)
def test_a_gutenberg_number_is_a_number_or_none(before: str, number: str, after: str) -> None:
    found = gutenberg_number(before + number + after)
    assert found is None or 1 <= found <= 999_999


@given(json_record=st.binary(max_size=60) | st.sampled_from([b"[" * 50_000, b"9" * 5_000, b"[]"]))
@example(json_record=json.dumps({"format": 1, "sha256": [], "url": {}}).encode())
@example(json_record=json.dumps({"format": 1, "url": "http://["}).encode())
def test_a_kept_record_that_is_damaged_is_none(tmp_path: Path, json_record: bytes) -> None:
    kept = Gutenberg(Fetcher.__new__(Fetcher), template="", folder=tmp_path)
    (tmp_path / "gutenberg-7.json").write_bytes(json_record)
    (tmp_path / "gutenberg-7.txt").write_bytes(b"a book")
    assert kept._read_kept(7) is None


def test_a_name_of_sixty_letters_of_four_bytes_is_refused_and_cut() -> None:
    assert answer(lambda: check_name("𠀀" * 60)) is None
    assert safe_name("𠀀" * 60) == "𠀀" * 50
