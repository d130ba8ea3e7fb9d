"""The network's weights as the kernel reads them: bytes in blocks, with what makes them numbers.

A weight matrix (M, K) becomes signed bytes within ±64 with one scale per row: w ≈ scale × byte.
Activations are hidden values h in (-1, 1) as the unsigned bytes 128 + 127 h: a fixed scale, so a
row's bytes never depend on its neighbours. A sum of byte products is 127 / scale × w·h plus 128
times the bytes of the weights, which is known beforehand and begins the sum, negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.config import NetworkConfig, Tensors
from model.kernel.reference import ACTIVATION_ONE, activation_bound, input_vectors
from model.kernel.tiles import BLOCK, GATES, LANES

LARGEST_WEIGHT = 64  # two products with bytes up to 255 still fit AVX2's sums of 16 bits
TABLE_CHUNK = 1024  # characters whose input is put in order; four copies are made meanwhile

Floats = NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)


def aligned(shape: tuple[int, ...], kind: type[Scalar]) -> NDArray[Scalar]:
    """Return zeros that begin at a multiple of 64 bytes, a cache line and the widest vector."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    raw = np.zeros(size + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size].view(kind).reshape(shape)


@dataclass(frozen=True, slots=True)
class QuantizedMatrix:
    """A matrix (blocks × 64, K) in blocks: w (blocks, K / 4, 4, 16, 4), the rest (blocks, 64)."""

    w: NDArray[np.int8]
    initial_sums: NDArray[np.int32]
    scale: Floats
    bias: Floats


def quantize(matrix: Floats, bias: Floats) -> QuantizedMatrix:
    """Quantise a matrix (M, K) whose M rows stand as the blocks want them; K a multiple of 4."""
    outputs, inputs = matrix.shape
    scale = np.abs(matrix).max(axis=1) / LARGEST_WEIGHT
    scale[scale == 0] = 1.0
    whole = np.rint(matrix / scale[:, None]).astype(np.int8)
    blocks = outputs // BLOCK
    w = aligned((blocks, inputs // 4, GATES, LANES, 4), np.int8)
    w[:] = whole.reshape(blocks, GATES, LANES, inputs // 4, 4).transpose(0, 3, 1, 2, 4)
    quantized = QuantizedMatrix(
        w,
        aligned((blocks, BLOCK), np.int32),
        aligned((blocks, BLOCK), np.float32),
        aligned((blocks, BLOCK), np.float32),
    )
    quantized.initial_sums[:] = -128 * whole.sum(axis=1, dtype=np.int32).reshape(blocks, BLOCK)
    quantized.scale[:] = (scale / ACTIVATION_ONE).reshape(blocks, BLOCK)
    quantized.bias[:] = bias.reshape(blocks, BLOCK)
    return quantized


def _padded(matrix: Floats, rows: int, columns: int) -> Floats:
    out = np.zeros((rows, columns), np.float32)
    out[: matrix.shape[0], : matrix.shape[1]] = matrix
    return out


class QuantizedWeights(NamedTuple):
    """A network for the kernel. L layers, V characters, H hidden units padded to B blocks of 16."""

    w: NDArray[np.int8]  # every layer's blocks; layer l begins at w_offset[l]
    w_offset: NDArray[np.int64]  # (L,)
    initial_sums: NDArray[np.int32]  # (L, B, 64)
    scale: Floats  # (L, B, 64)
    bias: Floats  # (V + L - 1, B, 64): the first layer's input by character, the others' biases
    head_w: NDArray[np.int8]
    head_initial_sums: NDArray[np.int32]  # (blocks of 64 characters, 64)
    head_scale: Floats  # (V,)
    head_bias: Floats  # (V,)
    vocabulary_size: int
    residual: bool


def input_table_bytes(config: NetworkConfig) -> int:
    """Return what `bias` takes: each character's input to the first layer's gates."""
    blocks = -(-config.hidden_size // LANES)
    return config.vocabulary_size * blocks * BLOCK * np.dtype(np.float32).itemsize


def quantize_network(config: NetworkConfig, tensors: Tensors) -> QuantizedWeights:
    """Quantise a network."""
    hidden, layers = config.hidden_size, config.layers
    padded = -(-hidden // LANES) * LANES
    blocks = padded // LANES

    def gates(matrix: Floats) -> Floats:
        """Rows i f g o of each unit to blocks of i f o g; what is padded is zero."""
        matrix = matrix.reshape(GATES, hidden, -1)[[0, 1, 3, 2]]
        matrix[:3] *= 0.5  # sigmoid x = (1 + tanh x/2) / 2
        wide = np.zeros((GATES, padded, matrix.shape[2]), np.float32)
        wide[:, :hidden] = matrix
        in_blocks = wide.reshape(GATES, blocks, LANES, -1).swapaxes(0, 1)
        return in_blocks.reshape(blocks * BLOCK, -1)

    def columns(matrix: Floats) -> Floats:
        return np.pad(matrix, ((0, 0), (0, padded - hidden)))

    parts = []
    bias = aligned((config.vocabulary_size + layers - 1, blocks, BLOCK), np.float32)
    for layer in range(layers):
        below, own, layer_bias = (
            tensors[f"lstms.{layer}.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih")
        )
        own = columns(gates(own))
        if layer == 0:
            reads = input_vectors(config, tensors) @ below.T  # (V, 4H)
            reads += layer_bias
            for at in range(0, config.vocabulary_size, TABLE_CHUNK):
                some = gates(reads[at : at + TABLE_CHUNK].T).T.reshape(-1, blocks, BLOCK)
                bias[at : at + len(some)] = some
            parts.append(quantize(own, np.zeros(len(own), np.float32)))
            continue
        bias[config.vocabulary_size + layer - 1] = gates(layer_bias[:, None]).reshape(blocks, BLOCK)
        below = columns(gates(below)) * activation_bound(config, layer - 1)
        parts.append(quantize(np.hstack([below, own]), np.zeros(len(own), np.float32)))
    head_rows = -(-config.vocabulary_size // BLOCK) * BLOCK
    head = _padded(tensors["head.weight"], head_rows, padded) * activation_bound(config, layers - 1)
    top = quantize(head, _padded(tensors["head.bias"][:, None], head_rows, 1)[:, 0])
    w = aligned((sum(part.w.size for part in parts),), np.int8)
    np.concatenate([part.w.ravel() for part in parts], out=w)
    sizes = [part.w.size for part in parts]
    return QuantizedWeights(
        w=w,
        w_offset=np.cumsum([0, *sizes[:-1]]).astype(np.int64),
        initial_sums=_stacked([part.initial_sums for part in parts], np.int32),
        scale=_stacked([part.scale for part in parts], np.float32),
        bias=bias,
        head_w=top.w,
        head_initial_sums=top.initial_sums,
        head_scale=top.scale.ravel()[: config.vocabulary_size].copy(),
        head_bias=top.bias.ravel()[: config.vocabulary_size].copy(),
        vocabulary_size=config.vocabulary_size,
        residual=config.residual,
    )


def _stacked(arrays: Sequence[NDArray[np.generic]], kind: type[np.generic]) -> Any:
    out = aligned((len(arrays), *arrays[0].shape), kind)
    np.stack(arrays, out=out)
    return out
