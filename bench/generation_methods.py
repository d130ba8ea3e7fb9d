"""The methods of writing that `generation.py` compares: what people would use, and ours.

A method is made of a model and a number of rows. `write` lets every row write `BURST` characters;
`logits` reads a text from the beginning and tells what is expected after each character, in the
method's own arithmetic.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.gauges import per_second
from bench.products import layer_products
from model import LengthConfig, Model, Opening, Request, Sampling, make_engine
from model.kernel import Batch, checked_instruction_set, quantize_network
from model.training import StackedLSTM, network_of

WINDOW = 100  # the tutorial's
BURST = 8
TEMPERATURE = 0.5
SAMPLING = Sampling(temperature=TEMPERATURE, min_p=0.05)
POEM = LengthConfig(characters=600)  # about a sonnet
Floats = NDArray[np.float32]


class Method(ABC):
    """How characters are written."""

    most_rows = 256

    @abstractmethod
    def __init__(self, model: Model, rows: int) -> None: ...

    @abstractmethod
    def write(self) -> None: ...

    def logits(self, ids: Sequence[int]) -> Floats | None:
        """Return logits (T, V), None where they are float32's own."""
        return None


class Window(Method):
    """The tutorial's: the last 100 characters are read anew for each, the likeliest is taken."""

    most_rows = 4

    def __init__(self, model: Model, rows: int) -> None:
        self._network = network_of(model)
        self._window = torch.zeros(rows, WINDOW, dtype=torch.long)

    def write(self) -> None:
        for _ in range(BURST):
            start = self._network.initial_state(len(self._window))
            outputs, _ = self._network.features(self._window, start)
            likeliest = self._network.head(outputs[:, -1]).argmax(dim=-1, keepdim=True)
            self._window = torch.cat([self._window[:, 1:], likeliest], dim=1)


class Stepwise(Method):
    """torch.nn.LSTM carries its state and reads one character per call."""

    def __init__(self, model: Model, rows: int) -> None:
        self._network = network_of(model)
        self._ids = torch.zeros(rows, 1, dtype=torch.long)
        self._state = self._network.initial_state(rows)

    def write(self) -> None:
        for _ in range(BURST):
            logits, self._state = self._network(self._ids, self._state)
            self._ids = _drawn(logits[:, -1])


Product = Callable[[Tensor], Tensor]  # rows (N, K) to rows (N, M)


class Fused(Method):
    """One product per layer, [below | hidden] times the weights, the gates in torch."""

    def __init__(self, model: Model, rows: int) -> None:
        network = network_of(model)
        config = network.config
        self._size, self._residual = config.hidden_size, config.residual
        self._table, self._products = self._prepared(network)
        self._head = self.product(network.head.weight, network.head.bias)
        self._ids = torch.zeros(rows, dtype=torch.long)
        self._begin(rows)

    def product(self, weight: Tensor, bias: Tensor) -> Product:
        """Return rows → rows @ weight.T + bias, in this method's arithmetic."""
        return partial(torch.nn.functional.linear, weight=weight, bias=bias)

    def write(self) -> None:
        for _ in range(BURST):
            self._ids = _drawn(self._step(self._ids)).squeeze(1)

    def logits(self, ids: Sequence[int]) -> Floats:
        rows, self._ids = len(self._ids), torch.zeros(1, dtype=torch.long)
        self._begin(1)
        found = torch.cat([self._step(torch.tensor([id_])).clone() for id_ in ids])
        self._ids = torch.zeros(rows, dtype=torch.long)
        self._begin(rows)
        result: Floats = found.numpy()
        return result

    def _prepared(self, network: StackedLSTM) -> tuple[Tensor, list[Product]]:
        """Return what the first layer's gates get from each character (V, 4H), and the products."""
        every = torch.arange(network.config.vocabulary_size).unsqueeze(0)
        table = torch.empty(0)
        products: list[Product] = []
        for layer in network.lstms.children():
            below, own, bias = (
                layer.get_parameter(f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih")
            )
            if not products:
                table = network.inputs(every)[0] @ below.t() + bias
                products.append(self.product(own, torch.zeros_like(bias)))
            else:
                products.append(self.product(torch.cat([below, own], dim=1), bias))
        return table, products

    def _begin(self, rows: int) -> None:
        self._hidden = [torch.zeros(rows, self._size) for _ in self._products]
        self._cell = [torch.zeros(rows, self._size) for _ in self._products]

    def _step(self, ids: Tensor) -> Tensor:
        below = torch.empty(0)
        for layer, product in enumerate(self._products):
            if layer:
                gates = product(torch.cat([below, self._hidden[layer]], dim=1))
            else:
                gates = product(self._hidden[0]) + self._table[ids]
            i, f, g, o = gates.chunk(4, dim=1)  # (N, 4H) → (N, H) each
            self._cell[layer] = f.sigmoid() * self._cell[layer] + i.sigmoid() * g.tanh()
            self._hidden[layer] = o.sigmoid() * self._cell[layer].tanh()
            kept = below if self._residual and layer else 0.0
            below = self._hidden[layer] + kept
        return self._head(below)


class Float32(Fused):
    """float32, one GEMM per layer."""


class BFloat16(Fused):
    """bf16, one GEMM per layer; gates and state in float32."""

    def product(self, weight: Tensor, bias: Tensor) -> Product:
        narrow = weight.bfloat16()
        linear = torch.nn.functional.linear
        return lambda rows: linear(rows.bfloat16(), narrow).float() + bias


class Dynamic(Fused):
    """torch's dynamic quantisation to int8: one scale for the whole batch, so not reproducible."""

    def product(self, weight: Tensor, bias: Tensor) -> Product:
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = weight.detach().clone(), bias.detach().clone()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is deprecated, and says so
            quantised: Product = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
                torch.nn.Sequential(linear), {torch.nn.Linear}, dtype=torch.qint8
            )
        return quantised


class IntMm(Fused):
    """torch._int_mm with one activation scale per row, plain torch around it."""

    def product(self, weight: Tensor, bias: Tensor) -> Product:
        scale = weight.detach().abs().amax(dim=1).clamp_min(1e-9) / 64  # exact without VNNI too
        whole = (weight.detach() / scale[:, None]).round().to(torch.int8).t().contiguous()

        def product(rows: Tensor) -> Tensor:
            largest = rows.abs().amax(dim=1, keepdim=True).clamp_min(1e-9) / 127
            sums = torch._int_mm((rows / largest).round().to(torch.int8), whole)
            return sums * (scale * largest) + bias

        return product


class OurBatch(Method):
    """Ours without texts: the kernel, choice of characters included."""

    def __init__(self, model: Model, rows: int) -> None:
        weights = quantize_network(model.network, model.tensors)
        self._batch = Batch(weights, rows, checked_instruction_set())
        for row in range(rows):
            self._batch.begin(SAMPLING, row)
            self._batch.join(0)

    def write(self) -> None:
        self._batch.write(BURST)

    def logits(self, ids: Sequence[int]) -> Floats:
        self._batch.begin(SAMPLING, 0)
        return self._batch.predict(ids)


class OurEngine(Method):
    """Ours, all of it: texts, ends of poems and new ones, each begun with a prompt."""

    def __init__(self, model: Model, rows: int) -> None:
        self._model = model
        self._engine = make_engine(model, max_rows=rows)
        self._rows = rows
        self._asked = 0

    def write(self) -> None:
        while self._engine.running < self._rows:
            self._engine.add(Request(Opening(), SAMPLING, self._asked, POEM))
            self._asked += 1
        self._engine.step()

    def logits(self, ids: Sequence[int]) -> Floats:
        return OurBatch(self._model, 1).logits(ids)


METHODS: dict[str, type[Method]] = {
    "whole window per character": Window,
    "nn.LSTM, a step at a time": Stepwise,
    "float32, one GEMM per layer": Float32,
    "bf16, one GEMM per layer": BFloat16,
    "int8, torch's dynamic": Dynamic,
    "int8, torch._int_mm": IntMm,
    "ours, the kernel alone": OurBatch,
    "ours, whole": OurEngine,
}


def _drawn(logits: Tensor) -> Tensor:
    return torch.multinomial((logits / TEMPERATURE).softmax(dim=-1), 1)


TRIES = 5


def _by_torch(model: Model, rows: int) -> Callable[[], object]:
    size, layers = model.network.hidden_size, model.network.layers
    widths = [size, *[2 * size] * (layers - 1)]
    xs = [torch.zeros(rows, width, dtype=torch.int8) for width in widths]
    ws = [torch.zeros(width, 4 * size, dtype=torch.int8) for width in widths]
    return lambda: [torch._int_mm(x, w) for x, w in zip(xs, ws, strict=True)]


def upper_bound(model: Model, rows: int, seconds: float) -> tuple[float, str]:
    """Return characters a second by products alone, the quicker of two ways, and which it was."""
    rates = {}
    for name, make in (("tiles", layer_products), ("_int_mm", _by_torch)):
        step = make(model, rows)
        step()
        rates[name] = max(per_second(step, seconds / TRIES) for _ in range(TRIES)) * rows
    best = max(rates, key=lambda name: rates[name])
    return rates[best], best
