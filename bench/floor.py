"""How quick it could be at best: the network's int8 products and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from model import Model
from model.kernel import Arithmetic, Weights, checked_arithmetic, pack_network
from model.kernel.advance import multiply
from model.kernel.compilation import inner
from model.kernel.tiles import address
from model.kernel.weights import aligned

TRIES = 5


@inner
def _products(
    arithmetic: Arithmetic, weights: Weights, x: NDArray[np.uint8], out: NDArray[np.int32]
) -> None:
    """Multiply x (N, 2H) with every layer's weights; out (N, 64) takes all sums in turn."""
    layers, blocks = weights.start.shape[0], weights.start.shape[1]
    width = x.shape[1]
    for layer in range(layers):
        inputs = width if layer else width // 2
        for block in range(blocks):
            w = address(weights.w, weights.w_at[layer] + block * inputs * 64)
            start = address(weights.start, (layer * blocks + block) * 256)
            multiply(arithmetic, x[:, :inputs], w, start, out)


def _by_tiles(model: Model, rows: int) -> Callable[[], object]:
    weights, arithmetic = pack_network(model.network, model.tensors), checked_arithmetic()
    hidden = weights.start.shape[1] * 16
    x, out = aligned((rows, 2 * hidden), np.uint8), aligned((rows, 64), np.int32)
    return lambda: _products(arithmetic, weights, x, out)


def _by_torch(model: Model, rows: int) -> Callable[[], object]:
    size, layers = model.network.hidden_size, model.network.layers
    widths = [size, *[2 * size] * (layers - 1)]
    xs = [torch.zeros(rows, width, dtype=torch.int8) for width in widths]
    ws = [torch.zeros(width, 4 * size, dtype=torch.int8) for width in widths]
    return lambda: [torch._int_mm(x, w) for x, w in zip(xs, ws, strict=True)]


def floor(model: Model, rows: int, seconds: float) -> tuple[float, str]:
    """Return characters a second by products alone, the quicker of two ways, and which it was."""
    rates = {}
    for name, make in (("tiles", _by_tiles), ("_int_mm", _by_torch)):
        step = make(model, rows)
        step()
        rates[name] = max(_rate(step, seconds / TRIES) for _ in range(TRIES)) * rows
    best = max(rates, key=lambda name: rates[name])
    return rates[best], best


def _rate(step: Callable[[], object], seconds: float) -> float:
    steps, began = 0, time.perf_counter()
    while True:
        step()
        steps += 1
        spent = time.perf_counter() - began
        if spent >= seconds:
            return steps / spent
