"""The network: its equations, its state, and how it starts with another model's weights."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.checkpoint import Card, Model, save_model
from model.config import NetworkConfig
from model.errors import CheckpointMissing, StartMismatch
from model.training.network import (
    LSTMState,
    StackedLSTM,
    adopt_weights,
    choose_start,
    known_share,
    tensors_of,
)
from model.vocabulary import Vocabulary

# Sizes are tiny and all different, so that a mixed-up dimension cannot pass unseen.
N, T, E, H, V = 3, 7, 4, 5, 6

SHAPES = [
    NetworkConfig(vocabulary_size=V, embedding_size=E, hidden_size=H, layers=2),
    NetworkConfig(vocabulary_size=V, embedding_size=E, hidden_size=H, layers=3, residual=True),
    NetworkConfig(vocabulary_size=V, input="scalar", hidden_size=H, layers=1),
    NetworkConfig(vocabulary_size=V, input="scalar", hidden_size=H, layers=4, residual=True),
]
every_shape = pytest.mark.parametrize("config", SHAPES, ids=lambda c: f"{c.input}{c.layers}")


def network_of(config: NetworkConfig) -> StackedLSTM:
    torch.manual_seed(1)
    network = StackedLSTM(config).double().eval()
    for parameter in network.parameters():  # the biases too, which begin as zeros and ones
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.5)
    return network


def some_ids() -> Tensor:
    return torch.randint(0, V, (N, T), generator=torch.Generator().manual_seed(2))


def forward_gate_by_gate(network: StackedLSTM, ids: list[int]) -> list[list[float]]:
    """The textbook's equations, one number at a time; logits (T, V) of one row."""
    config = network.config
    weights = {name: tensor.tolist() for name, tensor in network.state_dict().items()}
    hidden = [[0.0] * config.hidden_size for _ in range(config.layers)]
    cell = [[0.0] * config.hidden_size for _ in range(config.layers)]
    logits = []
    for place in ids:
        if config.input == "scalar":
            reads = [place / config.vocabulary_size]
        else:
            reads = weights["embedding.weight"][place]
        for layer in range(config.layers):
            gates = [
                sum(w * x for w, x in zip(from_below, reads, strict=True))
                + sum(w * h for w, h in zip(from_before, hidden[layer], strict=True))
                + bias
                for from_below, from_before, bias in zip(
                    weights[f"lstms.{layer}.weight_ih_l0"],
                    weights[f"lstms.{layer}.weight_hh_l0"],
                    weights[f"lstms.{layer}.bias_ih_l0"],
                    strict=True,
                )
            ]
            cell[layer], hidden[layer] = one_cell(gates, cell[layer])
            skipped = reads if config.residual and layer > 0 else [0.0] * config.hidden_size
            reads = [h + x for h, x in zip(hidden[layer], skipped, strict=True)]
        logits.append(
            [
                sum(w * x for w, x in zip(row, reads, strict=True)) + bias
                for row, bias in zip(weights["head.weight"], weights["head.bias"], strict=True)
            ]
        )
    return logits


def one_cell(gates: list[float], cell: list[float]) -> tuple[list[float], list[float]]:
    """One LSTM cell, its gates (4H) in the order i f g o; the next cell and hidden state."""
    values = torch.tensor(gates, dtype=torch.float64)
    size = len(cell)
    enter, forget, _, leave = values.sigmoid().chunk(4)
    new = values.tanh()[2 * size : 3 * size]
    after = forget * torch.tensor(cell, dtype=torch.float64) + enter * new
    return after.tolist(), (leave * after.tanh()).tolist()


@every_shape
def test_forward_equals_the_equations_gate_by_gate(config: NetworkConfig) -> None:
    network, ids = network_of(config), some_ids()
    logits, _ = network(ids)
    for row in range(N):
        expected = torch.tensor(forward_gate_by_gate(network, ids[row].tolist()))
        torch.testing.assert_close(logits[row], expected.double(), rtol=0, atol=1e-7)


@every_shape
def test_a_text_read_in_parts_equals_the_text_read_at_once(config: NetworkConfig) -> None:
    network, ids = network_of(config), some_ids()
    at_once, state_at_once = network(ids)
    parts, state = [], network.initial_state(N)
    for start, end in pairwise((0, 1, 4, T)):
        logits, state = network(ids[:, start:end], state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), at_once)
    torch.testing.assert_close(state, state_at_once)


@every_shape
def test_logits_and_state_have_the_promised_shapes(config: NetworkConfig) -> None:
    logits, state = network_of(config)(some_ids())
    assert logits.shape == (N, T, V)
    assert state.hidden.shape == state.cell.shape == (config.layers, N, H)


@every_shape
def test_rows_do_not_see_each_other(config: NetworkConfig) -> None:
    network, ids = network_of(config), some_ids()
    torch.testing.assert_close(network(ids)[0][1:2], network(ids[1:2])[0])


def test_the_state_handed_in_is_left_as_it_was() -> None:
    network = network_of(SHAPES[0])
    state = LSTMState(torch.ones(2, N, H).double(), torch.ones(2, N, H).double())
    network(some_ids(), state)
    assert state.hidden.eq(1).all()
    assert state.cell.eq(1).all()


@every_shape
def test_gradients_equal_finite_differences(config: NetworkConfig) -> None:
    network, ids = network_of(config), some_ids()
    parameters = {n: p.detach() for n, p in network.named_parameters() if p.requires_grad}
    frozen = {n: p for n, p in network.named_parameters() if not p.requires_grad}
    names = list(parameters)

    def loss(*values: Tensor) -> Tensor:
        given = frozen | dict(zip(names, values, strict=True))
        logits, _ = torch.func.functional_call(network, given, (ids[:2, :3],))
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:2, 1:4].flatten())

    inputs = tuple(value.clone().requires_grad_() for value in parameters.values())
    assert all(gradient.any() for gradient in torch.autograd.grad(loss(*inputs), inputs))
    assert torch.autograd.gradcheck(loss, inputs)


def test_the_tutorials_network_has_the_tutorials_parameter_counts() -> None:
    config = NetworkConfig(vocabulary_size=48, input="scalar", hidden_size=256, layers=4)
    network = StackedLSTM(config, initialise=False)
    layers = [
        sum(p.numel() for p in layer.parameters() if p.requires_grad)
        for layer in network.lstms.children()
    ]
    assert layers == [264_192, 525_312, 525_312, 525_312]
    assert sum(p.numel() for p in network.head.parameters()) == 12_336
    assert network.parameter_count == 1_852_464


def test_the_second_bias_is_zero_and_never_trained() -> None:
    network = StackedLSTM(SHAPES[0])
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    network(some_ids())[0].sum().backward()
    optimizer.step()
    for layer in network.lstms.children():
        assert not layer.get_parameter("bias_hh_l0").any()


def test_a_fresh_network_remembers_by_default() -> None:
    layer = next(iter(StackedLSTM(SHAPES[0]).lstms.children()))
    enter, forget, new, leave = layer.get_parameter("bias_ih_l0").chunk(4)
    assert forget.eq(1).all()
    assert not torch.cat([enter, new, leave]).any()


def test_fresh_recurrent_weights_are_orthogonal_gate_by_gate() -> None:
    layer = next(iter(StackedLSTM(SHAPES[0]).lstms.children()))
    for gate in layer.get_parameter("weight_hh_l0").chunk(4):
        torch.testing.assert_close(gate @ gate.t(), torch.eye(H), rtol=0, atol=1e-5)


def test_scalar_input_is_the_id_divided_by_the_alphabets_size() -> None:
    inputs = StackedLSTM(SHAPES[2]).inputs(torch.tensor([[0, 3, 5]]))
    torch.testing.assert_close(inputs, torch.tensor([[[0.0], [3 / V], [5 / V]]]))


def test_dropout_acts_in_training_only() -> None:
    config = NetworkConfig(vocabulary_size=V, hidden_size=H, layers=2, dropout=0.5)
    network, ids = StackedLSTM(config), some_ids()
    assert not torch.equal(network(ids)[0], network(ids)[0])
    network.eval()
    assert torch.equal(network(ids)[0], network(ids)[0])


# Starting with another model's weights


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


def model_of(network: StackedLSTM, alphabet: str) -> Model:
    return Model(network.config, tensors_of(network), Vocabulary(alphabet), make_card(), "00")


def test_weights_of_another_model_are_taken_over_by_character() -> None:
    new = Vocabulary("bcd")
    theirs = StackedLSTM(NetworkConfig(vocabulary_size=3, embedding_size=2, hidden_size=4))
    ours = StackedLSTM(NetworkConfig(vocabulary_size=3, embedding_size=2, hidden_size=4))
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


def test_a_character_that_the_start_lacks_begins_as_the_nearest_one() -> None:
    config = NetworkConfig(vocabulary_size=3, embedding_size=2, hidden_size=4)
    theirs, ours = StackedLSTM(config), StackedLSTM(config)
    adopt_weights(ours, Vocabulary("aeé"), model_of(theirs, "abe"))
    assert torch.equal(ours.head.weight[2], theirs.head.weight[2])
    assert torch.equal(ours.head.weight[1], theirs.head.weight[2])
    assert torch.equal(ours.head.bias[0], theirs.head.bias[0])


def test_weights_of_another_size_are_refused() -> None:
    theirs = StackedLSTM(NetworkConfig(vocabulary_size=3, embedding_size=2, hidden_size=8))
    ours = StackedLSTM(NetworkConfig(vocabulary_size=3, embedding_size=2, hidden_size=4))
    with pytest.raises(StartMismatch, match="hidden_size 8, this training has 4"):
        adopt_weights(ours, Vocabulary("abc"), model_of(theirs, "abc"))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    network = StackedLSTM(NetworkConfig(vocabulary_size=6, embedding_size=2, hidden_size=4))
    path = tmp_path / "base.safetensors"
    save_model(path, network.config, tensors_of(network), Vocabulary("\n abcd"), make_card())
    return path


def test_a_book_in_the_bases_script_begins_with_the_base(base: Path) -> None:
    start, sentence = choose_start(None, "ABBA, a cab\n" + "a bad dad\n" * 20, base)
    assert start is not None
    assert start.card.name == "old"
    assert sentence.startswith("Starting with the base model")


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
