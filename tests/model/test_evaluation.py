"""The measure of a model in numpy is the one in PyTorch, and what it says of a text is true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

from bench.sense_measures import next_line
from bench.sense_models import OwnNetwork
from model.checkpoint import Model, load_model, save_model
from model.config import NetworkConfig
from model.evaluation import RUN_UP, Network, encode_all, evaluate, fold_text, text_nats
from model.next_line import OTHERS, sonnets_of, stretches_of
from model.training.evaluation import evaluate_stream
from model.training.network import StackedLSTM, network_of, tensors_of
from model.vocabulary import Vocabulary
from tests.conftest import write_model

ALPHABET = "\n abcdefghijklmnopqrstuvwxyz"
PIECES = (" the", " sea", "ing", " of")
WORDS = "the sea singing of harbours lamps and winter rivers".split()
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {"embedding_size": 5, "hidden_size": 12},
    "residual": {"embedding_size": 12, "hidden_size": 12, "residual": True},
    "tied": {"embedding_size": 12, "hidden_size": 12, "residual": True, "tied": True},
    "scalar": {"input": "scalar", "embedding_size": 1, "hidden_size": 12},
    "told topics": {"embedding_size": 8, "hidden_size": 12, "residual": True, "topic_size": 4},
}


def verse(lines: int, seed: int = 1) -> str:
    """Return lines of verse, each different, in sonnets."""
    random = Random(seed)
    written = [" ".join(random.choices(WORDS, k=6)) for _ in range(lines)]
    return "\n\n".join("\n".join(written[at : at + 14]) for at in range(0, lines, 14))


def make_model(tmp_path: Path, shape: str, pieces: Sequence[str] = PIECES) -> Model:
    torch.manual_seed(1)
    vocabulary = Vocabulary(ALPHABET, tuple(pieces))
    config = NetworkConfig.checked(vocabulary_size=len(vocabulary), layers=2, **SHAPES[shape])
    network = StackedLSTM(config)
    path = tmp_path / "model.safetensors"
    card = load_model(write_model(tmp_path / "other.safetensors")).card
    save_model(path, config, tensors_of(network), vocabulary, card)
    return load_model(path)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tokens", [2, 300, 5 * RUN_UP])  # in one row, and in several
def test_the_loss_is_that_of_the_training(tmp_path: Path, shape: str, tokens: int) -> None:
    model = make_model(tmp_path, shape)
    ids = model.vocabulary.encode(verse(500))[:tokens]
    lengths = torch.tensor([len(token) for token in model.vocabulary.tokens])
    expected = evaluate_stream(network_of(model), torch.tensor(ids), 0, len(ids), lengths)
    nats = text_nats(Network(model), np.array(ids))
    characters = sum(len(model.vocabulary.tokens[id_]) for id_ in ids[1:])
    assert nats / characters == pytest.approx(expected, abs=1e-4)


def test_the_choice_of_lines_is_that_of_the_bench(tmp_path: Path) -> None:
    model = make_model(tmp_path, "tied")
    text = verse(14 * 20)
    expected = next_line(sonnets_of(text, ""), OwnNetwork(model), Random(0))["next line chosen"]
    found = evaluate(model, text)
    assert found.has_sonnets
    assert found.choice == expected


def test_what_is_said_of_a_text_adds_up(tmp_path: Path) -> None:
    model = make_model(tmp_path, "plain", pieces=())
    shares: list[float] = []
    found = evaluate(model, verse(14 * 9), shares.append)
    folded, _, _ = fold_text(verse(14 * 9), model.vocabulary)
    assert (found.characters, found.tokens) == (len(folded) - 1, len(folded) - 1)
    assert found.words == len(folded.split())
    assert found.nats_per_character == pytest.approx(math.log(28), abs=0.3)  # it knows nothing
    assert found.bits_per_character == pytest.approx(found.nats_per_character / math.log(2))
    assert found.perplexity_per_word == pytest.approx(math.exp(found.nats / found.words))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_a_text_without_sonnets_is_asked_for_every_fourteen_lines(tmp_path: Path) -> None:
    model = make_model(tmp_path, "plain")
    found = evaluate(model, verse(14 * 9).replace("\n\n", "\n"))
    assert not found.has_sonnets
    assert found.choice is not None
    assert found.choice.poems == 9


def test_a_text_of_a_few_lines_has_no_choice(tmp_path: Path) -> None:
    found = evaluate(make_model(tmp_path, "plain"), verse(14 * OTHERS))
    assert found.choice is None


def test_what_a_model_lacks_is_named(tmp_path: Path) -> None:
    found = evaluate(make_model(tmp_path, "plain"), "The sea № 7\n" * 9)
    assert found.left_out == ("7",)
    _, left_out, known = fold_text("море", make_model(tmp_path, "plain").vocabulary)
    assert (len(left_out), known) == (4, 0.0)


def test_a_long_text_is_encoded_as_a_short_one() -> None:
    vocabulary = Vocabulary(ALPHABET, PIECES)
    assert encode_all(vocabulary, verse(99)) == vocabulary.encode(verse(99))


def test_lines_without_letters_are_in_no_stretch() -> None:
    assert stretches_of("1.\n***\n" + "a line\n" * 13, "") == []
