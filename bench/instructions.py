"""How many instructions a product takes, on processors that need not be here.

    python -m bench.instructions [--assembly]

LLVM compiles the innermost loop, a block's sums for one row or for several, for each processor. Its
instructions are counted, not run: the loop has no branch but its own. A product is that of two
bytes. Stores in the loop are sums for which there were not enough registers.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

import llvmlite.binding as llvm
from llvmlite import ir

from bench.tables import table
from model.kernel.instruction_sets import (
    I8,
    QUAD,
    Avx2,
    InstructionSet,
    Neon,
    NeonDot,
    Plain,
    Vnni256,
    Vnni512,
    units_at_once,
)
from model.kernel.tiles import GATES, I64, write_sums

ARM, X86 = "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"


@dataclass(frozen=True)
class Processor:
    """What LLVM knows a processor by."""

    name: str
    triple: str
    cpu: str
    instruction_sets: tuple[InstructionSet, ...]


PROCESSORS = (
    Processor("Raspberry Pi 4", ARM, "cortex-a72", (Neon(), Plain(), Plain(rows=1))),
    Processor("Raspberry Pi 5", ARM, "cortex-a76", (NeonDot(), Neon(), Plain())),
    Processor("Ampere Altra, Graviton 2", ARM, "neoverse-n1", (NeonDot(), Neon(), Plain())),
    Processor("Graviton 3", ARM, "neoverse-v1", (NeonDot(), Neon(), Plain())),
    Processor("Apple M1", "arm64-apple-darwin", "apple-m1", (NeonDot(), Neon(), Plain())),
    Processor("SSE 4.2", X86, "nehalem", (Plain(),)),
    Processor("AVX2", X86, "haswell", (Avx2(), Plain())),
    Processor("AVX-VNNI", X86, "alderlake", (Vnni256(), Avx2())),
    Processor("AVX-512 VNNI", X86, "icelake-server", (Vnni512(), Vnni256(), Avx2())),
)


def assembly(isa: InstructionSet, processor: Processor) -> str:
    """Return what LLVM makes of a block's sums, for as many rows as one pass takes."""
    module = ir.Module()
    module.triple = processor.triple
    pointer = I8.as_pointer()
    kinds = [pointer, I64, I64, pointer, pointer, pointer, I64]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), "sums")
    builder = ir.IRBuilder(function.append_basic_block())
    write_sums(builder, type(isa), isa.rows, function.args)
    builder.ret_void()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(processor.triple).create_target_machine(
        cpu=processor.cpu, opt=3
    )
    compiled = llvm.parse_assembly(str(module))
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False  # a loop is then a quad's products
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(compiled, passes)
    return str(machine.emit_assembly(compiled))


def inner_loop(text: str) -> list[str]:
    """Return the instructions from a label to the jump back to it, in what `assembly` returned."""
    label, body, found = "", list[str](), list[str]()
    for raw in text.splitlines():
        line = re.split(r"\s# |//|;", raw)[0].strip()
        if line.endswith(":"):
            label, body = line[:-1], []
        elif line and not line.startswith("."):
            body.append(line)
            if line.split()[-1] == label:
                found = max(found, body[:], key=len)
    return found


def is_store(line: str) -> bool:
    """Whether an instruction writes to memory: its last operand on x86, another word on ARM."""
    name, _, operands = line.partition("\t")
    if name.startswith("st"):
        return True
    return name.startswith(("v", "mov")) and operands.endswith(")")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assembly", action="store_true", help="print the loops too")
    arguments = parser.parse_args()
    rows = []
    for processor in PROCESSORS:
        for isa in processor.instruction_sets:
            loop = inner_loop(assembly(isa, processor))
            units = units_at_once(type(isa), isa.rows)
            products = GATES * units * QUAD * isa.rows
            stores = sum(map(is_store, loop))
            name = type(isa).__name__
            figures = (isa.rows, len(loop), products, stores)
            rows.append((processor.name, name, *map(str, figures), f"{len(loop) / products:.3f}"))
            if arguments.assembly:
                print(f"\n{processor.name}, {name}:", *loop, sep="\n    ")
    head = ("processor", "arithmetic", "rows", "instructions", "products", "stores", "a product")
    print(table(head, rows, left=2))


if __name__ == "__main__":
    main()
