"""A model of a few weights, for tests of model files."""

from __future__ import annotations

from pathlib import Path

import torch

from model.checkpoint import Card, EpochLosses, save_model
from model.config import NetworkConfig
from model.training.network import StackedLSTM, tensors_of
from model.vocabulary import Vocabulary

VOCABULARY = Vocabulary("\n abé")
SMALL = NetworkConfig(vocabulary_size=5, embedding_size=3, hidden_size=4, layers=2)
CARD = Card(
    name="walks",
    book_title="A Walk",
    book_sha256="ab" * 32,
    book_characters=3_000,
    created="2026-01-02T03:04:05+00:00",
    recipe="default",
    lower_case=True,
    loss=1.25,
    openings=("a bé", "b"),
    training_loss=1.0,
    held_out_loss=1.25,
    epoch=2,
    training={"epochs": 2, "learning_rate": 0.004, "shuffle": True, "start": None},
    history=(EpochLosses(epoch=1, running_loss=2.0, held_out_loss=1.5, seconds=3.5),),
)


def make_network(config: NetworkConfig = SMALL) -> StackedLSTM:
    torch.manual_seed(0)
    return StackedLSTM(config).eval()


def save(path: Path, network: StackedLSTM, card: Card = CARD) -> None:
    save_model(path, network.config, tensors_of(network), VOCABULARY, card)
