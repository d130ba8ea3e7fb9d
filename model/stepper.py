"""The arithmetic of one step: the LSTM's weights laid out for many rows, one character each.

Rows stand at positions 0…n-1 without gaps. What a row computes must not depend on its position
nor on its neighbours, to the last bit: see `FloatStepper._agreeing_widths`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.network import CharLSTM, State

# Rows go through the network in tiles of these widths; the last rows of a tile may be idle. Past 64
# rows a tile gains nothing (measured), and every width costs start-up time and a compiled kernel.
WIDTHS = (1, 2, 4, *range(8, 65, 8))


class Stepper(Protocol):
    """What the engine needs of an arithmetic."""

    def join(self, position: int, read: Sequence[int]) -> None:
        """Put a fresh row at `position` that has read the ids `read` (may be none)."""

    def move(self, source: int, target: int) -> None:
        """Copy the row at `source` over the one at `target`."""

    def step(self, ids: Sequence[int]) -> Tensor:
        """Let row i read ids[i]; return the logits (N, V) for what comes next."""


Linear = Callable[[Tensor], Tensor]  # rows (N, K) to rows (N, M)
MakeLinear = Callable[[Tensor, Tensor | None], Linear]  # of weight (M, K) and bias (M,)


def packed_linear(weight: Tensor, bias: Tensor | None) -> Linear:
    """Return rows → rows @ weight.T + bias in float32, the weight packed where oneDNN can.

    Packed, one row costs what it costs to read the weights, 16 rows take three quarters of
    MKL's time, and all widths sum in one order where MKL has another one below four rows.
    """
    weight = weight.detach().float().contiguous().clone()
    bias = None if bias is None else bias.detach().float().contiguous().clone()
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return lambda rows: torch.nn.functional.linear(rows, weight, bias)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight)
    multiply = torch.ops.mkldnn._linear_pointwise.default
    return lambda rows: multiply(rows, packed, bias, "none", [], "")


@dataclass(frozen=True, slots=True)
class _Tile:
    """Views of the buffers for some neighbouring rows, one entry per layer."""

    read: tuple[Tensor, ...]  # what a layer's GEMM reads: [output of the layer below | hidden]
    below: tuple[Tensor | None, ...]  # the first part of `read`; the first layer has a table
    hidden: tuple[Tensor, ...]  # the second part of `read`
    cell: tuple[Tensor, ...]
    above: tuple[Tensor, ...]  # where the output goes: the next layer's `below`, or the head
    scratch: Tensor


class FloatStepper:
    """Float32 on the CPU: a table look-up for the input and one GEMM per layer.

    The weights are copied at construction; `network`, in eval mode, must not change afterwards,
    since openings are read by it. Not thread-safe; set torch's thread count before.
    """

    def __init__(
        self,
        network: CharLSTM,
        max_rows: int,
        *,
        linear: MakeLinear = packed_linear,
    ) -> None:
        self._network = network
        config = network.config
        self._hidden_size, self._residual = config.hidden_size, config.residual
        self._vocabulary_size = config.vocabulary_size
        with torch.inference_mode():
            self._table, self._gates = _fused(network, linear)
            self._head = linear(network.head.weight, network.head.bias)
        size, above_first = config.hidden_size, config.layers - 1
        capacity = max_rows + WIDTHS[-1]  # room for idle rows at the end of the last tile
        self._read = [torch.zeros(capacity, size)]
        self._read += [torch.zeros(capacity, 2 * size) for _ in range(above_first)]
        self._top = torch.zeros(capacity, size)
        self._cell = torch.zeros(config.layers, capacity, size)
        self._scratch = torch.zeros(capacity, size)
        self._tiles: dict[tuple[int, int], _Tile] = {}
        self.widths = self._agreeing_widths()

    def join(self, position: int, read: Sequence[int]) -> None:
        """Put a fresh row at `position`; one pass over all of `read`, alone, so always the same."""
        with torch.inference_mode():
            state = self._network.initial_state(1)
            if read:
                _, state = self._network.features(torch.tensor([list(read)]), state)
            self._place(position, state)

    def move(self, source: int, target: int) -> None:
        """Copy the row at `source` over the one at `target`."""
        with torch.inference_mode():
            for read in self._read:
                read[target] = read[source]
            self._cell[:, target] = self._cell[:, source]

    def step(self, ids: Sequence[int]) -> Tensor:
        """Let row i read ids[i]; return the logits (N, V) for what comes next."""
        rows = len(ids)
        logits = []
        start = 0
        with torch.inference_mode():
            while start < rows:
                width = self._width_for(rows - start)
                read = list(ids[start : start + width])
                read += [0] * (width - len(read))
                logits.append(self._advance(start, torch.tensor(read)))
                start += width
            return (logits[0] if len(logits) == 1 else torch.cat(logits))[:rows]

    def _width_for(self, rows: int) -> int:
        widest = self.widths[-1]
        return widest if rows >= widest else next(w for w in self.widths if w >= rows)

    def _place(self, position: int, state: State) -> None:
        for layer, read in enumerate(self._read):
            read[position, -self._hidden_size :] = state.hidden[layer, 0]
        self._cell[:, position] = state.cell[:, 0]

    def _advance(self, start: int, ids: Tensor) -> Tensor:
        """Step the tile that begins at row `start` and is as wide as `ids` (N,); logits (N, V)."""
        size = self._hidden_size
        tile = self._tile(start, len(ids))
        for layer, gates_of in enumerate(self._gates):
            gates = gates_of(tile.read[layer])  # (N, 4H), in the order i f o g
            below = tile.below[layer]
            if below is None:
                gates += self._table.index_select(0, ids)
            sigmoids, new = gates.split_with_sizes((3 * size, size), dim=1)
            new.tanh_()
            enter, forget, leave = sigmoids.sigmoid_().chunk(3, dim=1)
            cell, hidden = tile.cell[layer], tile.hidden[layer]
            cell.mul_(forget).addcmul_(enter, new)
            torch.mul(leave, torch.tanh(cell, out=tile.scratch), out=hidden)
            if self._residual and below is not None:
                torch.add(hidden, below, out=tile.above[layer])
            else:
                tile.above[layer].copy_(hidden)
        return self._head(self._top[start : start + len(ids)])

    def _tile(self, start: int, width: int) -> _Tile:
        """Return the views for `width` rows from `start`, made once, since slicing takes time."""
        if (start, width) not in self._tiles:
            size = self._hidden_size
            rows = slice(start, start + width)
            read = tuple(buffer[rows] for buffer in self._read)
            self._tiles[start, width] = _Tile(
                read=read,
                below=(None, *(buffer[:, :size] for buffer in read[1:])),
                hidden=tuple(buffer[:, -size:] for buffer in read),
                cell=tuple(cell[rows] for cell in self._cell),
                above=(*(buffer[:, :size] for buffer in read[1:]), self._top[rows]),
                scratch=self._scratch[rows],
            )
        return self._tiles[start, width]

    def _agreeing_widths(self) -> tuple[int, ...]:
        """Return the widths at which a row comes out the same to the last bit, wherever it stands.

        A GEMM may sum in another order at another width. Which widths agree depends on library
        and processor, so it is tried, on random states, rather than assumed. Width 1 always agrees
        with itself, so there is always an answer. It must not depend on the number of rows
        asked for, or a poem written alone would differ from the same one in a crowd.
        """
        with torch.inference_mode():
            forth = {width: self._trial(list(range(width))) for width in WIDTHS}
            steady = [
                width
                for width in WIDTHS
                if torch.equal(forth[width], self._trial(list(range(width))[::-1]).flip(0))
            ]
            widest = forth[steady[-1]]
            return tuple(width for width in steady if torch.equal(forth[width], widest[:width]))

    def _trial(self, rows: Sequence[int]) -> Tensor:
        """Step random row rows[i] at position i; return all that came out, one line per row."""
        generator = torch.Generator().manual_seed(0)
        shape = (WIDTHS[-1], len(self._gates), self._hidden_size)
        hidden = torch.rand(shape, generator=generator) * 2 - 1
        cell = torch.randn(shape, generator=generator)
        for position, row in enumerate(rows):
            self._place(position, State(hidden[row].unsqueeze(1), cell[row].unsqueeze(1)))
        logits = self._advance(0, torch.tensor(rows) % self._vocabulary_size)
        tile = self._tile(0, len(rows))
        return torch.cat([*tile.hidden, *tile.cell, logits], dim=1)


def _fused(network: CharLSTM, linear: MakeLinear) -> tuple[Tensor, tuple[Linear, ...]]:
    """Lay the layers' weights out for stepping: the first layer's table (V, 4H) and the GEMMs.

    The first layer's input is one of V characters: its part of the gates is multiplied out here
    once, bias included. The other layers read [below | hidden] (N, 2H) at once.
    """
    table = torch.empty(0)
    gates: list[Linear] = []
    for layer in network.lstms.children():
        below = layer.get_parameter("weight_ih_l0")
        hidden = layer.get_parameter("weight_hh_l0")
        bias = layer.get_parameter("bias_ih_l0") + layer.get_parameter("bias_hh_l0")
        if not gates:
            every = torch.arange(network.config.vocabulary_size).unsqueeze(0)
            table = _sigmoids_first((network.inputs(every)[0] @ below.t() + bias).t()).t()
            gates.append(linear(_sigmoids_first(hidden), None))
        else:
            weight = torch.cat([below, hidden], dim=1)
            gates.append(linear(_sigmoids_first(weight), _sigmoids_first(bias)))
    return table.float().contiguous(), tuple(gates)


def _sigmoids_first(weight: Tensor) -> Tensor:
    """Reorder PyTorch's gates i f g o along the first dimension to i f o g."""
    enter, forget, new, leave = weight.chunk(4)
    return torch.cat([enter, forget, leave, new])
