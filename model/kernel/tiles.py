"""The innermost loops, written in LLVM's own language so that they compile the same everywhere.

numba turns Python into machine code, but leaves to chance which instructions a loop becomes. The
two loops that take the time are therefore spelled out in vectors of 16 lanes: the integer dot
products of a block of gates, and what an LSTM cell makes of them.

A *block* is 16 neighbouring hidden units with their four gates, i f o g: 64 sums. Weights lie in
memory as a block needs them: (K / 4, 4 gates, 16 units, 4 inputs), so that one 64-byte vector holds
four inputs' weights of 16 units. Activations are unsigned bytes, weights signed ones within ±64,
sums 32-bit integers: exact in any order, on any processor, whatever rows are computed beside.

From top to bottom: sizes, the formulas of a cell, the loop over a block's inputs, and the functions
that compiled code calls. `instruction_sets` has the dot products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types

from model.kernel.compilation import intrinsic
from model.kernel.instruction_sets import (
    DOTS,
    FETCHING,
    I8,
    I32,
    LANES,
    QUAD,
    WIDTHS,
    InstructionSet,
    instruction,
    units_at_once,
)

GATES = 4
BLOCK = GATES * LANES  # sums of a block; also the bytes of its weights for one input
VECTOR_BYTES = LANES * 4  # of 16 sums or floats, or of 16 units' weights for a quad
BLOCK_BYTES = BLOCK * 4  # of 64 sums or floats, or of a block's weights for a quad
FLOAT_BYTES = 4
CACHE_LINE = 64
FETCHED_BYTES = 2048  # between weights that are asked for and those that are multiplied
OFFSET_BYTES = 8  # of an int64
BIAS_BYTES = 2  # of a number of the network's input, which is a whole number of BIAS_STEPs
BIAS_STEP = 2.0**-10  # so that 16 bits reach to 32; the networks that ship stay below 15

I16, I64, F32 = ir.IntType(16), ir.IntType(64), ir.FloatType()


# The cell: formulas that any processor computes alike

# tanh x ≈ x (a0 + a1 x² + a2 x⁴) / (b0 + b1 x² + b2 x⁴ + b3 x⁶)
TANH_ABOVE = (0.99997115, 0.114472717, 0.00149555306)
TANH_BELOW = (1.0, 0.44771409, 0.017487403, 5.5186003e-05)


class Floats:
    """A vector of floats in IR, so that a formula below reads as one."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def _of(self, other: Floats | float) -> ir.Value:
        if isinstance(other, Floats):
            return other.value
        return ir.Constant(self.value.type, [float(other)] * self.value.type.count)

    def __add__(self, other: Floats | float) -> Floats:
        return Floats(self.builder, self.builder.fadd(self.value, self._of(other)))

    def __mul__(self, other: Floats | float) -> Floats:
        return Floats(self.builder, self.builder.fmul(self.value, self._of(other)))

    def times_plus(self, factor: Floats | float, more: Floats | float) -> Floats:
        """Return self × factor + more, rounded once, on processors that have to work it out too."""
        values = (self.value, self._of(factor), self._of(more))
        kind = self.value.type
        name = f"llvm.fma.v{kind.count}f32"
        return Floats(self.builder, instruction(self.builder, name, kind, *values))

    def __truediv__(self, other: Floats | float) -> Floats:
        return Floats(self.builder, self.builder.fdiv(self.value, self._of(other)))

    def clamped(self, limit: float) -> Floats:
        """Bring all lanes within ±limit."""
        value = self.value
        for bound, sign in ((limit, ">"), (-limit, "<")):
            edge = self._of(bound)
            value = self.builder.select(self.builder.fcmp_ordered(sign, value, edge), edge, value)
        return Floats(self.builder, value)


def _tanh_parts(x: Floats) -> tuple[Floats, Floats]:
    """Return numerator and denominator of tanh x, within 2e-5 of it.

    A rational function of degrees 5 and 6, fitted on ±6 to the smallest largest error.
    """
    x = x.clamped(6.0)
    s = x * x
    above = s.times_plus(TANH_ABOVE[2], TANH_ABOVE[1]).times_plus(s, TANH_ABOVE[0])
    below = s.times_plus(TANH_BELOW[3], TANH_BELOW[2]).times_plus(s, TANH_BELOW[1])
    return x * above, below.times_plus(s, TANH_BELOW[0])


def lstm_cell(i: Floats, f: Floats, o: Floats, g: Floats, cell: Floats) -> tuple[Floats, Floats]:
    """Return an LSTM's next cell and hidden values; three of the gates' sums come halved.

    sigmoid x = (1 + tanh x/2) / 2. Divisions are slow, so each line has but one.
    """
    (ia, ib), (fa, fb), (oa, ob) = (_tanh_parts(half) for half in (i, f, o))
    ga, gb = _tanh_parts(g)
    kept = cell * (fb + fa) * (ib * gb)
    cell = ((ib + ia) * ga).times_plus(fb, kept) / (fb * ib * gb * 2.0)
    ca, cb = _tanh_parts(cell)
    return cell, (ob + oa) * ca / (ob * cb * 2.0)


# The loops


class Loop:
    """Pointers and the loop over the inputs, common to all blocks.

    It takes some of the block's `units`, from `first` on, so vectors have as many lanes.
    """

    def __init__(
        self, builder: ir.IRBuilder, isa: type[InstructionSet], units: int, first: int
    ) -> None:
        self.builder, self.units, self.first = builder, units, first
        self.dot = DOTS[isa.__name__]
        self.fetching = isa in FETCHING
        self.floats = ir.VectorType(F32, units)

    def at(self, base: ir.Value, offset: ir.Value | int, kind: ir.Type) -> ir.Value:
        """Return a pointer to `kind`, `offset` bytes after `base`."""
        if isinstance(offset, int):
            offset = I64(offset)
        raw = self.builder.gep(self.builder.bitcast(base, I8.as_pointer()), [offset])
        return self.builder.bitcast(raw, kind.as_pointer())

    def gate(self, gate: int) -> int:
        """Return where the units' sums, floats or weights for a quad begin among a gate's."""
        return VECTOR_BYTES * gate + FLOAT_BYTES * self.first

    def load(self, base: ir.Value, offset: ir.Value | int, kind: ir.Type, align: int) -> ir.Value:
        value = self.builder.load(self.at(base, offset, kind))
        value.align = align
        return value

    def store(self, value: ir.Value, base: ir.Value, offset: ir.Value | int, align: int) -> None:
        self.builder.store(value, self.at(base, offset, value.type)).align = align

    def fetch(self, base: ir.Value, offset: ir.Value) -> None:
        """Ask for a block's weights for a quad, so that they are in the first cache in time.

        What lies behind the last weights may be asked for: that is no error.
        """
        read, all_caches, data = I32(0), I32(3), I32(1)
        for line in range(0, BLOCK_BYTES, CACHE_LINE):
            place = self.at(base, self.builder.add(offset, I64(line)), I8)
            kinds = (read, all_caches, data)
            instruction(self.builder, "llvm.prefetch.p0", ir.VoidType(), place, *kinds)

    def sums(
        self,
        start: ir.Value,
        rows: Sequence[ir.Value],
        w: ir.Value,
        quads: ir.Value,
    ) -> list[list[ir.Value]]:
        """Return sums (rows, 4 vectors) of `quads` × 4 inputs, which begin at `start` (64,).

        `w` is the block's weights (quads, 4 gates, 16 units, 4 inputs).
        """
        builder, align = self.builder, FLOAT_BYTES * self.units
        kind = ir.VectorType(I32, self.units)
        bytes_ = ir.VectorType(I8, QUAD * self.units)
        begin = [self.load(start, self.gate(gate), kind, align) for gate in range(GATES)]
        before = builder.block
        loop, after = builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        i = builder.phi(I64)
        i.add_incoming(I64(0), before)
        sums = []
        for _ in rows:
            phis = [builder.phi(kind) for _ in begin]
            for phi, value in zip(phis, begin, strict=True):
                phi.add_incoming(value, before)
            sums.append(phis)
        offset = builder.mul(i, I64(BLOCK_BYTES))
        if self.fetching and len(rows) == 1:  # more take longer than their weights
            self.fetch(w, builder.add(offset, I64(FETCHED_BYTES)))
        xs = []
        for row in rows:
            four = self.load(row, builder.mul(i, I64(QUAD)), I32, 4)
            spread = builder.insert_element(ir.Constant(kind, ir.Undefined), four, I32(0))
            spread = builder.shuffle_vector(spread, spread, ir.Constant(kind, [0] * self.units))
            xs.append(builder.bitcast(spread, bytes_))
        nexts: list[list[ir.Value]] = [[] for _ in rows]
        for gate in range(GATES):  # one register of weights for all rows
            weights = self.load(w, builder.add(offset, I64(self.gate(gate))), bytes_, align)
            for x, phis, row in zip(xs, sums, nexts, strict=True):
                row.append(self.dot(builder, phis[gate], x, weights))
        following = builder.add(i, I64(1))
        i.add_incoming(following, loop)
        for row, phis in zip(nexts, sums, strict=True):
            for value, phi in zip(row, phis, strict=True):
                phi.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", following, quads), loop, after)
        builder.position_at_end(after)
        return nexts

    def cells(
        self,
        sums: Sequence[Sequence[ir.Value]],
        scale: ir.Value,
        bias: ir.Value,
        bias_offsets: ir.Value,
        cell: ir.Value,
        hidden: ir.Value,
        bytes_: ir.Value,
        stride: ir.Value,
    ) -> None:
        """Write what cells make of the sums (rows, 4 vectors), to where `_gates` says."""
        builder, floats, align = self.builder, self.floats, FLOAT_BYTES * self.units
        shorts = ir.VectorType(I16, self.units)
        scales = [self.load(scale, self.gate(gate), floats, align) for gate in range(GATES)]
        for row, its_sums in enumerate(sums):
            bias_offset = self.load(bias_offsets, OFFSET_BYTES * row, I64, 8)
            gates = []
            for gate in range(GATES):
                number = Floats(builder, builder.sitofp(its_sums[gate], floats))
                at = builder.add(bias_offset, I64(self.gate(gate) * BIAS_BYTES // FLOAT_BYTES))
                steps = self.load(bias, at, shorts, BIAS_BYTES * self.units)
                more = Floats(builder, builder.sitofp(steps, floats)) * BIAS_STEP
                gates.append(number.times_plus(Floats(builder, scales[gate]), more))
            at = builder.add(builder.mul(stride, I64(row)), I64(self.first))
            at4 = builder.mul(at, I64(FLOAT_BYTES))
            old = Floats(builder, self.load(cell, at4, floats, align))
            i, f, o, g = gates
            new_cell, h = lstm_cell(i, f, o, g, old)
            self.store(new_cell.value, cell, at4, align)
            self.store(h.value, hidden, at4, align)
            rounded = builder.fptosi(h.times_plus(127.0, 128.5).value, its_sums[0].type)
            narrow = builder.trunc(rounded, ir.VectorType(I8, self.units))
            self.store(narrow, bytes_, at, self.units)


def loops(builder: ir.IRBuilder, isa: type[InstructionSet], rows: int) -> list[Loop]:
    """Return the passes over a block's weights for `rows` rows; none where it is never so many."""
    if rows not in WIDTHS[isa._field_defaults["rows"]]:
        return []
    units = units_at_once(isa, rows)
    return [Loop(builder, isa, units, first) for first in range(0, LANES, units)]


def _gates(rows: int) -> Any:
    """Return the block of gates for `rows` neighbouring rows, as a function for compiled code.

    (isa, x, x stride, quads, w, start, scale, bias, bias_offsets, cell, hidden, bytes, stride):
    pointers, and strides between rows in bytes. Sums begin at `start`; times `scale` plus the
    BIAS_STEPs at bias + bias_offsets[row] they are the gates; `cell` is updated; the new hidden
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

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
            _, x, x_stride, quads, w, start, scale, bias, bias_offsets, *rest = values
            for loop in loops(builder, isa.instance_class, rows):
                inputs = [loop.at(x, builder.mul(x_stride, I64(row)), I8) for row in range(rows)]
                sums = loop.sums(start, inputs, w, quads)
                loop.cells(sums, scale, bias, bias_offsets, *rest)
            return context.get_dummy_value()

        return signature, generate

    return gates


def write_sums(
    builder: ir.IRBuilder, isa: type[InstructionSet], rows: int, pointers: Sequence[ir.Value]
) -> None:
    """Write what `_sums` is."""
    x, x_stride, quads, w, start, out, out_stride = pointers
    for loop in loops(builder, isa, rows):
        inputs = [loop.at(x, builder.mul(x_stride, I64(row)), I8) for row in range(rows)]
        for row, sums in enumerate(loop.sums(start, inputs, w, quads)):
            for gate, vector in enumerate(sums):
                at = builder.add(builder.mul(out_stride, I64(row)), I64(loop.gate(gate)))
                loop.store(vector, out, at, FLOAT_BYTES * loop.units)


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

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
            _, *pointers = values
            write_sums(builder, isa.instance_class, rows, pointers)
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


gates_of_1, gates_of_2, gates_of_3, gates_of_4 = (_gates(rows) for rows in (1, 2, 3, 4))
sums_of_1, sums_of_3, sums_of_4 = (_sums(rows) for rows in (1, 3, 4))
