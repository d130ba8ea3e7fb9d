"""Train the base model, which train.py starts with; it takes two or three hours on two cores.

    python train_base.py TEXT [TEXT …] --unseen BOOK [BOOK …] --out FILE [--seed N]

Passages of the texts that share a line with a book after --unseen are left out, so that a model of
that book can be measured on the part that is held out. Blank lines separate passages. After Ctrl-C
FILE is as it was after the last epoch.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from model import Card, Lexicon, Model, ModelError, printable, read_book_files, save_model
from model.training import EpochEnd, Training, choose_device, tensors_of
from model.training.base import STAGES, base_lexicon, base_text


def save(path: Path, training: Training, card: Card, lexicon: Lexicon) -> None:
    network = training.averaged
    loss = training.position.history[-1].running_loss
    card = card.model_copy(update={"loss": loss, "history": training.position.history})
    save_model(
        path, network.config, tensors_of(network), training.vocabulary, card, lexicon=lexicon
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("texts", nargs="+", type=Path, metavar="TEXT")
    parser.add_argument("--unseen", nargs="+", type=Path, required=True, metavar="BOOK")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        texts = [read_book_files([path]).text for path in arguments.texts]
        text = base_text(texts, [read_book_files([path]).text for path in arguments.unseen])
    except ModelError as error:
        sys.stderr.write(printable(f"train_base.py: {error}\n"))
        return 2
    card = Card(
        name="verse",
        book_title="English verse",
        book_sha256="",
        book_characters=len(text),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe="base",
        lower_case=True,
        loss=0.0,
    )
    lexicon = base_lexicon(text, texts)
    start: Model | None = None
    for number, recipe in enumerate(STAGES, 1):
        device = choose_device("auto")
        # Another order of the passages in each stage.
        seed = arguments.seed + number
        training = Training(text, recipe, device=device, seed=seed, start=start)
        total = training.steps * recipe.epochs
        with tqdm(total=total, desc=f"stage {number} of {len(STAGES)}", unit=" steps") as bar:
            for event in training.run():
                if isinstance(event, EpochEnd):
                    save(arguments.out, training, card, lexicon)
                else:
                    bar.update()
                    bar.set_postfix_str(f"loss {event.loss:.4f}", refresh=False)
        network = training.averaged
        start = Model(network.config, tensors_of(network), training.vocabulary, card, "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
