"""What the model's side says is known again, so that it can be said in another language."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.core.languages import Sentence, translate
from bot.core.model_sentences import as_sentence
from model import check_name, read_book
from model.book import SIGNATURES
from model.errors import (
    BookBinary,
    BookIsChat,
    BookMonotonous,
    BookTooLong,
    BookTooShort,
    CheckpointForeign,
    CheckpointMissing,
    CheckpointNotFinite,
    CheckpointShape,
    CheckpointTooLarge,
    CheckpointTruncated,
    CheckpointUnwritable,
    CheckpointVersion,
    ModelError,
    SettingError,
    TrainingDiverged,
)
from model.gutenberg import TOO_MANY
from tests.sentences import left_in_english
from tests.texts import quatrains

TITLE = 'it\'s {name}: 1,000 "walks". Give'
PATH = Path("walks.safetensors")
GUTENBERG = (
    "*** START OF THE PROJECT GUTENBERG EBOOK A WALK ***\n\n{}\n\n"
    "*** END OF THE PROJECT GUTENBERG EBOOK A WALK ***\n\n" + "Some licence. " * 40
)


@pytest.mark.parametrize(
    "error",
    [
        *(BookBinary(TITLE, reason) for _, reason in SIGNATURES),
        BookBinary(TITLE, "1,234 of its characters are control characters"),
        BookBinary(TITLE, "it contains NUL bytes"),
        BookBinary(TITLE, "its bytes match no known text encoding"),
        BookTooShort(TITLE, 1_000, 2_000),
        BookTooShort(TITLE, 0, 2_000, left_out=True),
        BookMonotonous(TITLE, "it has only 3 different characters"),
        BookMonotonous(TITLE, "it repeats the same text over and over"),
        BookIsChat(TITLE),
        BookTooLong(TITLE, 2**30, 2**26),
        CheckpointVersion(PATH, 9, 5),
        CheckpointTooLarge(PATH, "has 1,000,000 bytes", 1_000),
        CheckpointTooLarge(PATH, "needs 1,000,000 bytes for its 65,536 tokens", 1_000),
        TrainingDiverged(3, 0.0005),
        TrainingDiverged(30, 0.00001),
    ],
    ids=repr,
)
def test_an_error_is_the_same_sentence_and_can_be_translated(error: ModelError) -> None:
    told = as_sentence(error)
    assert told == str(error)
    names = {repr(TITLE), str(PATH)}
    assert set(left_in_english(told)) <= names


@pytest.mark.parametrize(
    "error",
    [
        CheckpointMissing(PATH, "Permission denied"),
        CheckpointTruncated(PATH, "it has only 5 bytes"),
        CheckpointForeign(PATH, "it is not a regular file"),
        CheckpointShape(PATH, "x is missing"),
        CheckpointNotFinite(PATH, "head"),
        CheckpointUnwritable(PATH, "No space left on device"),
    ],
    ids=repr,
)
def test_of_a_model_file_only_what_is_wrong_within_stays_english(error: ModelError) -> None:
    told = as_sentence(error)
    assert told == str(error)
    assert translate(told, "de").startswith("Die Modelldatei walks.safetensors ")


@pytest.mark.parametrize(
    "raw",
    [
        quatrains(100).encode("utf-8-sig"),
        quatrains(100).encode("utf-16-le"),
        (quatrains(100) + "Ende schön, façade. " * 20).encode("cp1252"),
        (quatrains(100) + "schön " * 40).encode() + b"\xff and \xff.\n",
        (quatrains(100) + "schön " * 40).encode() + b"\xff.\n",
        quatrains(100).replace("g", "g\x07", 3).encode(),
        (quatrains(100) + "a" + "\u0301" * 50).encode(),
        quatrains(3000).encode() + "".join(map(chr, range(0x4E00, 0x4E00 + 9_000))).encode(),
        GUTENBERG.format(quatrains(100)).encode(),
        GUTENBERG.format(quatrains(60)).encode() * 2,
    ],
)
@pytest.mark.parametrize("language", ["de", "ru"])
def test_the_notes_on_a_book_can_be_translated(raw: bytes, language: str) -> None:
    notes = read_book(raw, "walks").notes
    assert notes
    for note in notes:
        told = as_sentence(note)
        assert told == note
        assert isinstance(told, Sentence)
        assert translate(told, language) != note


def test_a_book_with_too_many_marks_is_told_so_in_german() -> None:
    assert left_in_english(as_sentence(TOO_MANY)) == []


def test_what_a_model_may_be_called_can_be_translated() -> None:
    with pytest.raises(SettingError) as caught:
        check_name("../x")
    assert left_in_english(as_sentence(caught.value.allowed)) == []


@pytest.mark.parametrize("text", ["", "The book", "it is a PDF.", "x" * 5_000, "it is a\nPDF"])
def test_what_is_not_known_stays_as_it_is(text: str) -> None:
    assert type(as_sentence(text)) is str
    assert as_sentence(text) == text
