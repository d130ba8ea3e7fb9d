"""What is on disk at each moment of a training."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from model.book import Book, find_openings, read_book
from model.checkpoint import load_model, read_card
from model.errors import CheckpointUnwritable, ResumeMismatch, ResumeOutdated, SettingError
from model.kernel.filters import GRAM
from model.training.base import base_lexicon
from model.training.folder import TrainingFolder
from model.training.loop import EpochEnd
from model.training.recipes import Recipe, RecipeOverrides
from model.training.resume import load_training
from model.training.run import BookExtract, TrainingRun, extract_from_book
from model.verse import Lexicon
from model.verse.lexicon import MIN_COUNT
from model.vocabulary import Vocabulary
from tests.texts import VERSES, quatrains
from tests.verse_words import RHYMES

CPU = torch.device("cpu")
BOOK = read_book(VERSES.encode(), "A Walk")
RECIPE = Recipe(
    name="default", embedding_size=6, hidden_size=10, rows=4, window=16, epochs=5, keep=2
)


def begin(out: Path, book: Book = BOOK, recipe: Recipe = RECIPE) -> TrainingRun:
    return TrainingRun.begin(TrainingFolder(out, "walks"), book, recipe, CPU, seed=7)


def train(run: TrainingRun) -> None:
    for event in run.training.run():
        if isinstance(event, EpochEnd):
            run.end_epoch(event)


def test_an_improvement_is_kept_twice_and_its_card_tells_of_it(tmp_path: Path) -> None:
    run = begin(tmp_path)
    end = next(event for event in run.training.run() if isinstance(event, EpochEnd))
    path = run.end_epoch(end)
    assert path is not None
    assert path.name == f"weights-improvement-01-{end.watched:.4f}.safetensors"
    assert path.read_bytes() == run.folder.model.read_bytes()
    card = read_card(path)
    assert (card.name, card.book_title, card.book_sha256) == ("walks", "A Walk", BOOK.sha256)
    assert (card.book_characters, card.lower_case) == (len(VERSES), True)
    assert (card.epoch, card.loss, card.held_out_loss) == (1, end.watched, end.watched)
    assert card.openings == find_openings(VERSES.lower())
    assert card.history == (end.losses,)
    assert card.training["seed"] == 7
    assert Recipe.checked(**{k: v for k, v in card.training.items() if k != "seed"}) == RECIPE
    assert load_training(run.folder.resume).standing.epoch == 2


def test_an_epoch_that_is_no_better_changes_no_model(tmp_path: Path) -> None:
    run = begin(tmp_path)
    run.training.position = run.training.position.model_copy(update={"best": 0.1})
    end = next(event for event in run.training.run() if isinstance(event, EpochEnd))
    assert run.end_epoch(end) is None
    assert not run.folder.model.exists()
    assert run.folder.resume.exists()


def test_only_the_best_few_are_kept(tmp_path: Path) -> None:
    run = begin(tmp_path)
    train(run)
    assert len(run.training.position.history) == 5
    assert len(run.folder.improvements()) == 2
    best = run.folder.improvements()[0]
    assert load_model(best).card.loss == run.training.position.best


def test_a_complete_model_carries_its_losses_and_their_history(tmp_path: Path) -> None:
    run = begin(tmp_path)
    train(run)
    model = run.finish()
    assert model.card.history == run.training.position.history
    assert model.card.held_out_loss == pytest.approx(run.training.position.best, abs=1e-5)
    assert model.card.training_loss is not None
    assert model.card == read_card(run.folder.model)


def test_an_interruption_before_the_first_model_leaves_one(tmp_path: Path) -> None:
    run = begin(tmp_path)
    list(islice(run.training.run(), 5))
    run.interrupt()
    assert load_model(run.folder.model).card.epoch == 0
    assert load_training(run.folder.resume).standing.step == 5


def test_a_resumed_training_goes_on_and_may_be_made_longer(tmp_path: Path) -> None:
    run = begin(tmp_path)
    list(islice(run.training.run(), 5))
    run.interrupt()
    again = TrainingRun.resume(run.folder, BOOK, RecipeOverrides(epochs=9), CPU, seconds=100.0)
    assert (again.training.position.step, again.training.position.seed) == (5, 7)
    assert again.training.recipe == RECIPE.model_copy(update={"epochs": 9})
    assert again.training.seconds_limit == pytest.approx(100.0 + run.training.position.seconds)


def test_a_training_that_began_with_another_alphabet_of_the_book_is_not_resumed(
    tmp_path: Path,
) -> None:
    """A version that read more characters of a book had begun it; it was called no model."""
    run = begin(tmp_path)
    run.save_position()
    narrow = replace(BOOK, text=BOOK.text.replace("z", "s").replace("y", "i"))
    ours = len(set(narrow.text.lower()))
    theirs = len(run.training.vocabulary)
    assert ours < theirs
    with pytest.raises(ResumeOutdated, match=rf"{theirs:,} different.* now has {ours:,}"):
        TrainingRun.resume(run.folder, narrow, RecipeOverrides(), CPU)


def test_another_book_is_not_resumed(tmp_path: Path) -> None:
    run = begin(tmp_path)
    run.save_position()
    other = read_book(quatrains(30).encode(), "A Walk")
    with pytest.raises(ResumeMismatch, match="book"):
        TrainingRun.resume(run.folder, other, RecipeOverrides(), CPU)


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"recipe": "tutorial"}, "--recipe is 'tutorial'; it must be 'default', as when"),
        ({"seed": 0}, "--seed is 0; it must be 7, as when this training began, or left out."),
        (
            {"overrides": RecipeOverrides(monitor="training")},
            "--monitor is 'training'; it must be 'valid",
        ),
    ],
)
def test_another_beginning_is_not_resumed(
    tmp_path: Path, wanted: dict[str, Any], sentence: str
) -> None:
    """A training once kept its recipe and its random seed without a word of those asked for."""
    run = begin(tmp_path)
    run.save_position()
    asked = {"overrides": RecipeOverrides(), **wanted}
    with pytest.raises(SettingError) as refusal:
        TrainingRun.resume(run.folder, BOOK, device=CPU, **asked)
    assert sentence in str(refusal.value)


def test_the_beginning_may_be_told_again(tmp_path: Path) -> None:
    run = begin(tmp_path)
    run.save_position()
    overrides = RecipeOverrides(monitor="validation")
    again = TrainingRun.resume(run.folder, BOOK, overrides, CPU, recipe="default", seed=7)
    assert again.training.recipe.monitor == "validation"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "walks").write_text("in the way")
    with pytest.raises(CheckpointUnwritable, match="walks"):
        begin(tmp_path).save_position()


# The words and runs of the book that its model keeps

RHYMING = "\n".join(RHYMES) + "\n"
RHYMING_BOOK = read_book((VERSES + RHYMING).encode(), "A Walk")
ONE_EPOCH = Recipe(name="default", embedding_size=6, hidden_size=10, rows=4, window=16, epochs=1)
PROSE = "The ferry left at noon and nobody on the quay had thought of asking where it went. " * 40


def collect(text: str, elsewhere: Lexicon | None = None) -> BookExtract:
    vocabulary = Vocabulary.of(text)
    return extract_from_book(text, vocabulary, elsewhere)


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


def test_a_models_file_has_words_and_runs_and_so_has_one_that_was_resumed(tmp_path: Path) -> None:
    run = begin(tmp_path, RHYMING_BOOK, ONE_EPOCH)
    next(iter(run.training.run()))
    run.interrupt()
    resumed = TrainingRun.resume(run.folder, RHYMING_BOOK, RecipeOverrides(), CPU)
    assert resumed.extract.lexicon == run.extract.lexicon
    for event in resumed.training.run():
        if isinstance(event, EpochEnd):
            resumed.end_epoch(event)
    complete = resumed.finish()
    assert complete.lexicon == run.extract.lexicon
    assert complete.grams.tolist() == run.extract.grams.tolist()
