"""The ways of multiplying bytes, one for each generation of processors; all give the same sums.

A dot product takes 64 unsigned and 64 signed bytes and adds to each of 16 sums the products of four
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import llvmlite.binding
from llvmlite import ir
from numba.core import config

from model.kernel.vectors import I32, LANES, SUMS, instruction


class Vnni512(NamedTuple):
    """AVX-512 VNNI: 64 products in one instruction, 512 bits wide."""

    rows: int = 4


class Vnni256(NamedTuple):
    """AVX-VNNI, or AVX-512 VNNI on 256 bits."""

    rows: int = 2


class Avx2(NamedTuple):
    """AVX2: pairs of products summed in 16 bits, which weights within ±64 cannot overflow."""

    rows: int = 1


class Plain(NamedTuple):
    """Vectors of whatever width LLVM makes of them; every processor has it."""

    rows: int = 4


InstructionSet = Vnni512 | Vnni256 | Avx2 | Plain


def best_instruction_set() -> InstructionSet:
    """Return the quickest arithmetic of the processor that numba compiles for."""
    features = config.CPU_FEATURES  # type: ignore[attr-defined]
    if features is None:
        found = llvmlite.binding.get_host_cpu_features()
        has = {name for name, present in found.items() if present}
    else:
        has = {name[1:] for name in features.split(",") if name.startswith("+")}
    if "avx512vnni" in has:
        return Vnni512()
    if "avxvnni" in has:
        return Vnni256()
    return Avx2() if "avx2" in has else Plain()


Dot = Callable[[ir.IRBuilder, ir.Value, ir.Value, ir.Value], ir.Value]


def _half(builder: ir.IRBuilder, vector: ir.Value, second: int) -> ir.Value:
    size = vector.type.count // 2
    places = ir.Constant(ir.VectorType(I32, size), [second * size + i for i in range(size)])
    return builder.shuffle_vector(vector, vector, places)


def _whole(builder: ir.IRBuilder, first: ir.Value, second: ir.Value) -> ir.Value:
    places = ir.Constant(ir.VectorType(I32, 2 * first.type.count), [*range(2 * first.type.count)])
    return builder.shuffle_vector(first, second, places)


def _dot_vnni512(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    return instruction(builder, "llvm.x86.avx512.vpdpbusd.512", SUMS, sums, x, w)


def _dot_vnni256(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    halves = []
    for second in (0, 1):
        s, a, b = (_half(builder, vector, second) for vector in (sums, x, w))
        halves.append(instruction(builder, "llvm.x86.avx512.vpdpbusd.256", s.type, s, a, b))
    return _whole(builder, *halves)


def _dot_avx2(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    pairs = ir.VectorType(ir.IntType(16), LANES)
    ones = ir.Constant(pairs, [1] * LANES)
    halves = []
    for second in (0, 1):
        s, a, b = (_half(builder, vector, second) for vector in (sums, x, w))
        two = instruction(builder, "llvm.x86.avx2.pmadd.ub.sw", pairs, a, b)
        four = instruction(builder, "llvm.x86.avx2.pmadd.wd", s.type, two, ones)
        halves.append(builder.add(s, four))
    return _whole(builder, *halves)


def _dot_plain(builder: ir.IRBuilder, sums: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
    for input_ in range(4):
        places = ir.Constant(SUMS, [4 * lane + input_ for lane in range(LANES)])
        a = builder.zext(builder.shuffle_vector(x, x, places), SUMS)
        b = builder.sext(builder.shuffle_vector(w, w, places), SUMS)
        sums = builder.add(sums, builder.mul(a, b))
    return sums


DOTS: dict[str, Dot] = {
    "Vnni512": _dot_vnni512,
    "Vnni256": _dot_vnni256,
    "Avx2": _dot_avx2,
    "Plain": _dot_plain,
}
