"""A training and its folder: what is saved, and when it has been, everything can be killed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from model.book import Book, openings
from model.checkpoint import Card, Model, load_model, save_model
from model.folder import TrainingFolder
from model.resume import save_training
from model.training import EpochEnd, Training


@dataclass(frozen=True)
class Keeper:
    """Saves one training of one book, between its steps."""

    folder: TrainingFolder
    book: Book
    training: Training

    def save_standing(self) -> None:
        """Write what --resume goes on from."""
        save_training(self.folder.resume, self.training, self.book.sha256)

    def end_epoch(self, end: EpochEnd) -> Path | None:
        """Keep an improvement and the standing; return the path of the checkpoint, if any."""
        path = None
        if end.improved:
            path = self.folder.improvement(end.epoch, end.watched)
            self._save(path, end.watched)
            self._save(self.folder.model, end.watched)
            self.folder.prune(self.training.recipe.keep)
        self.save_standing()
        return path

    def interrupt(self) -> None:
        """Save everything in the middle of an epoch, a first model too where there is none yet."""
        self.save_standing()
        standing = self.training.standing
        if not self.folder.model.exists() and standing.loss_count:
            self._save(self.folder.model, standing.loss_sum / standing.loss_count)

    def complete(self) -> Model:
        """Measure the best model, put the figures on its card, and return it."""
        best = load_model(self.folder.model)
        training_loss, held_out_loss = self.training.measure(best.network)
        figures = {
            "training_loss": training_loss,
            "held_out_loss": held_out_loss,
            "history": self.training.standing.history,
        }
        card = best.card.model_copy(update=figures)
        save_model(self.folder.model, best.network, best.vocabulary, card)
        return load_model(self.folder.model)

    def _save(self, path: Path, loss: float) -> None:
        training = self.training
        save_model(path, training.averaged, training.vocabulary, self._card(loss))

    def _card(self, loss: float) -> Card:
        standing, text = self.training.standing, self.training.text
        return Card(
            name=self.folder.name,
            book_title=self.book.title[:500],
            book_sha256=self.book.sha256,
            book_characters=len(text),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            recipe=standing.recipe.name,
            lower_case=standing.recipe.lower_case,
            loss=loss,
            openings=openings(text),
            held_out_loss=standing.history[-1].held_out_loss if standing.history else None,
            epoch=len(standing.history),
            training={**standing.recipe.model_dump(), "seed": standing.seed},
            history=standing.history,
        )
