"""The words and runs of a book that its model keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.book import Book, read_book
from model.kernel.filters import GRAM
from model.training.base import base_lexicon
from model.training.batches import encode_book
from model.training.folder import TrainingFolder
from model.training.loop import EpochEnd
from model.training.recipes import Recipe, RecipeOverrides
from model.training.run import TrainingRun
from model.training.words import BookExtract, extract_from_book
from model.verse import Lexicon
from model.verse.lexicon import MIN_COUNT
from model.vocabulary import Vocabulary
from tests.texts import VERSES
from tests.verse_words import RHYMES

CPU = torch.device("cpu")
RHYMING = "\n".join(RHYMES) + "\n"
BOOK = read_book((VERSES + RHYMING).encode(), "A Walk")
RECIPE = Recipe(name="default", embedding_size=6, hidden_size=10, rows=4, window=16, epochs=1)
PROSE = "The ferry left at noon and nobody on the quay had thought of asking where it went. " * 40


def collect(text: str, elsewhere: Lexicon | None = None) -> BookExtract:
    vocabulary = Vocabulary.of(text)
    return extract_from_book(text, encode_book(text, vocabulary), vocabulary, elsewhere)


def test_verse_gives_words_and_runs() -> None:
    words = collect(VERSES.lower() + RHYMING)
    assert words.lexicon.get("neighbour") is not None
    assert 0 < len(words.grams) <= len(VERSES) - GRAM + 1
    assert words.note == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PROSE.lower(), "its lines have"),
        ("wir gingen über eine brücke\nund sahen einen alten mann\n" * 60, "not English"),
        (VERSES, "capitals"),
        (VERSES.lower(), "rhyme"),
    ],
    ids=["prose", "German", "capitals", "few rhymes"],
)
def test_other_books_give_runs_alone_and_a_reason(text: str, reason: str) -> None:
    words = collect(text)
    assert words.lexicon == Lexicon()
    assert len(words.grams) > 0
    assert reason in words.note


def test_the_base_lends_words_that_are_common_and_no_names() -> None:
    source = "I met Ann, and old Ann met me there.\nA pearl is in the sea.\n" * MIN_COUNT
    lent = base_lexicon(source.lower() + "the walrus slept\n", [source])
    assert {"met", "old"} <= lent.numbers.keys()
    assert not {"ann", "walrus"} & lent.numbers.keys()
    assert all(entry.count >= MIN_COUNT for entry in lent.entries)


def begin(out: Path, book: Book = BOOK) -> TrainingRun:
    return TrainingRun.begin(TrainingFolder(out, "walks"), book, RECIPE, CPU, seed=7)


def test_a_models_file_has_them_and_so_has_one_that_was_resumed(tmp_path: Path) -> None:
    run = begin(tmp_path)
    next(iter(run.training.run()))
    run.interrupt()
    resumed = TrainingRun.resume(run.folder, BOOK, RecipeOverrides(), CPU)
    assert resumed.extract.lexicon == run.extract.lexicon
    for event in resumed.training.run():
        if isinstance(event, EpochEnd):
            resumed.end_epoch(event)
    complete = resumed.finish()
    assert complete.lexicon == run.extract.lexicon
    assert complete.grams.tolist() == run.extract.grams.tolist()
