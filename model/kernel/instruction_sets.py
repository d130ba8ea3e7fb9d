"""Instruction sets: ways of multiplying bytes, one for each generation of processors.

A dot product takes unsigned bytes and signed ones, and adds to each of its sums the products of
four neighbours: 64 of each kind and 16 sums, or half as many. All give the same sums. It is written
in LLVM's own language, so that it becomes the instructions that are meant.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import llvmlite.binding
from llvmlite import ir
from numba.core import config

LANES = 16  # sums, or floats, in a vector
QUAD = 4  # neighbouring inputs, whose products one dot product adds to a sum

I8, I32 = ir.IntType(8), ir.IntType(32)
BYTES = ir.VectorType(I8, QUAD * LANES)
SUMS = ir.VectorType(I32, LANES)


def instruction(builder: ir.IRBuilder, name: str, out: ir.Type, *values: ir.Value) -> ir.Value:
    """Let LLVM use what it calls `name`: often one instruction of the processor."""
    kind = ir.FunctionType(out, [value.type for value in values])
    return builder.call(builder.module.declare_intrinsic(name, (), kind), values)


# `rows` is how many rows one pass over a block's weights takes at most; what remains of the rows is
# taken by as many of the lesser widths as it needs.
WIDTHS = {4: (4, 2, 1), 3: (3, 1), 1: (1,)}


class Vnni512(NamedTuple):
    """AVX-512 VNNI: 64 products in one instruction, 512 bits wide."""

    rows: int = 4


class Vnni256(NamedTuple):
    """AVX-VNNI, or AVX-512 VNNI on 256 bits; of several rows, half a block at a time."""

    rows: int = 3  # sums of half a block for three rows are 12 of 16 registers


class Avx2(NamedTuple):
    """AVX2: pairs of products summed in 16 bits, which weights within ±64 cannot overflow."""

    rows: int = 1


class NeonDot(NamedTuple):
    """ARM with dot products: SDOT multiplies 16 signed bytes by 16 others and adds fours."""

    rows: int = 1


class Neon(NamedTuple):
    """ARM without them: SMULL to 16 bits, pairs summed there, and again into 32."""

    rows: int = 1


class Plain(NamedTuple):
    """Vectors of whatever width LLVM makes of them; every processor has it."""

    rows: int = 4


InstructionSet = Vnni512 | Vnni256 | Avx2 | NeonDot | Neon | Plain
SIGNED = (NeonDot, Neon)  # these read activations as signed bytes: 128 less
FETCHING = (Vnni256, Avx2)  # of one row, these ask for weights before they need them


def processor_features() -> set[str]:
    """Return what the processor that numba compiles for can do, in LLVM's words."""
    features = config.CPU_FEATURES  # type: ignore[attr-defined]
    if features is None:
        found = llvmlite.binding.get_host_cpu_features()
        return {name for name, present in found.items() if present}
    return {name[1:] for name in features.split(",") if name.startswith("+")}


def best_instruction_set() -> InstructionSet:
    """Return the quickest arithmetic of the processor that numba compiles for."""
    has = processor_features()
    if "avx512vnni" in has:
        return Vnni512()
    if "avxvnni" in has:
        return Vnni256()
    if "avx2" in has:
        return Avx2()
    if "dotprod" in has:
        return NeonDot()
    return Neon() if "neon" in has else Plain()


Dot = Callable[[ir.IRBuilder, ir.Value, ir.Value, ir.Value], ir.Value]


def units_at_once(isa: type[InstructionSet], rows: int) -> int:
    """Return how many of a block's 16 units a pass takes, so that `rows` rows' sums of them stay in
    registers.
    """
    return LANES // 2 if isa is Vnni256 and rows > 1 else LANES


def _half(builder: ir.IRBuilder, vector: ir.Value, second: int) -> ir.Value:
    """Return the first half of a vector, or its second."""
    size = vector.type.count // 2
    places = ir.Constant(ir.VectorType(I32, size), [second * size + i for i in range(size)])
    return builder.shuffle_vector(vector, vector, places)


def _whole(builder: ir.IRBuilder, first: ir.Value, second: ir.Value) -> ir.Value:
    """Return one vector of two halves."""
    places = ir.Constant(ir.VectorType(I32, 2 * first.type.count), [*range(2 * first.type.count)])
    return builder.shuffle_vector(first, second, places)


def _in_parts(
    builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value, of: Dot, lanes: int
) -> ir.Value:
    """Make a dot product of several that take `lanes` sums."""
    if sums.type.count == lanes:
        return of(builder, sums, x, w)
    parts = []
    for second in (0, 1):
        s, a, b = (_half(builder, vector, second) for vector in (sums, x, w))
        parts.append(_in_parts(builder, s, a, b, of, lanes))
    return _whole(builder, *parts)


def _dot_vnni512(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    return instruction(builder, "llvm.x86.avx512.vpdpbusd.512", SUMS, sums, x, w)


def _vpdpbusd(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    return instruction(builder, "llvm.x86.avx512.vpdpbusd.256", sums.type, sums, x, w)


def _vpmaddubsw(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    pairs = ir.VectorType(ir.IntType(16), 16)
    two = instruction(builder, "llvm.x86.avx2.pmadd.ub.sw", pairs, x, w)
    ones = ir.Constant(pairs, [1] * pairs.count)
    return builder.add(sums, instruction(builder, "llvm.x86.avx2.pmadd.wd", sums.type, two, ones))


def _dot_neon(
    builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value, four: Dot
) -> ir.Value:
    """Make a dot product of four that take 128 bits and signed bytes."""
    x = builder.xor(x, ir.Constant(BYTES, [-128] * BYTES.count))  # 128 less, as signed bytes
    return _in_parts(builder, sums, x, w, four, 4)


def _sdot(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    return instruction(builder, "llvm.aarch64.neon.sdot.v4i32.v16i8", sums.type, sums, x, w)


def _smull(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    products = ir.VectorType(ir.IntType(16), 8)
    halves = []
    for second in (0, 1):
        a, b = (_half(builder, vector, second) for vector in (x, w))
        halves.append(instruction(builder, "llvm.aarch64.neon.smull.v8i16", products, a, b))
    pairs = instruction(builder, "llvm.aarch64.neon.addp.v8i16", products, *halves)
    fours = instruction(builder, "llvm.aarch64.neon.saddlp.v4i32.v8i16", sums.type, pairs)
    return builder.add(sums, fours)


def _dot_plain(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    for input_ in range(QUAD):
        places = ir.Constant(SUMS, [QUAD * lane + input_ for lane in range(LANES)])
        a = builder.zext(builder.shuffle_vector(x, x, places), SUMS)
        b = builder.sext(builder.shuffle_vector(w, w, places), SUMS)
        sums = builder.add(sums, builder.mul(a, b))
    return sums


DOTS: dict[str, Dot] = {
    "Vnni512": _dot_vnni512,
    "Vnni256": partial(_in_parts, of=_vpdpbusd, lanes=8),
    "Avx2": partial(_in_parts, of=_vpmaddubsw, lanes=8),
    "NeonDot": partial(_dot_neon, four=_sdot),
    "Neon": partial(_dot_neon, four=_smull),
    "Plain": _dot_plain,
}
