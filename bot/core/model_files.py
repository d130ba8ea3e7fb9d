"""What can be done with a model's file: measure the model on a text, and export it.

Nothing here needs a bot that runs, or PyTorch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from bot.core.errors import BookRefused, CannotWrite, ModelUnusable
from bot.core.model_card import CardSource, render_model_card
from bot.core.records import ModelRecord
from model import (
    BookError,
    Model,
    ModelError,
    evaluate,
    fold_text,
    load_model,
    read_book_files,
    write_durably,
)
from model import Evaluation as Evaluation

MAX_TEXT_BYTES = 8_000_000  # about half an hour on one core
MIN_KNOWN = 0.5  # of a text's characters; with fewer, what is left of it is not the text
README = "README.md"


def evaluate_file(
    record: ModelRecord, path: Path, told: Callable[[float], None] = lambda share: None
) -> Evaluation:
    """Measure a model on the text of a file; `told` hears how far it is, from 0 to 1.

    Raises ModelUnusable, and BookRefused for what is no text, too short, too long, or in a script
    that the model does not know.
    """
    model = _load(record)
    try:
        if path.is_file() and (size := path.stat().st_size) > MAX_TEXT_BYTES:
            raise BookRefused(
                f"{path.name} has {size:,} bytes; at most {MAX_TEXT_BYTES:,} can be measured. "
                "Give a part of it."
            )
        text = read_book_files([path]).text
    except BookError as error:
        raise BookRefused(str(error)) from error
    _, _, known = fold_text(text, model.vocabulary)
    if known < MIN_KNOWN:
        raise BookRefused(
            f"The model {record.name!r} knows {known:.0%} of the characters of {path.name}; at "
            f"least {MIN_KNOWN:.0%} are needed. Give a text in the language of its book."
        )
    return evaluate(model, text, told)


def export_model(record: ModelRecord, folder: Path, source: CardSource) -> tuple[Path, ...]:
    """Put a model, its chart and a model card into a new or empty folder; return the files.

    Raises ModelUnusable, and CannotWrite where there is something already.
    """
    model = _load(record)
    files = {f"{record.name}{record.path.suffix}": _read(record)}
    if record.chart is not None:
        files[f"{record.name}{record.chart.suffix}"] = record.chart.read_bytes()
    card = render_model_card(record.name, model, source, has_chart=record.chart is not None)
    files[README] = card.encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CannotWrite(folder, "it is not empty, and nothing is overwritten")
        for name, content in files.items():
            write_durably(folder / name, [content])
    except OSError as error:
        raise CannotWrite(folder, error.strerror or str(error)) from error
    return tuple(folder / name for name in files)


def _load(record: ModelRecord) -> Model:
    try:
        return load_model(record.path, for_guild=bool(record.guild))
    except ModelError as error:
        raise ModelUnusable(record.name, str(error)) from error


def _read(record: ModelRecord) -> bytes:
    try:
        content = record.path.read_bytes()
    except OSError as error:
        raise ModelUnusable(record.name, f"{error.strerror or error}.") from error
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise ModelUnusable(record.name, "Its file was replaced just now. Try again.")
    return content
