"""The innermost loop becomes the instructions that are meant, on processors that are not here."""

import re

import pytest

from bench.instructions import PROCESSORS, assembly, inner_loop, is_store
from model.kernel.tiles import InstructionSet, Neon, NeonDot

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
    names = [re.split(r"[\s.]", line)[0] for line in loop]
    assert {name: names.count(name) for name in meant} == meant
    assert len(loop) <= sum(meant.values()) + 7  # to read and spread four inputs, and to loop
    assert not any(map(is_store, loop))
