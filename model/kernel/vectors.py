"""Vectors of 16 lanes in LLVM's language, which all that is spelled out in it shares."""

from __future__ import annotations

from llvmlite import ir

LANES = 16
GATES = 4
BLOCK = GATES * LANES  # sums of a block, see tiles.py

I8, I32, I64, F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
BYTES = ir.VectorType(I8, 4 * LANES)
SUMS = ir.VectorType(I32, LANES)
FLOATS = ir.VectorType(F32, LANES)


def instruction(builder: ir.IRBuilder, name: str, out: ir.Type, *values: ir.Value) -> ir.Value:
    """Let LLVM use what it calls `name`: often one instruction of the processor."""
    kind = ir.FunctionType(out, [value.type for value in values])
    return builder.call(builder.module.declare_intrinsic(name, (), kind), values)
