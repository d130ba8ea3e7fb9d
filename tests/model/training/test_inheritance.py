"""Beginning from another model's weights."""

from __future__ import annotations

import pytest
import torch

from model.checkpoint import Card, Model
from model.config import NetworkConfig
from model.errors import StartMismatch
from model.training.inheritance import adopt_weights
from model.training.network import CharLSTM, tensors_of
from model.vocabulary import Vocabulary


def make_card() -> Card:
    return Card(
        name="old",
        book_title="",
        book_sha256="",
        book_characters=0,
        created="",
        recipe="default",
        lower_case=True,
        loss=1.0,
    )


def model_of(network: CharLSTM, alphabet: str) -> Model:
    return Model(network.config, tensors_of(network), Vocabulary(alphabet), make_card(), "00")


def test_weights_of_another_model_are_taken_over_by_character() -> None:
    new = Vocabulary("bcd")
    theirs = CharLSTM(NetworkConfig(vocabulary_size=3, embedding_size=2, hidden_size=4))
    ours = CharLSTM(NetworkConfig(vocabulary_size=3, embedding_size=2, hidden_size=4))
    fresh = ours.head.weight[2].clone()
    adopt_weights(ours, new, model_of(theirs, "abc"))
    assert ours.embedding is not None
    assert theirs.embedding is not None
    assert torch.equal(ours.embedding.weight[:2], theirs.embedding.weight[1:])
    assert torch.equal(ours.head.weight[:2], theirs.head.weight[1:])
    assert torch.equal(ours.head.weight[2], fresh)
    assert torch.equal(
        ours.lstms[1].get_parameter("weight_hh_l0"), theirs.lstms[1].get_parameter("weight_hh_l0")
    )


def test_weights_of_another_size_are_refused() -> None:
    theirs = CharLSTM(NetworkConfig(vocabulary_size=3, embedding_size=2, hidden_size=8))
    ours = CharLSTM(NetworkConfig(vocabulary_size=3, embedding_size=2, hidden_size=4))
    with pytest.raises(StartMismatch, match="hidden_size 8, this training has 4"):
        adopt_weights(ours, Vocabulary("abc"), model_of(theirs, "abc"))
