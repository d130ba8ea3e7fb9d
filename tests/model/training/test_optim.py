"""How the weights are moved."""

from __future__ import annotations

import pytest
import torch

from model.config import NetworkConfig
from model.training.network import CharLSTM
from model.training.optim import dropped_recurrence, learning_rate, make_optimizer
from model.training.recipes import TUTORIAL, Recipe


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 0.02), (0.025, 0.5), (0.05, 1.0), (0.525, 0.51), (1.0, 0.02), (7.0, 0.02)],
)
def test_the_learning_rate_warms_up_and_falls_by_half_a_cosine(
    share: float, expected: float
) -> None:
    recipe = Recipe(name="default", learning_rate=1.0, warmup=0.05, final_rate=0.02)
    assert learning_rate(recipe, share) == pytest.approx(expected)


def test_the_tutorials_learning_rate_is_constant() -> None:
    assert {learning_rate(TUTORIAL, share) for share in (0.0, 0.5, 1.0)} == {1e-3}


def test_dropped_recurrent_weights_come_back_and_have_no_gradient() -> None:
    torch.manual_seed(0)
    network = CharLSTM(NetworkConfig(vocabulary_size=5, embedding_size=3, hidden_size=6))
    weight = network.lstms[0].get_parameter("weight_hh_l0")
    before = weight.detach().clone()
    with dropped_recurrence(network, 0.5):
        dropped = weight.detach() == 0.0
        network(torch.tensor([[1, 2, 3, 4]]))[0].sum().backward()
    assert torch.equal(weight, before)
    assert 0.3 < dropped.float().mean().item() < 0.7
    assert weight.grad is not None
    assert torch.equal(weight.grad == 0.0, dropped)


def test_biases_are_not_decayed_and_the_frozen_ones_are_not_moved() -> None:
    network = CharLSTM(NetworkConfig(vocabulary_size=5, embedding_size=3, hidden_size=6))
    optimizer = make_optimizer(network, Recipe(name="default", weight_decay=0.5))
    moved = [(p, group) for group in optimizer.param_groups for p in group["params"]]
    assert sum(p.numel() for p, _ in moved) == network.parameter_count
    assert all((group["weight_decay"] == 0.5) == (p.dim() > 1) for p, group in moved)
