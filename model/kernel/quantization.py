"""The network's weights as the kernel reads them: bytes in blocks, with what makes them numbers.

A weight matrix (M, K) becomes signed bytes within ±64 with one scale per row: w ≈ scale × byte.
Activations are hidden values h in (-1, 1) as the unsigned bytes 128 + 127 h: a fixed scale, so a
row's bytes never depend on its neighbours. A sum of byte products is 127 / scale × w·h plus 128
times the bytes of the weights, which is known beforehand and begins the sum, negative.

The functions at the end tell where each part lies, for the functions of `tiles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.config import NetworkConfig, Tensors
from model.kernel.compilation import inner
from model.kernel.instruction_sets import LANES, QUAD
from model.kernel.reference import (
    ACTIVATION_ONE,
    activation_bound,
    head_weights,
    input_vectors,
)
from model.kernel.tiles import BIAS_BYTES, BIAS_STEP, BLOCK, BLOCK_BYTES, GATES, VECTOR_BYTES

LARGEST_WEIGHT = 64  # two products with bytes up to 255 still fit AVX2's sums of 16 bits
TABLE_CHUNK = 128  # tokens whose input is computed at a time
ACTIVATION_ZERO = 128  # the byte of an activation of 0

Floats = NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)


def aligned(shape: tuple[int, ...], kind: type[Scalar]) -> NDArray[Scalar]:
    """Return zeros that begin at a multiple of 64 bytes, a cache line and the widest vector."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    raw = np.zeros(size + VECTOR_BYTES, np.uint8)
    offset = -raw.ctypes.data % VECTOR_BYTES
    return raw[offset : offset + size].view(kind).reshape(shape)  # (bytes,) → (numbers,) → shape


@dataclass(frozen=True, slots=True)
class QuantizedMatrix:
    """A matrix (M, K) in blocks, B = M / 64 of them."""

    blocks: NDArray[np.int8]  # (B, K / 4, 4 gates, 16 units, 4 inputs)
    initial_sums: NDArray[np.int32]  # (B, 64)
    scale: Floats  # (B, 64)
    bias: Floats  # (B, 64)


def quantize(matrix: Floats, bias: Floats) -> QuantizedMatrix:
    """Quantise a matrix (M, K) whose M rows stand as the blocks want them; K a multiple of 4."""
    outputs, inputs = matrix.shape
    scale = np.abs(matrix).max(axis=1) / LARGEST_WEIGHT
    scale[scale == 0] = 1.0
    whole = np.rint(matrix / scale[:, None]).astype(np.int8)  # (M, K) / (M, 1)
    count, quads = outputs // BLOCK, inputs // QUAD
    quantized = QuantizedMatrix(
        aligned((count, quads, GATES, LANES, QUAD), np.int8),
        aligned((count, BLOCK), np.int32),
        aligned((count, BLOCK), np.float32),
        aligned((count, BLOCK), np.float32),
    )
    # (M, K) → (B, 4 gates, 16 units, K / 4, 4 inputs) → (B, K / 4, 4 gates, 16 units, 4 inputs)
    in_units = whole.reshape(count, GATES, LANES, quads, QUAD)
    quantized.blocks[:] = in_units.transpose(0, 3, 1, 2, 4)
    # (M,) → (B, 64), three times
    sums = whole.sum(axis=1, dtype=np.int32)
    quantized.initial_sums[:] = -ACTIVATION_ZERO * sums.reshape(count, BLOCK)
    quantized.scale[:] = (scale / ACTIVATION_ONE).reshape(count, BLOCK)
    quantized.bias[:] = bias.reshape(count, BLOCK)
    return quantized


def on_grid(matrix: Floats) -> NDArray[np.float64]:
    """Round a matrix (M, K) so that sums of K products of two such are exact in float64.

    They are then the same in whatever order a processor's library adds them.
    """
    bits = (np.finfo(np.float64).nmant + 1 - (matrix.shape[1] - 1).bit_length()) // 2
    _, exponent = np.frexp(np.abs(matrix).max())
    step = 2.0 ** (int(exponent) - bits)
    rounded: NDArray[np.float64] = np.rint(matrix / np.float64(step)) * step
    return rounded


def in_steps(values: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
    """Round values to whole BIAS_STEPs; larger ones than fit are the largest."""
    bounds = np.iinfo(np.int16)
    whole = np.rint(values / BIAS_STEP).clip(bounds.min, bounds.max)
    steps: NDArray[np.int16] = whole.astype(np.int16)
    return steps


def padded_to(size: int, step: int) -> int:
    """Return `size` rounded up to a multiple of `step`.

    >>> padded_to(70, 64)
    128
    """
    return -(-size // step) * step


def _padded(matrix: Floats, rows: int, columns: int) -> Floats:
    out = np.zeros((rows, columns), np.float32)
    out[: matrix.shape[0], : matrix.shape[1]] = matrix
    return out


class QuantizedWeights(NamedTuple):
    """A network for the kernel. L layers, V tokens, H hidden units padded to B blocks of 16."""

    blocks: NDArray[np.int8]  # (bytes,), every layer's; layer l begins at layer_offset[l]
    layer_offset: NDArray[np.int64]  # (L,)
    initial_sums: NDArray[np.int32]  # (L, B, 64)
    scale: Floats  # (L, B, 64)
    # (V + L - 1, B, 64), BIAS_STEPs: the first layer's input by token, the others' biases
    bias: NDArray[np.int16]
    head_blocks: NDArray[np.int8]  # (V / 64, H / 4, 4, 16, 4), V rounded up to 64
    head_initial_sums: NDArray[np.int32]  # (V / 64, 64)
    head_scale: Floats  # (V,)
    head_bias: Floats  # (V,)
    output_scale: Floats  # (L,), steps of a byte in an output of 1
    vocabulary_size: int
    residual: bool


def input_table_bytes(config: NetworkConfig) -> int:
    """Return what `bias` takes: each token's input to the first layer's gates."""
    blocks = padded_to(config.hidden_size, LANES) // LANES
    return config.vocabulary_size * blocks * BLOCK * BIAS_BYTES


def quantize_network(config: NetworkConfig, tensors: Tensors) -> QuantizedWeights:
    """Quantise a network."""
    hidden, layers = config.hidden_size, config.layers
    padded = padded_to(hidden, LANES)
    blocks = padded // LANES

    def gates(matrix: Floats) -> Floats:
        """Rows i f g o of each unit to blocks of i f o g; what is padded is zero."""
        matrix = matrix.reshape(GATES, hidden, -1)[[0, 1, 3, 2]]  # (4H, K) → (4, H, K)
        matrix[:3] *= 0.5  # sigmoid x = (1 + tanh x/2) / 2
        wide = np.zeros((GATES, padded, matrix.shape[2]), np.float32)
        wide[:, :hidden] = matrix
        # (4, 16 B, K) → (4, B, 16, K) → (B, 4, 16, K) → (64 B, K)
        in_blocks = wide.reshape(GATES, blocks, LANES, -1).swapaxes(0, 1)
        return in_blocks.reshape(blocks * BLOCK, -1)

    def columns(matrix: Floats) -> Floats:
        """Pad the columns (M, H) that stand for hidden units to (M, 16 B)."""
        return np.pad(matrix, ((0, 0), (0, padded - hidden)))

    parts = []
    bias = aligned((config.vocabulary_size + layers - 1, blocks, BLOCK), np.int16)
    for layer in range(layers):
        below, own, layer_bias = (
            tensors[f"lstms.{layer}.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih")
        )
        own = columns(gates(own))
        if layer == 0:
            table = bias[: config.vocabulary_size].reshape(-1, blocks * BLOCK)  # (V, 64 B)
            layer_bias = gates(layer_bias[:, None])[:, 0]  # (64 B,)
            _fill_table(table, input_vectors(config, tensors), gates(below), layer_bias)
            parts.append(quantize(own, np.zeros(len(own), np.float32)))
            continue
        # (4H,) → (4H, 1) → (64 B, 1) → (B, 64)
        row = config.vocabulary_size + layer - 1
        bias[row] = in_steps(gates(layer_bias[:, None])).reshape(blocks, BLOCK)
        below = columns(gates(below)) * activation_bound(config, layer - 1)
        parts.append(quantize(np.hstack([below, own]), np.zeros(len(own), np.float32)))
    head_rows = padded_to(config.vocabulary_size, BLOCK)
    head = _padded(head_weights(config, tensors), head_rows, padded) * activation_bound(
        config, layers - 1
    )
    top = quantize(head, _padded(tensors["head.bias"][:, None], head_rows, 1)[:, 0])
    sizes = [part.blocks.size for part in parts]
    all_blocks = aligned((sum(sizes),), np.int8)
    np.concatenate([part.blocks.ravel() for part in parts], out=all_blocks)
    return QuantizedWeights(
        blocks=all_blocks,
        layer_offset=np.cumsum([0, *sizes[:-1]]).astype(np.int64),
        initial_sums=_stacked([part.initial_sums for part in parts], np.int32),
        scale=_stacked([part.scale for part in parts], np.float32),
        bias=bias,
        head_blocks=top.blocks,
        head_initial_sums=top.initial_sums,
        head_scale=top.scale.ravel()[: config.vocabulary_size].copy(),
        head_bias=top.bias.ravel()[: config.vocabulary_size].copy(),
        output_scale=np.array(
            [ACTIVATION_ONE / activation_bound(config, layer) for layer in range(layers)],
            np.float32,
        ),
        vocabulary_size=config.vocabulary_size,
        residual=config.residual,
    )


def _fill_table(table: NDArray[np.int16], vectors: Floats, weights: Floats, bias: Floats) -> None:
    """Fill a table (V, M) with weights (M, K) times each of `vectors` (V, K), plus a bias (M,)."""
    exact_vectors, exact_weights = on_grid(vectors), on_grid(weights)
    for at in range(0, len(table), TABLE_CHUNK):
        some = slice(at, at + TABLE_CHUNK)
        table[some] = in_steps(exact_vectors[some] @ exact_weights.T + bias)


def for_signed_activations(weights: QuantizedWeights) -> QuantizedWeights:
    """Return the same network for sums of signed bytes 127 h, from which nothing is to be taken."""
    return weights._replace(
        initial_sums=aligned(weights.initial_sums.shape, np.int32),
        head_initial_sums=aligned(weights.head_initial_sums.shape, np.int32),
    )


def _stacked(arrays: Sequence[NDArray[np.generic]], kind: type[np.generic]) -> Any:
    out = aligned((len(arrays), *arrays[0].shape), kind)
    np.stack(arrays, out=out)
    return out


# Where a network's parts lie, in bytes. They take numbers alone: passing arrays would cost time.


@inner
def block_vector(row: int, block: int, blocks: int) -> int:
    """Return where a block's 64 numbers begin in an array of 4-byte numbers (L or T, B, 64)."""
    return (row * blocks + block) * BLOCK_BYTES


@inner
def bias_row(layer: int, token: int, size: int, blocks: int) -> int:
    """Return where a layer's row (B, 64) begins in `bias`: the first layer has one for each of
    `size` tokens.
    """
    return bias_block((token if layer == 0 else size + layer - 1) * blocks)


@inner
def bias_block(block: int) -> int:
    """Return where a block's numbers (64,) begin in `bias`, or in a row of it."""
    return block * BLOCK * BIAS_BYTES


@inner
def weight_block(layer_offset: int, block: int, inputs: int) -> int:
    """Return where a block's weights (inputs / 4, 4, 16, 4) begin in `blocks`."""
    return layer_offset + block * inputs * BLOCK


@inner
def recurrent_part(layer_offset: int, block: int, inputs: int, hidden: int) -> int:
    """Return where, among a block's weights, those begin for the last `hidden` of the inputs."""
    return weight_block(layer_offset, block, inputs) + (inputs - hidden) * BLOCK


@inner
def head_block(block: int, hidden: int) -> int:
    """Return where the weights of 64 logits begin in `head_blocks`."""
    return block * hidden * BLOCK
