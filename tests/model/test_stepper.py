import random

import pytest
import torch
from torch import Tensor

from model.config import NetworkConfig
from model.network import CharLSTM
from model.stepper import WIDTHS, FloatStepper, Linear, packed_linear

E, H, V = 4, 20, 11

SHAPES = [
    NetworkConfig(vocabulary_size=V, embedding_size=E, hidden_size=H, layers=1),
    NetworkConfig(vocabulary_size=V, embedding_size=E, hidden_size=H, layers=3, residual=True),
    NetworkConfig(vocabulary_size=V, input="scalar", hidden_size=H, layers=4),
    NetworkConfig(vocabulary_size=V, input="scalar", hidden_size=H, layers=2, residual=True),
]
# Of the size that ships, where the products have long sums and libraries have several kernels.
SHIPPED_SIZE = NetworkConfig(vocabulary_size=48, hidden_size=256, layers=2)


def network_of(config: NetworkConfig) -> CharLSTM:
    torch.manual_seed(3)
    network = CharLSTM(config).eval()
    for parameter in network.parameters():
        if parameter.requires_grad and config.hidden_size == H:
            torch.nn.init.normal_(parameter, std=0.5)
    return network


def some_ids(rows: int, length: int, vocabulary_size: int = V) -> list[list[int]]:
    generator = random.Random(4)
    return [[generator.randrange(vocabulary_size) for _ in range(length)] for _ in range(rows)]


def run(stepper: FloatStepper, ids: list[list[int]]) -> Tensor:
    """Let rows 0…n-1 read their ids from fresh; the logits (N, T, V)."""
    for position in range(len(ids)):
        stepper.join(position, [])
    steps = zip(*ids, strict=True)
    return torch.stack([stepper.step(step).clone() for step in steps], dim=1)


@pytest.mark.parametrize("config", SHAPES, ids=lambda c: f"{c.input}{c.layers}")
def test_stepping_equals_the_network(config: NetworkConfig) -> None:
    network = network_of(config)
    ids = some_ids(rows=5, length=9)
    expected, _ = network(torch.tensor(ids))
    logits = run(FloatStepper(network, 5), ids)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", SHAPES, ids=lambda c: f"{c.input}{c.layers}")
def test_a_row_that_joined_with_an_opening_goes_on_from_it(config: NetworkConfig) -> None:
    network = network_of(config)
    [ids] = some_ids(rows=1, length=9)
    expected, _ = network(torch.tensor([ids]))
    stepper = FloatStepper(network, 2)
    stepper.join(0, [])
    stepper.join(1, ids[:8])
    torch.testing.assert_close(stepper.step([0, ids[8]])[1], expected[0, 8], rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [SHAPES[1], SHIPPED_SIZE], ids=["tiny", "shipped"])
def test_a_row_is_the_same_to_the_last_bit_at_every_width_and_place(config: NetworkConfig) -> None:
    stepper = FloatStepper(network_of(config), 150)
    ids = some_ids(150, 3, config.vocabulary_size)
    alone = torch.cat([run(stepper, [row]) for row in ids])
    for rows in [*range(1, 65), 65, 100, 150]:
        assert torch.equal(run(stepper, ids[:rows]), alone[:rows]), rows
        assert torch.equal(run(stepper, ids[:rows][::-1]).flip(0), alone[:rows]), rows


def test_more_rows_than_the_widest_tile_all_take_a_step() -> None:
    network = network_of(SHAPES[1])
    ids = some_ids(rows=150, length=4)
    logits = run(FloatStepper(network, 150), ids)
    torch.testing.assert_close(logits, network(torch.tensor(ids))[0], rtol=0, atol=1e-5)


def test_a_moved_row_goes_on_where_it_was() -> None:
    stepper = FloatStepper(network_of(SHAPES[1]), 3)
    for position, opening in enumerate(([1, 2], [3], [4, 5, 6])):
        stepper.join(position, opening)
    expected = stepper.step([7, 8, 9])[2].clone()
    for position, opening in enumerate(([1, 2], [3], [4, 5, 6])):
        stepper.join(position, opening)
    stepper.move(2, 0)
    assert torch.equal(stepper.step([9, 8])[0], expected)


def test_a_place_taken_again_begins_afresh() -> None:
    stepper = FloatStepper(network_of(SHAPES[1]), 1)
    assert torch.equal(run(stepper, [[1, 2, 3]]), run(stepper, [[1, 2, 3]]))


def test_stepping_does_not_change_the_network() -> None:
    network = network_of(SHAPES[0])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    run(FloatStepper(network, 2), some_ids(2, 5))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_the_widths_do_not_depend_on_the_rows_asked_for() -> None:
    network = network_of(SHAPES[0])
    assert FloatStepper(network, 1).widths == FloatStepper(network, 64).widths


def another_order_below_four_rows(weight: Tensor, bias: Tensor | None) -> Linear:
    """A product like MKL's: it sums in another order when there are few rows."""
    multiply = packed_linear(weight, bias)
    backwards = packed_linear(weight.flip(1), bias)
    return lambda rows: multiply(rows) if len(rows) >= 4 else backwards(rows.flip(1))


def another_order_by_place(weight: Tensor, bias: Tensor | None) -> Linear:
    """A product that treats the last row of a tile otherwise than the others."""
    multiply = packed_linear(weight, bias)
    backwards = packed_linear(weight.flip(1), bias)
    return lambda rows: torch.cat([multiply(rows)[:-1], backwards(rows.flip(1))[-1:]])


def test_widths_that_sum_in_another_order_are_not_used() -> None:
    network = network_of(SHIPPED_SIZE)
    stepper = FloatStepper(network, 8, linear=another_order_below_four_rows)
    assert min(stepper.widths) == 4
    ids = some_ids(8, 3, SHIPPED_SIZE.vocabulary_size)
    alone = torch.cat([run(stepper, [row]) for row in ids])
    assert torch.equal(run(stepper, ids), alone)


def test_rows_are_stepped_one_by_one_where_a_products_rows_differ_by_place() -> None:
    network = network_of(SHIPPED_SIZE)
    stepper = FloatStepper(network, 8, linear=another_order_by_place)
    assert stepper.widths == (1,)
    ids = some_ids(8, 3, SHIPPED_SIZE.vocabulary_size)
    assert torch.equal(run(stepper, ids), torch.cat([run(stepper, [row]) for row in ids]))


def test_the_widths_begin_with_a_single_row_and_cover_64() -> None:
    assert WIDTHS[0] == 1
    assert WIDTHS[-1] == 64
