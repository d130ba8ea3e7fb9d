"""How the weights are moved."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.nn import Parameter

from model.config import NetworkConfig
from model.training.network import StackedLSTM
from model.training.optim import Adam, learning_rate, make_optimizer
from model.training.recipes import TUTORIAL, Recipe

SETTINGS: dict[str, Any] = {"lr": 1e-2, "betas": (0.9, 0.95), "eps": 1e-8, "fused": True}


def make_parameters() -> list[Parameter]:
    return [Parameter(torch.linspace(-1, 1, 12).view(3, 4)), Parameter(torch.ones(4))]


def adam_of(parameters: list[Parameter], *, decoupled: bool = True) -> Adam:
    matrix, vector = parameters
    groups = [([matrix], 0.1), ([vector], 0.0)]
    return Adam(groups, learning_rate=1e-2, betas=(0.9, 0.95), epsilon=1e-8, decoupled=decoupled)


def learn(optimizer: Adam | torch.optim.Optimizer, parameters: list[Parameter], to: float) -> None:
    matrix, vector = parameters
    optimizer.zero_grad()
    (matrix @ vector - to).square().sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@pytest.mark.parametrize(
    ("decoupled", "kind"), [(True, torch.optim.AdamW), (False, torch.optim.Adam)]
)
def test_weights_move_as_by_pytorchs_own_class(
    decoupled: bool, kind: type[torch.optim.Optimizer]
) -> None:
    ours, theirs = make_parameters(), make_parameters()
    groups = [
        {"params": theirs[:1], "weight_decay": 0.1},
        {"params": theirs[1:], "weight_decay": 0.0},
    ]
    our_adam, their_adam = adam_of(ours, decoupled=decoupled), kind(groups, **SETTINGS)
    for to in (1.0, 2.0, -3.0):
        learn(our_adam, ours, to)
        learn(their_adam, theirs, to)
    assert all(map(torch.equal, ours, theirs))


def test_an_optimizer_that_goes_on_from_anothers_state_moves_as_it_would_have() -> None:
    first, second = make_parameters(), make_parameters()
    before = adam_of(first)
    learn(before, first, 1.0)
    for a, b in zip(first, second, strict=True):
        b.data.copy_(a)
    after = adam_of(second)
    after.restore({name: tensor.clone() for name, tensor in before.tensors().items()})
    learn(before, first, 2.0)
    learn(after, second, 2.0)
    assert all(map(torch.equal, first, second))


def test_a_state_of_another_shape_or_without_a_part_is_refused() -> None:
    parameters = make_parameters()
    optimizer = adam_of(parameters)
    learn(optimizer, parameters, 1.0)
    tensors = optimizer.tensors()
    with pytest.raises(ValueError, match="parameter 0 has another shape"):
        optimizer.restore(tensors | {"0.exp_avg": torch.zeros(2)})
    with pytest.raises(KeyError):
        optimizer.restore({"1.step": tensors["1.step"]})


def test_a_weight_without_a_gradient_stays_as_it_is() -> None:
    parameters = make_parameters()
    optimizer = adam_of(parameters)
    parameters[1].grad = torch.ones(4)
    optimizer.step()
    assert torch.equal(parameters[0], make_parameters()[0])
    assert not torch.equal(parameters[1], make_parameters()[1])
    assert not any(name.startswith("0.") for name in optimizer.tensors())


def test_pytorchs_compiler_is_not_loaded() -> None:
    program = (
        "import sys, torch\n"
        "from tests.model.training.test_optim import adam_of, learn, make_parameters\n"
        "parameters = make_parameters()\n"
        "learn(adam_of(parameters), parameters, 1.0)\n"
        "print('torch._dynamo' in sys.modules)\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("False\n", "")


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


def test_biases_are_not_decayed_and_the_frozen_ones_are_not_moved() -> None:
    network = StackedLSTM(NetworkConfig(vocabulary_size=5, embedding_size=3, hidden_size=6))
    optimizer = make_optimizer(network, Recipe(name="default", weight_decay=0.5))
    assert sum(p.numel() for p in optimizer.parameters) == network.parameter_count
    for parameters, weight_decay in optimizer.groups:
        assert all((weight_decay == 0.5) == (p.dim() > 1) for p in parameters)
