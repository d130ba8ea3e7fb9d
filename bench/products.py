"""The products of a network alone, as the kernel's tiles make them: no gates, no choice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from model import Model
from model.kernel import (
    InstructionSet,
    QuantizedWeights,
    checked_instruction_set,
    quantize_network,
)
from model.kernel.compilation import inner
from model.kernel.forward import multiply
from model.kernel.instruction_sets import LANES
from model.kernel.quantization import (
    aligned,
    block_vector,
    head_block,
    padded_to,
    weight_block,
)
from model.kernel.tiles import BLOCK, address

Bytes = NDArray[np.uint8]
Sums = NDArray[np.int32]
WORST_BYTE = 255


def layer_products(model: Model, rows: int) -> Callable[[], object]:
    """Return a function that multiplies `rows` rows with every layer's weights."""
    weights, isa = quantize_network(model.network, model.tensors), checked_instruction_set()
    x, out = _operands(model, rows)
    return lambda: _layers(isa, weights, x, out)


def all_products(model: Model, rows: int) -> Callable[[], object]:
    """Return a function that multiplies `rows` rows with the weights of layers and head."""
    weights, isa = quantize_network(model.network, model.tensors), checked_instruction_set()
    x, out = _operands(model, rows)

    def products() -> None:
        _layers(isa, weights, x, out)
        _head(isa, weights, x, out)

    return products


def weights_of(model: Model) -> int:
    """Return how many weights a token is multiplied with, layers and head, padding included."""
    weights = quantize_network(model.network, model.tensors)
    return int(weights.blocks.size + weights.head_blocks.size)


def _operands(model: Model, rows: int) -> tuple[Bytes, Sums]:
    hidden = padded_to(model.network.hidden_size, LANES)
    x = aligned((rows, 2 * hidden), np.uint8)
    x[:] = np.random.default_rng(0).integers(1, WORST_BYTE + 1, x.shape)
    return x, aligned((rows, BLOCK), np.int32)


@inner
def _layers(isa: InstructionSet, weights: QuantizedWeights, x: Bytes, out: Sums) -> None:
    """Multiply x (N, 2H) with every layer's weights; out (N, 64) takes all sums in turn."""
    layers, blocks = weights.initial_sums.shape[0], weights.initial_sums.shape[1]
    width = x.shape[1]
    for layer in range(layers):
        inputs = width if layer else width // 2
        for block in range(blocks):
            w = address(weights.blocks, weight_block(weights.layer_offset[layer], block, inputs))
            start = address(weights.initial_sums, block_vector(layer, block, blocks))
            multiply(isa, x[:, :inputs], w, start, out)


@inner
def _head(isa: InstructionSet, weights: QuantizedWeights, x: Bytes, out: Sums) -> None:
    """Multiply the first half of x (N, 2H) with the head's weights, as above."""
    hidden, blocks = x.shape[1] // 2, weights.head_initial_sums.shape[0]
    for block in range(blocks):
        w = address(weights.head_blocks, head_block(block, hidden))
        start = address(weights.head_initial_sums, block_vector(0, block, blocks))
        multiply(isa, x[:, :hidden], w, start, out)
