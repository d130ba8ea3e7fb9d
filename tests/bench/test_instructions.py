"""The innermost loop becomes the instructions that are meant, on processors that are not here."""

import re

import pytest

from bench.instructions import PROCESSORS, assembly, inner_loop, is_store
from model.kernel.instruction_sets import Avx2, InstructionSet, Neon, NeonDot, Vnni256, Vnni512

X86 = [
    ("haswell", Avx2(), {"vpmaddubsw": 8, "vpmaddwd": 8, "vpaddd": 8, "vpbroadcastd": 1}),
    ("alderlake", Vnni256(), {"vpdpbusd": 12, "vmovdqa": 4, "vpbroadcastd": 3}),
    ("icelake-server", Vnni512(), {"vpdpbusd": 16, "vmovdqa64": 4, "vpbroadcastd": 4}),
]
NAMED = {processor.cpu: processor for processor in PROCESSORS}


@pytest.mark.parametrize(
    ("cpu", "isa", "meant"),
    [
        ("cortex-a72", Neon(), {"smull": 16, "smull2": 16, "addp": 16, "sadalp": 16, "ldp": 8}),
        ("cortex-a76", NeonDot(), {"sdot": 16, "ldp": 8}),
        ("neoverse-v1", NeonDot(), {"sdot": 16, "ldp": 8}),
    ],
)
def test_on_arm_a_block_stays_in_registers(
    cpu: str, isa: InstructionSet, meant: dict[str, int]
) -> None:
    loop = inner_loop(assembly(isa, NAMED[cpu]))
    names = mnemonics(loop)
    assert {name: names.count(name) for name in meant} == meant
    assert len(loop) <= sum(meant.values()) + 7  # to read and spread four inputs, and to loop
    assert not any(map(is_store, loop))


@pytest.mark.parametrize(("cpu", "isa", "meant"), X86)
def test_on_x86_the_sums_of_a_pass_stay_in_registers(
    cpu: str, isa: InstructionSet, meant: dict[str, int]
) -> None:
    loop = inner_loop(assembly(isa, NAMED[cpu]))
    names = [name for name in mnemonics(loop) if not name.startswith("prefetch")]
    assert {name: names.count(name) for name in meant} == meant
    assert len(names) <= sum(meant.values()) + 5  # to loop
    assert not any(map(is_store, loop))


def mnemonics(loop: list[str]) -> list[str]:
    return [re.split(r"[\s.]", line.removeprefix("{vex}").strip())[0] for line in loop]
