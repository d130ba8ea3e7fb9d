"""A training and its folder: what is saved and when, so that the process may be killed any time.

Beside the weights a model keeps an extract of its book: the words of its verse, and hashes of its
runs of characters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from model.book import Book, find_openings
from model.capitals import find_names
from model.checkpoint import Card, Grams, Model, load_model, no_grams, save_model
from model.config import NetworkConfig, Tensors
from model.errors import ResumeMismatch, SettingError
from model.kernel.filters import grams_of
from model.training.batches import encode_book
from model.training.device import choose_threads
from model.training.folder import TrainingFolder
from model.training.loop import EpochEnd, Training
from model.training.network import network_of, tensors_of
from model.training.recipes import Recipe, RecipeOverrides, adapt_recipe
from model.training.resume import load_training, restore_training, save_training
from model.verse import Lexicon, NoVerse, make_lexicon
from model.vocabulary import Vocabulary


@dataclass(frozen=True)
class BookExtract:
    """What of a book its model keeps beside the weights."""

    lexicon: Lexicon = field(default_factory=Lexicon)  # empty: its model writes free text alone
    grams: Grams = field(default_factory=no_grams)
    note: str = ""  # why there is no verse, for the person who trains


@dataclass(frozen=True)
class TrainingRun:
    """Saves one training of one book, between its steps."""

    folder: TrainingFolder
    book: Book
    training: Training
    extract: BookExtract

    @classmethod
    def begin(
        cls,
        folder: TrainingFolder,
        book: Book,
        recipe: Recipe,
        device: torch.device,
        *,
        seed: int,
        start: Model | None = None,
        seconds: float | None = None,
    ) -> TrainingRun:
        """Make a training of `book`, from the weights of `start` if given, of `seconds` at most."""
        training = Training(
            prepare_text(book, recipe),
            recipe,
            device=device,
            seed=seed,
            start=start,
            seconds_limit=seconds,
        )
        training.forget_unfamiliar()
        try:
            training.rehearse()
        except RuntimeError:  # what a processor promises, its library may lack
            training.use_precision("float32")
        if device.type == "cpu":
            training.use_threads(choose_threads(training.rehearse, torch.get_num_threads()))
        extract = extract_from_book(
            training.text, training.vocabulary, start.lexicon if start else None
        )
        return cls(folder, book, training, extract)

    @classmethod
    def resume(
        cls,
        folder: TrainingFolder,
        book: Book,
        overrides: RecipeOverrides,
        device: torch.device,
        *,
        recipe: Literal["default", "tutorial"] | None = None,
        seed: int | None = None,
        seconds: float | None = None,
    ) -> TrainingRun:
        """Make the training that was interrupted in `folder`, to go on for `seconds` at most.

        Raises ResumeMissing or a CheckpointError, ResumeMismatch for another book, and SettingError
        for another `recipe`, `seed` or monitor than it began with, where one is given.
        """
        saved = load_training(folder.resume)
        if saved.book_sha256 != book.sha256:
            raise ResumeMismatch(folder.resume, "book")
        began = saved.standing.recipe
        # "default" is what people ask for, "fine-tuning" what it is where it begins with a model.
        _insist_on("--recipe", recipe, "default" if began.name == "fine-tuning" else began.name)
        _insist_on("--seed", seed, saved.standing.seed)
        _insist_on("--monitor", overrides.monitor, began.monitor)
        adapted = adapt_recipe(began, overrides)
        text = prepare_text(book, adapted)
        training = Training(
            text,
            adapted,
            device=device,
            seed=saved.standing.seed,
            vocabulary=Vocabulary.of(text, saved.pieces),
            seconds_limit=None if seconds is None else saved.standing.seconds + seconds,
        )
        restore_training(training, saved)
        extract = BookExtract(saved.lexicon, book_grams(training.text, training.vocabulary))
        return cls(folder, book, training, extract)

    def save_position(self) -> None:
        """Write what --resume goes on from."""
        save_training(self.folder.resume, self.training, self.book.sha256, self.extract.lexicon)

    def end_epoch(self, end: EpochEnd) -> Path | None:
        """Keep an improvement and the standing; return the path of the checkpoint, if any."""
        path = None
        if end.improved:
            path = self.folder.improvement(end.epoch, end.watched)
            self._save(path, end.watched)
            self._save(self.folder.model, end.watched)
            self.folder.prune(self.training.recipe.keep)
        self.save_position()
        return path

    def interrupt(self) -> None:
        """Save everything in the middle of an epoch, a first model too where there is none yet."""
        self.save_position()
        position = self.training.position
        if not self.folder.model.exists() and position.loss_count:
            self._save(self.folder.model, position.loss_sum / position.loss_count)

    def finish(self) -> Model:
        """Measure the best model, put the figures on its card, and return it."""
        best = load_model(self.folder.model)
        training_loss, held_out_loss = self.training.measure(
            network_of(best).to(self.training.device)
        )
        figures = {
            "training_loss": training_loss,
            "held_out_loss": held_out_loss,
            "history": self.training.position.history,
        }
        card = best.card.model_copy(update=figures)
        self._save_file(self.folder.model, best.network, best.tensors, card)
        return load_model(self.folder.model)

    def _save(self, path: Path, loss: float) -> None:
        network = self.training.averaged
        self._save_file(path, network.config, tensors_of(network), self._card(loss))

    def _save_file(self, path: Path, network: NetworkConfig, tensors: Tensors, card: Card) -> None:
        extract = self.extract
        save_model(
            path,
            network,
            tensors,
            self.training.vocabulary,
            card,
            lexicon=extract.lexicon,
            grams=extract.grams,
        )

    def _card(self, loss: float) -> Card:
        position, text = self.training.position, self.training.text
        return Card(
            name=self.folder.name,
            book_title=self.book.title[:500],
            book_sha256=self.book.sha256,
            book_characters=len(text),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            recipe=position.recipe.name,
            lower_case=position.recipe.lower_case,
            loss=loss,
            names=find_names(self.book.text) if position.recipe.lower_case else (),
            openings=find_openings(text),
            held_out_loss=position.history[-1].held_out_loss if position.history else None,
            epoch=len(position.history),
            training={**position.recipe.model_dump(), "seed": position.seed},
            history=position.history,
        )


def _insist_on(option: str, wanted: object, began_with: object) -> None:
    if wanted not in (None, began_with):
        allowed = f"{began_with!r}, as when this training began, or left out"
        raise SettingError(option, wanted, allowed)


def prepare_text(book: Book, recipe: Recipe) -> str:
    """Return what the network reads of `book`."""
    return book.text.lower() if recipe.lower_case else book.text


def extract_from_book(text: str, vocabulary: Vocabulary, elsewhere: Lexicon | None) -> BookExtract:
    """Return what to keep of a book, `text` as the network reads it.

    `elsewhere` has words that the book may lack: the base model's.
    """
    grams = book_grams(text, vocabulary)
    if text != text.lower():
        return BookExtract(
            grams=grams, note="A model that keeps capitals can only write free text."
        )
    try:
        lexicon = make_lexicon(text, elsewhere)
        if not lexicon.can_rhyme:
            raise NoVerse("too few of its words rhyme")
    except NoVerse as reason:
        return BookExtract(grams=grams, note=str(reason))
    return BookExtract(lexicon, grams)


def book_grams(text: str, vocabulary: Vocabulary) -> Grams:
    """Return the hashes of the runs of a book; see `model.kernel.filters`."""
    characters = Vocabulary(vocabulary.characters)  # runs are counted in them
    spaces = np.array([character.isspace() for character in characters.characters])
    return grams_of(encode_book(text, characters).numpy(), spaces)
