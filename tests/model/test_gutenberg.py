"""Wrappings of free books: every layout goes, every text stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.book import read_book
from model.errors import BookTooShort
from model.gutenberg import MAX_HINTS, MAX_MARKERS, unwrap
from tests.texts import quatrains

WALK = quatrains(30)
RIVER = quatrains(45).replace("miller", "boatman")
HEAD = """The Project Gutenberg Etext of {title}, by Nobody

Please take a look at the important information in this header.

Title: {title}

Author: Nobody

Release Date: May, 1994  [Etext #{number}]

"""
OLD_HEAD = (
    HEAD
    + """**Welcome To A World of Free Plain Vanilla Electronic Texts**

We do this work for nothing.

We need your donations more than ever!

For other matters, please mail to:

A House by the River
P. O. Box 1

If you have an FTP program, look there.
ftp example.edu
login: anonymous

"""
)
SMALL_PRINT = """***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
Why is this "Small Print!" statement here? Somebody might sue us about this etext.

LIMITED WARRANTY
Nobody is liable for anything, and you may get a refund.

You may copy it if
you like.

*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*
"""
START = "*** START OF THIS PROJECT GUTENBERG EBOOK {title} ***\n"
END = "*** END OF THIS PROJECT GUTENBERG EBOOK {title} ***\n"
LICENCE = (
    """
Updated editions will replace the previous one.

START: FULL LICENSE

"""
    + """1.A. By reading any part of this electronic work, you agree to this license.

1.F.3. If you find a defect within 90 days, tell whoever gave it to you.

"""
    * 40
    + """Section 5.

Most people start at our web site: www.gutenberg.org
"""
)


def modern(title: str, text: str, number: int = 1) -> str:
    head = HEAD.format(title=title, number=number)
    start, end = START.format(title=title.upper()), END.format(title=title.upper())
    return f"{head}\n{start}\n\n\n{text}\n\n\n{end}\n{LICENCE}"


def small_print_at_the_bottom(title: str, text: str, head: str = HEAD) -> str:
    return f"{head.format(title=title, number=2)}\n\n{text}\n\n\n{SMALL_PRINT}"


def small_print_at_the_top(title: str, text: str) -> str:
    return f"{OLD_HEAD.format(title=title, number=3)}{SMALL_PRINT}\n\n\n{text}"


Wrap = Callable[[str, str], str]
LAYOUTS: dict[str, Wrap] = {
    "modern": modern,
    "bottom": small_print_at_the_bottom,
    "top": small_print_at_the_top,
    "long header, small print at the bottom": lambda title, text: small_print_at_the_bottom(
        title, text, OLD_HEAD
    ),
    "nothing but a head and a last line": lambda title, text: (
        f"{HEAD.format(title=title, number=4)}\n\n{text}\n\nEnd of Project Gutenberg's {title}\n"
    ),
    "no small print begins": lambda title, text: (
        HEAD.format(title=title, number=5)
        + "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n"
        + text
        + f"\n\nEnd of The Project Gutenberg Etext of {title}, by Nobody\n"
    ),
}


@pytest.mark.parametrize("wrap", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_layout_goes_and_the_text_stays(wrap: Wrap) -> None:
    stripped = unwrap(wrap("A Walk", WALK))
    assert stripped.text == WALK
    assert stripped.title == "A Walk"


@pytest.mark.parametrize("first", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("second", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_two_books_in_a_file_lose_both_wrappings(first: Wrap, second: Wrap) -> None:
    stripped = unwrap(first("A Walk", WALK) + "\n\n" + second("A River", RIVER))
    assert stripped.text == f"{WALK}\n{RIVER}"
    assert stripped.title == "A Walk + A River"


def test_what_went_is_named_with_its_size() -> None:
    raw = modern("A Walk", WALK) + modern("A River", RIVER) + modern("A Walk", WALK)
    book = read_book(raw.encode(), "pg")
    headers, licences = book.notes
    assert headers.startswith("3 headers of Project Gutenberg were left out (")
    assert licences.startswith("3 licences of Project Gutenberg were left out (")
    sizes = [int(note.split("(")[1].split()[0].replace(",", "")) for note in book.notes]
    blank = 50  # lines at the seams
    assert len(raw) - len(book.text) - blank <= sum(sizes) <= len(raw) - len(book.text)


def test_more_than_a_third_is_said_aloud() -> None:
    [*_, last] = unwrap(modern("A Walk", WALK)).notes
    assert "% of the file. If text of the book is missing, delete the lines" in last
    assert not any("%" in note for note in unwrap(modern("A Walk", quatrains(400))).notes)


def test_a_volume_without_a_header_of_its_own_is_kept() -> None:
    stripped = unwrap(modern("A Walk", WALK) + "\n\nVOLUME II\n\n" + RIVER)
    assert stripped.text == f"{WALK}\nVOLUME II\n\n{RIVER}"


@pytest.mark.parametrize(
    "footer",
    [
        "Ende dieses Projekt Gutenberg Etextes Ein Gang, von Niemand",
        "Ende dieses Project Gutenberg EBooks Ein Gang",
        "Fin du Projet Gutenberg EBook",
        "Fin de Project Gutenberg's Une promenade, par Personne",
        "Fine del Progetto Gutenberg EBook di Una passeggiata",
        "Fin del Proyecto Gutenberg",
        "Fim do Projecto Gutenberg EBook",
        "Einde van Het Project Gutenberg EBook Een wandeling",
        "Project Gutenbergin Kävely loppu",
        "*** END OF THE COPYRIGHTED PROJECT GUTENBERG ETEXT A WALK ***",
        "***END OF THE PROJECT GUTENBERG EBOOK A WALK, AND WHAT\nCAME OF IT***",
        "The End of the Project Gutenberg Etext of A Walk",
    ],
)
@pytest.mark.parametrize("licence", [LICENCE, ""])
def test_footers_of_other_languages_go(footer: str, licence: str) -> None:
    head = HEAD.format(title="A Walk", number=6) + START.format(title="A WALK")
    assert unwrap(f"{head}\n{WALK}\n\n{footer}\n{licence}").text == WALK
    assert unwrap(f"{WALK}\n\n{footer}\n{licence}").text == WALK


def test_a_licence_in_words_that_nobody_knows_goes_where_the_header_was_known() -> None:
    head = HEAD.format(title="A Walk", number=6) + START.format(title="A WALK")
    foreign = "Sie dürfen dies behalten.\n\n" * 200
    assert unwrap(f"{head}\n{WALK}\n\n{END}\n{foreign}").text == WALK


@pytest.mark.parametrize(
    ("head", "foot"),
    [
        (
            "* A Distributed Proofreaders Canada eBook *\n\nThis eBook is made available at no "
            "cost. Do not make money with it without a license.\n\nTitle: A Walk\nDate of first "
            "publication: 1920\nAuthor: Nobody\n\n\n\n",
            "\n\n[End of A Walk, by Nobody]\n",
        ),
        (
            "Title: A Walk\nAuthor: Nobody\n* A Project Gutenberg of Australia eBook *\n"
            "Language: English\n\nProject Gutenberg of Australia eBooks are made from editions in "
            "the public domain there.\n\nTo contact us go to http://gutenberg.net.au\n\n\n",
            "\n\nThis site is full of FREE ebooks - Project Gutenberg Australia\n",
        ),
        (
            "",
            "\n\nAbout this digital edition\n\nThis e-book comes from the online library "
            "Wikisource. Volunteers made it.\n\nThe book is in the public domain.\n",
        ),
    ],
    ids=["Canada", "Australia", "Wikisource"],
)
def test_other_publishers_words_go_too(head: str, foot: str) -> None:
    assert unwrap(head + WALK + foot).text == WALK


CREDITS = (
    "Produced by two people who like\nold walks.\n",
    "E-text prepared by two people\n\n\nNote: Project Gutenberg also has pictures of this.\n",
    "Produced by two people.\n\n\n\n\nTranscriber's Note:\n\n  Old spellings were kept.\n\n"
    "  So were old commas.\n",
    "[Transcriber's note: Old spellings were kept.]\n",
    "This eBook was produced by two people.\n",
)


@pytest.mark.parametrize("credit", CREDITS)
def test_credits_and_notes_after_a_header_go(credit: str) -> None:
    book = unwrap(modern("A Walk", f"{credit}\n\n\n\n{WALK}"))
    assert book.text == WALK
    assert any(note.startswith("Credits") for note in book.notes)


def test_a_transcribers_note_at_the_end_goes() -> None:
    note = "\n\n\nTranscriber's Notes\n\nOld spellings were kept.\n\nSo were commas.\n"
    assert unwrap(modern("A Walk", WALK + note)).text == WALK


@pytest.mark.parametrize(
    "header",
    [
        "Title: A Walk, and What\n       Came of It\n",
        "Title: A Walk,\n\tand What Came\n    of It\n",
    ],
)
def test_a_title_may_take_several_lines(header: str) -> None:
    raw = modern("A Walk", WALK).replace("Title: A Walk\n", header)
    assert " ".join(read_book(raw.encode(), "pg").title.split()) == "A Walk, and What Came of It"


QUOTED = (
    "*** START OF THE PROJECT GUTENBERG EBOOK A WALK ***",
    "*** END OF THE PROJECT GUTENBERG EBOOK A WALK ***",
    "End of Project Gutenberg's A Walk, by Nobody",
    "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
    "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***",
    "The Project Gutenberg EBook of A Walk, by Nobody",
    "Fin du Projet Gutenberg",
    "Produced by two people",
)


@pytest.mark.parametrize("line", QUOTED)
def test_a_text_that_quotes_a_marker_keeps_everything(line: str) -> None:
    for text in (f"{WALK}\n{line}\n\n{RIVER}", f"{WALK.rstrip()}\n{line}\n{RIVER}"):
        assert unwrap(text).text == text
        assert unwrap(modern("A Walk", text)).text == text


ESSAY = (
    "Project Gutenberg began in 1971, and its first etext was a declaration.\n"
    "Volunteers proofread thousands of ebooks that are in the public domain.\n\n"
    "Copyright ends, said the founder, and trademarks have a license.\n\n"
) * 60


@pytest.mark.parametrize("line", QUOTED)
def test_a_book_about_gutenberg_loses_next_to_nothing(line: str) -> None:
    text = f"{ESSAY}{line}\n\n{ESSAY}".rstrip() + "\n"
    assert len(unwrap(text).text) > 0.95 * len(text)
    assert len(unwrap(modern("An Essay", text)).text) > 0.95 * len(text)


def test_too_many_markers_are_left_as_they_are() -> None:
    for text in (END * (MAX_MARKERS + 1), "gutenberg\n" * (MAX_HINTS + 1)):
        stripped = unwrap(text)
        assert stripped.text == text
        assert "nothing was left out" in stripped.notes[0]


PIECES = [*QUOTED, WALK[:300], LICENCE[:900], HEAD, "\n\n", "Transcriber's Note", "Title: x", "***"]


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_nothing_but_whole_pieces_go_whatever_their_order(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    kept = [line for line in unwrap(text).text.split("\n") if line]
    lines = iter(text.split("\n"))
    assert all(any(line == each.rstrip() for each in lines) for line in kept)


def test_a_book_that_is_too_short_without_its_wrapping_says_so() -> None:
    with pytest.raises(BookTooShort, match=r"Project Gutenberg's own words is not counted"):
        read_book(modern("A Walk", quatrains(2)).encode(), "pg")
