"""Measuring a loss: rows side by side give what one long reading gives."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from model.config import NetworkConfig
from model.training.evaluation import evaluate_stream, evaluate_windows
from model.training.network import StackedLSTM


@pytest.fixture
def network() -> StackedLSTM:
    torch.manual_seed(0)
    return StackedLSTM(
        NetworkConfig(vocabulary_size=7, embedding_size=5, hidden_size=6, dropout=0.5)
    )


def book(length: int) -> torch.Tensor:
    return torch.randint(0, 7, (length,), generator=torch.Generator().manual_seed(1))


def read_in_one_go(network: StackedLSTM, ids: torch.Tensor, begin: int, end: int) -> float:
    """The definition: every character judged from all that stand before it."""
    network.eval()
    with torch.no_grad():
        logits, _ = network(ids[None, : end - 1])
        first = max(begin, 1)
        return functional.cross_entropy(logits[0, first - 1 :], ids[first:end]).item()


@pytest.mark.parametrize(
    ("length", "begin", "end"),
    [(9_000, 0, 8_100), (9_000, 8_100, 9_000), (300, 0, 300), (300, 270, 300), (600, 100, 600)],
)
def test_a_stream_in_rows_has_the_loss_of_one_reading(
    network: StackedLSTM, length: int, begin: int, end: int
) -> None:
    ids = book(length)
    expected = read_in_one_go(network, ids, begin, end)
    lengths = torch.ones(network.config.vocabulary_size, dtype=torch.long)
    assert evaluate_stream(network, ids, begin, end, lengths) == pytest.approx(expected, abs=2e-5)


def test_windows_are_each_read_cold(network: StackedLSTM) -> None:
    ids = book(40)
    network.eval()
    with torch.no_grad():
        losses = [
            functional.cross_entropy(network(ids[None, at : at + 8])[0][:, -1], ids[at + 8, None])
            for at in range(32)
        ]
    expected = torch.stack(losses).mean().item()
    assert evaluate_windows(network, ids, 8) == pytest.approx(expected, abs=1e-6)


def test_measuring_leaves_dropout_as_it_was(network: StackedLSTM) -> None:
    network.train()
    lengths = torch.ones(network.config.vocabulary_size, dtype=torch.long)
    evaluate_stream(network, book(300), 0, 300, lengths)
    assert network.training
    network.eval()
    evaluate_windows(network, book(40), 8)
    assert not network.training
