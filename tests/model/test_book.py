"""Books: encodings, line ends, what is not a book, and Project Gutenberg's wrapping."""

from __future__ import annotations

import codecs
import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.book import (
    MAX_ALPHABET,
    MAX_BOOK_BYTES,
    MIN_BOOK_CHARACTERS,
    UNWANTED,
    find_openings,
    read_book,
    read_books,
)
from model.errors import BookBinary, BookError, BookMonotonous, BookTooLong, BookTooShort
from model.gutenberg import Stripped, unwrap
from tests.texts import VERSES, quatrains

FRENCH = "Déjà la forêt s'éveille, où l'été naît; la mère à sa fenêtre chante très bas.\n" * 40
RUSSIAN = "Тихий вечер над рекой, старый мост и белый дым, кто-то машет мне рукой.\n" * 40

HEADERS = {
    "this": "*** START OF THIS PROJECT GUTENBERG EBOOK A WALK ***",
    "the": "*** START OF THE PROJECT GUTENBERG EBOOK A WALK ***",
    "no spaces": "***START OF THE PROJECT GUTENBERG EBOOK A WALK***",
    "two lines": "*** START OF THE PROJECT GUTENBERG EBOOK A WALK, AND WHAT\nCAME OF IT ***",
    "small print": "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
    "later small print": "*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*",
}
PREFACE = "The Project Gutenberg EBook of A Walk\n\nTitle: A Walk\n\nAuthor: Nobody\n\n\n"
LICENCE = "Section 1. You may copy it, give it away or use it again.\n" * 30


def test_plain_utf_8_comes_back_as_it_is() -> None:
    book = read_book(VERSES.encode(), "walks")
    assert (book.text, book.encoding, book.notes) == (VERSES, "utf-8", ())
    assert book.sha256 == hashlib.sha256(VERSES.encode()).hexdigest()


@pytest.mark.parametrize(
    ("text", "encoding", "mark", "told"),
    [
        (FRENCH, "utf-8", codecs.BOM_UTF8, "utf-8"),
        (FRENCH, "utf-16-le", codecs.BOM_UTF16_LE, "utf-16-le"),
        (FRENCH, "utf-16-be", codecs.BOM_UTF16_BE, "utf-16-be"),
        (FRENCH, "utf-16-le", b"", "utf-16-le"),
        (FRENCH, "utf-16-be", b"", "utf-16-be"),
        (FRENCH, "utf-32-le", codecs.BOM_UTF32_LE, "utf-32-le"),
        (FRENCH, "latin-1", b"", "cp1252"),
        (RUSSIAN, "cp1251", b"", "cp1251"),
        (RUSSIAN, "koi8-r", b"", "koi8_r"),
    ],
)
def test_an_encoding_is_recognised_and_told(
    text: str, encoding: str, mark: bytes, told: str
) -> None:
    book = read_book(mark + text.encode(encoding), "essai")
    assert book.text == text
    assert book.encoding == told
    assert any(told in note for note in book.notes)


def test_a_legacy_encoding_is_guessed_from_the_beginning_of_a_long_book() -> None:
    words = FRENCH.split()
    text = "\n".join(" ".join(random.Random(n).choices(words, k=12)) for n in range(20_000))
    assert read_book(text.encode("latin-1"), "long").text == text


def test_a_few_broken_bytes_do_not_make_utf_8_something_else() -> None:
    raw = FRENCH.encode()
    book = read_book(raw[:80] + b"\xff" + raw[80:], "damaged")
    assert book.text == FRENCH
    assert book.notes[0] == "Invalid UTF-8 in 1 place was left out."


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\u2028", "\x85"])
def test_every_line_end_becomes_a_newline(line_end: str) -> None:
    assert read_book(VERSES.replace("\n", line_end).encode(), "walks").text == VERSES


def test_indentation_stays_and_trailing_spaces_go() -> None:
    code = "def walk():\n\tfor step in road:   \n\t\tyield step\t\n" * 60
    assert read_book(code.encode(), "code").text == code.replace("road:   ", "road:").replace(
        "step\t\n", "step\n"
    )


def test_control_characters_and_marks_of_direction_are_left_out_and_counted() -> None:
    book = read_book(("\u202ehidden\x07\ufeff " + VERSES).encode(), "walks")
    assert book.text == "hidden " + VERSES
    assert book.notes == ("3 control characters and invisible marks were left out.",)


def test_accents_are_composed() -> None:
    assert "é" in read_book(("cafe\u0301 " + VERSES).encode(), "walks").text


@pytest.mark.parametrize(
    "raw",
    [
        b"%PDF-1.7\n" + b"x" * 4_000,
        b"PK\x03\x04" + b"x" * 4_000,
        b"\x80\x04\x95" + b"x" * 4_000,
        b"text with a zero byte \0" * 200,
        bytes(range(256)) * 20,
        bytes(range(1, 32)) * 100,
        (b"\xff\xfe" + bytes(range(1, 256)) * 20),
    ],
    ids=["pdf", "zip", "pickle", "zeros", "all bytes", "controls", "false UTF-16"],
)
def test_what_is_not_text_is_refused(raw: bytes) -> None:
    with pytest.raises(BookError) as caught:
        read_book(raw, "thing")
    assert "'thing'" in str(caught.value)


def test_a_pickle_is_told_to_be_one() -> None:
    with pytest.raises(BookBinary, match="pickle"):
        read_book(b"\x80\x04\x95" + b"x" * 4_000, "walks")


@pytest.mark.parametrize("raw", [b"", b"\n" * 5_000, b"a" * (MIN_BOOK_CHARACTERS - 1)])
def test_a_short_book_is_refused_with_the_limit(raw: bytes) -> None:
    with pytest.raises(BookTooShort, match="2,000"):
        read_book(raw, "note")


def test_a_book_of_the_least_length_is_read() -> None:
    raw = b"a loud scream." * MIN_BOOK_CHARACTERS
    assert len(read_book(raw[:MIN_BOOK_CHARACTERS], "scream").text) == MIN_BOOK_CHARACTERS
    with pytest.raises(BookTooShort):
        read_book(raw[: MIN_BOOK_CHARACTERS - 1], "scream")


@pytest.mark.parametrize("raw", [b"a" * 10_000_000, b"01 " * 1_000], ids=["scream", "bits"])
def test_a_book_of_a_few_different_characters_is_refused(raw: bytes) -> None:
    with pytest.raises(BookMonotonous, match=r"it has only \d different characters"):
        read_book(raw, "scream")


def test_a_long_book_that_says_one_thing_only_is_refused() -> None:
    with pytest.raises(BookMonotonous, match="the same text over and over"):
        read_book(b"All work and no play. " * 5_000, "overlook")


def test_a_long_book_is_refused_with_the_limit() -> None:
    with pytest.raises(BookTooLong, match=r"67,108,865 bytes.*64 MiB"):
        read_book(b"a" * (MAX_BOOK_BYTES + 1), "scream")


@pytest.mark.parametrize("start", HEADERS.values(), ids=HEADERS.keys())
@pytest.mark.parametrize("end", [None, "*** END OF THE PROJECT GUTENBERG EBOOK A WALK ***"])
def test_gutenbergs_wrapping_goes_with_either_marker(start: str, end: str | None) -> None:
    wrapped = PREFACE + start + "\n\n\n" + VERSES
    if end:
        wrapped += "\n\n" + end + "\n\n" + LICENCE
    book = read_book(wrapped.encode(), "pg0")
    assert book.text == VERSES
    assert book.title == "A Walk"
    assert len(book.notes) == (2 if end else 1)


@pytest.mark.parametrize(
    "end",
    [
        "End of Project Gutenberg's A Walk, by Nobody",
        "End of the Project Gutenberg EBook of A Walk",
        "***END OF THE PROJECT GUTENBERG EBOOK A WALK***",
    ],
)
def test_a_licence_alone_goes_too(end: str) -> None:
    stripped = unwrap(f"{VERSES}\n\n{end}\n{LICENCE}")
    assert stripped.text == VERSES
    assert len(stripped.notes) == 1


def test_the_transcribers_credit_goes_with_the_header() -> None:
    credit = "Produced by two people who like\nold walks. HTML version by a third."
    wrapped = f"{PREFACE}{HEADERS['the']}\n\n\n{credit}\n\n\n{VERSES}"
    assert read_book(wrapped.encode(), "pg0").text == VERSES


def test_a_book_that_speaks_of_gutenberg_is_left_alone() -> None:
    text = "In the end of Project Gutenberg there was a start of this and that.\n" + VERSES
    assert unwrap(text) == Stripped(text, [])


def test_several_books_become_one_with_a_blank_line_between() -> None:
    first, second = quatrains(10), quatrains(20)
    book = read_books([("one", first.encode()), ("two", second.encode())])
    assert book.text == first.rstrip("\n") + "\n\n" + second.rstrip("\n")
    assert book.title == "one + two"


def test_short_parts_are_welcome_where_the_whole_is_long_enough() -> None:
    parts = [(f"part {number}", quatrains(6).encode()) for number in range(4)]
    assert len(read_books(parts).text) > MIN_BOOK_CHARACTERS


def test_openings_are_distinct_beginnings_that_end_with_a_word() -> None:
    found = find_openings(VERSES.lower())
    assert len(found) == len(set(found)) > 10
    assert all(opening in VERSES.lower() and len(opening) <= 40 for opening in found)
    assert all(VERSES.lower().split(opening)[1][0] in " ,\n" for opening in found)


def test_openings_skip_headings_and_come_in_the_same_order_each_time() -> None:
    text = "\n\n".join(f"{number}\nhere begins verse {number} of many" for number in range(400))
    found = find_openings(text)
    assert len(found) == 300
    assert all(opening.startswith("here begins") for opening in found)
    assert found == find_openings(text)


@given(st.binary(max_size=3_000))
def test_whatever_the_bytes_a_book_is_clean_or_refused(raw: bytes) -> None:
    try:
        book = read_book(raw + b"\n" + VERSES.encode(), "anything")
    except BookError:
        return
    assert not UNWANTED.search(book.text)
    assert "\r" not in book.text


@given(st.text(max_size=3_000))
def test_openings_of_any_text_are_short_and_distinct(text: str) -> None:
    found = find_openings(text)
    assert len(found) == len(set(found))
    assert all(0 < len(opening) <= 40 for opening in found)


def test_of_too_many_different_characters_the_rarest_become_one_sign() -> None:
    distinct = [chr(number) for number in range(0x4E00, 0x4E00 + MAX_ALPHABET + 500)]
    frequent = "".join(distinct[:3_000]) * 4
    book = read_book(("".join(distinct) + frequent).encode(), "many")
    assert len(set(book.text)) == MAX_ALPHABET
    assert book.text.count("�") == 501
    assert book.notes == (
        "It has 8,500 different characters, and a model can learn 8,000 at most. "
        "The rarest 501 (2.4% of the text) are read as �.",
    )


def test_as_many_characters_as_a_chinese_book_has_are_all_kept() -> None:
    text = "".join(chr(number) for number in range(0x4E00, 0x4E00 + 6_763)) * 2
    assert set(read_book(text.encode(), "gb2312").text) == set(text)
