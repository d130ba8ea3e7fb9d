"""Beginning from another model's weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.checkpoint import Card, Model, save_model
from model.config import NetworkConfig
from model.errors import CheckpointMissing, StartMismatch
from model.training.inheritance import adopt_weights, choose_start, known_share
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


@pytest.fixture
def base(tmp_path: Path) -> Path:
    network = CharLSTM(NetworkConfig(vocabulary_size=6, embedding_size=2, hidden_size=4))
    path = tmp_path / "base.safetensors"
    save_model(path, network.config, tensors_of(network), Vocabulary("\n abcd"), make_card())
    return path


def test_a_book_in_the_bases_script_begins_with_the_base(base: Path) -> None:
    start, sentence = choose_start(None, "ABBA, a cab\n" + "a bad dad\n" * 20, base)
    assert start is not None
    assert start.card.name == "old"
    assert sentence.startswith("Beginning with what the base model")


def test_a_book_in_another_script_begins_with_nothing_and_says_so(base: Path) -> None:
    start, sentence = choose_start(None, "абвгд abcd", base)
    assert start is None
    assert "knows 44% of the book's characters, which is too few" in sentence


def test_without_a_base_the_training_begins_with_nothing_and_says_so(tmp_path: Path) -> None:
    start, sentence = choose_start(None, "abc", tmp_path / "nowhere")
    assert start is None
    assert "base model is not installed" in sentence


def test_a_wish_is_followed(base: Path, tmp_path: Path) -> None:
    assert choose_start("none", "abc", base) == (None, "")
    start, _ = choose_start(str(base), "абвгд", tmp_path / "nowhere")
    assert start is not None
    with pytest.raises(CheckpointMissing):
        choose_start(str(tmp_path / "nowhere"), "abc", base)


def test_spaces_say_nothing_of_a_script() -> None:
    assert known_share("ä    \n\n", Vocabulary("\n abc")) == 0.0
    assert known_share("", Vocabulary("abc")) == 0.0
