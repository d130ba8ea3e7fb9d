"""Networks to measure with; made without torch, which the bot does not load either."""

from __future__ import annotations

import numpy as np

from bench.gauges import ROOT
from model import Card, Model, NetworkConfig, Tensors, Vocabulary, load_model
from model.checkpoint import expected_shapes

TUTORIAL_ALPHABET = Vocabulary.of("\n abcdefghijklmnopqrstuvwxyz!'(),-.:;?0123456789")


def random_tensors(config: NetworkConfig, seed: int = 0) -> Tensors:
    """Return weights of the size that training leaves, and uneven chances of the characters."""
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(0.0, 1.5 / np.sqrt(shape[-1]), shape).astype(np.float32)
        for name, shape in expected_shapes(config).items()
    }


def tutorial_model() -> Model:
    """Return the tutorial's network, 4 × 256, with random weights."""
    config = NetworkConfig(
        vocabulary_size=len(TUTORIAL_ALPHABET),
        input="scalar",
        embedding_size=1,
        hidden_size=256,
        layers=4,
        dropout=0.2,
    )
    card = Card(
        name="tutorial",
        book_title="no book",
        book_sha256="",
        book_characters=0,
        created="2026-01-01T00:00:00+00:00",
        recipe="tutorial",
        lower_case=True,
        loss=0.0,
    )
    return Model(config, random_tensors(config), TUTORIAL_ALPHABET, card, "")


def networks() -> list[Model]:
    """Return the networks that speed is measured with: the tutorial's and those that ship."""
    shipped = sorted((ROOT / "model" / "pretrained").glob("*.safetensors"))
    return [tutorial_model(), *map(load_model, shipped)]


def name_of(model: Model) -> str:
    return f"{model.card.name} {model.network.layers} × {model.network.hidden_size}"
