"""The innermost loops, written in LLVM's own language so that they compile the same everywhere.

numba turns Python into machine code, but leaves to chance which instructions a loop becomes. The
two loops that take the time are therefore spelled out in vectors of 16 lanes: the integer dot
products of a block of gates, and what an LSTM cell makes of them.

A *block* is 16 neighbouring hidden units with their four gates, i f o g: 64 sums. Weights lie in
memory as a block needs them: (K / 4, 4 gates, 16 units, 4 inputs), so that one 64-byte vector holds
four inputs' weights of 16 units. Activations are unsigned bytes, weights signed ones within ±64,
sums 32-bit integers: exact in any order, on any processor, whatever rows are computed beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types

from model.kernel.cell import Floats, lstm_cell
from model.kernel.compilation import intrinsic
from model.kernel.instruction_sets import DOTS, Dot
from model.kernel.vectors import BYTES, FLOATS, GATES, I8, I32, I64, LANES, SUMS


class _Loop:
    """Pointers and the loop over the inputs, common to all blocks."""

    def __init__(self, builder: ir.IRBuilder, dot: Dot) -> None:
        self.builder, self.dot = builder, dot

    def at(self, base: ir.Value, offset: ir.Value | int, kind: ir.Type) -> ir.Value:
        """Return a pointer to `kind`, `offset` bytes after `base`."""
        if isinstance(offset, int):
            offset = I64(offset)
        raw = self.builder.gep(self.builder.bitcast(base, I8.as_pointer()), [offset])
        return self.builder.bitcast(raw, kind.as_pointer())

    def load(self, base: ir.Value, offset: ir.Value | int, kind: ir.Type, align: int) -> ir.Value:
        value = self.builder.load(self.at(base, offset, kind))
        value.align = align
        return value

    def store(self, value: ir.Value, base: ir.Value, offset: ir.Value | int, align: int) -> None:
        self.builder.store(value, self.at(base, offset, value.type)).align = align

    def sums(
        self,
        start: ir.Value,
        rows: Sequence[ir.Value],
        w: ir.Value,
        quads: ir.Value,
    ) -> list[list[ir.Value]]:
        """Return sums (rows, 4 vectors) of `quads` × 4 inputs, which begin at `start` (64,)."""
        builder = self.builder
        begin = [self.load(start, 64 * gate, SUMS, 64) for gate in range(GATES)]
        before = builder.block
        loop, after = builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        i = builder.phi(I64)
        i.add_incoming(I64(0), before)
        sums = []
        for _ in rows:
            phis = [builder.phi(SUMS) for _ in begin]
            for phi, value in zip(phis, begin, strict=True):
                phi.add_incoming(value, before)
            sums.append(phis)
        offset = builder.mul(i, I64(GATES * LANES * 4))
        weights = [
            self.load(w, builder.add(offset, I64(64 * gate)), BYTES, 64) for gate in range(GATES)
        ]
        nexts = []
        for row, phis in zip(rows, sums, strict=True):
            four = self.load(row, builder.mul(i, I64(4)), I32, 4)
            spread = builder.insert_element(ir.Constant(SUMS, ir.Undefined), four, I32(0))
            spread = builder.shuffle_vector(spread, spread, ir.Constant(SUMS, [0] * LANES))
            x = builder.bitcast(spread, BYTES)
            nexts.append([self.dot(builder, s, x, b) for s, b in zip(phis, weights, strict=True)])
        following = builder.add(i, I64(1))
        i.add_incoming(following, loop)
        for row, phis in zip(nexts, sums, strict=True):
            for value, phi in zip(row, phis, strict=True):
                phi.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", following, quads), loop, after)
        builder.position_at_end(after)
        return nexts


def _gates(rows: int) -> Any:
    """Return the block of gates for `rows` neighbouring rows, as a function for compiled code.

    (isa, x, x stride, quads, w, start, scale, bias, bias_offsets, cell, hidden, bytes, stride):
    pointers, and strides between rows in bytes. Sums begin at `start`; times `scale` plus the
    vector at bias + bias_offsets[row] they are the gates; `cell` is updated; the new hidden
    values go to `hidden` as floats (row stride: 4 × stride, as the cell's) and to `bytes` as bytes
    (row stride: stride), 128 + 127 h rounded.
    """

    @intrinsic
    def gates(
        typingctx: Any,
        isa: Any,
        x: Any,
        x_stride: Any,
        quads: Any,
        w: Any,
        start: Any,
        scale: Any,
        bias: Any,
        bias_offsets: Any,
        cell: Any,
        hidden: Any,
        bytes_: Any,
        stride: Any,
    ) -> Any:
        p, n = types.voidptr, types.int64
        signature = types.void(isa, p, n, n, p, p, p, p, p, p, p, p, n)
        dot = DOTS[isa.instance_class.__name__]

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
            _, x, x_stride, quads, w, start, scale, bias, bias_offsets, *rest = values
            cell, hidden, bytes_, stride = rest
            loop = _Loop(builder, dot)
            inputs = [loop.at(x, builder.mul(x_stride, I64(row)), I8) for row in range(rows)]
            sums = loop.sums(start, inputs, w, quads)
            scales = [loop.load(scale, 64 * gate, FLOATS, 64) for gate in range(GATES)]
            for row in range(rows):
                bias_offset = loop.load(bias_offsets, 8 * row, I64, 8)
                gates = []
                for gate in range(GATES):
                    number = Floats(builder, builder.sitofp(sums[row][gate], FLOATS))
                    more = loop.load(bias, builder.add(bias_offset, I64(64 * gate)), FLOATS, 64)
                    gates.append(
                        number.times_plus(Floats(builder, scales[gate]), Floats(builder, more))
                    )
                at = builder.mul(stride, I64(row))
                at4 = builder.mul(at, I64(4))
                old = Floats(builder, loop.load(cell, at4, FLOATS, 64))
                i, f, o, g = gates
                new_cell, h = lstm_cell(i, f, o, g, old)
                loop.store(new_cell.value, cell, at4, 64)
                loop.store(h.value, hidden, at4, 64)
                rounded = builder.fptosi(h.times_plus(127.0, 128.5).value, SUMS)
                narrow = builder.trunc(rounded, ir.VectorType(I8, LANES))
                loop.store(narrow, bytes_, at, 16)
            return context.get_dummy_value()

        return signature, generate

    return gates


def _sums(rows: int) -> Any:
    """Return the block of 64 sums for `rows` rows, as integers, to begin other sums with."""

    @intrinsic
    def sums(
        typingctx: Any,
        isa: Any,
        x: Any,
        x_stride: Any,
        quads: Any,
        w: Any,
        start: Any,
        out: Any,
        out_stride: Any,
    ) -> Any:
        p, n = types.voidptr, types.int64
        signature = types.void(isa, p, n, n, p, p, p, n)
        dot = DOTS[isa.instance_class.__name__]

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
            _, x, x_stride, quads, w, start, out, out_stride = values
            loop = _Loop(builder, dot)
            inputs = [loop.at(x, builder.mul(x_stride, I64(row)), I8) for row in range(rows)]
            found = loop.sums(start, inputs, w, quads)
            for row in range(rows):
                for part in range(GATES):
                    at = builder.add(builder.mul(out_stride, I64(row)), I64(64 * part))
                    loop.store(found[row][part], out, at, 64)
            return context.get_dummy_value()

        return signature, generate

    return sums


@intrinsic
def address(typingctx: Any, array: Any, offset: Any) -> Any:
    """Return a pointer `offset` bytes into a contiguous array, for the blocks above."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.gep(builder.bitcast(data, I8.as_pointer()), [values[1]])

    return types.voidptr(array, types.int64), generate


gates_of_1, gates_of_2, gates_of_4 = (_gates(rows) for rows in (1, 2, 4))
sums_of_1, sums_of_4 = (_sums(rows) for rows in (1, 4))
