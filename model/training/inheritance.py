"""Beginning from another model's weights: the base model's, or one of your own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch

from model.checkpoint import Model, load_model
from model.errors import StartMismatch
from model.training.network import CharLSTM, network_of
from model.training.recipes import SHAPE
from model.vocabulary import Vocabulary

# The model that knows English verse, from which a book's own model is made.
BASE_MODEL = Path(__file__).resolve().parent.parent / "pretrained" / "base" / "verse.safetensors"
KNOWN_SHARE = 0.9  # of a book's characters; with fewer known, it is in another script


def known_share(text: str, vocabulary: Vocabulary) -> float:
    """Return which share of `text` is made of characters of `vocabulary`; spaces do not count."""
    counts = Counter("".join(text.split()))
    known = sum(count for character, count in counts.items() if character in vocabulary.ids)
    return known / max(counts.total(), 1)


def choose_start(
    requested: str | None, text: str, base: Path = BASE_MODEL
) -> tuple[Model | None, str]:
    """Return the model to begin with, None for nothing, and a sentence on it for the reader.

    `requested` is a path or "none"; None is the base model, where it knows the book's script.
    Raises a CheckpointError for a file that cannot be used.
    """
    if requested == "none":
        return None, ""
    if requested is not None:
        start = load_model(Path(requested))
        return start, f"Beginning with the weights of {requested}."
    if not base.exists():
        return None, "The base model is not installed; the training begins from nothing."
    start = load_model(base)
    share = known_share(text.lower(), start.vocabulary)
    if share < KNOWN_SHARE:
        return None, (
            f"The base model knows {share:.0%} of the book's characters, which is too few: "
            "the training begins from nothing."
        )
    return start, f"Beginning with what the base model, {start.card.book_title}, has learnt."


@torch.no_grad()
def adopt_weights(network: CharLSTM, vocabulary: Vocabulary, start: Model) -> None:
    """Copy a model's weights; characters that both alphabets have keep their rows.

    Raises StartMismatch where the networks differ in more than the alphabet and dropout.
    """
    theirs, ours = start.network, network.config
    for field in SHAPE:
        if getattr(theirs, field) != getattr(ours, field):
            raise StartMismatch(field, getattr(theirs, field), getattr(ours, field))
    shared = [c for c in vocabulary.characters if c in start.vocabulary.ids]
    to, of = vocabulary.encode("".join(shared)), start.vocabulary.encode("".join(shared))
    own, given = network.state_dict(), network_of(start).state_dict()
    for name, weight in own.items():
        if name.startswith("lstms."):
            weight.copy_(given[name])
        else:  # embedding.weight (V, E), head.weight (V, H), head.bias (V,)
            weight[to] = given[name][of]
