"""The yardsticks measure what they say, and everything is measured against them."""

import llvmlite.binding
import numpy as np
import pytest

from bench.floor import CHAINS, WIDTH, measure, multiply_adds, read
from bench.instructions import inner_loop
from bench.networks import tutorial_model
from bench.processors import PROCESSORS, possible_processors
from bench.products import weights_of
from model.kernel.instruction_sets import processor_features
from model.kernel.quantization import aligned


def test_every_lane_of_every_chain_is_multiplied_and_added_to_in_each_round() -> None:
    numbers = aligned((CHAINS, WIDTH), np.float32)
    numbers[0, 0] = 16.0
    multiply_adds(numbers, 3)
    assert numbers[0, 0] == 16 / 8 + 1.75
    assert (numbers.ravel()[1:] == 1.75).all()


@pytest.mark.skipif("fma" not in processor_features(), reason="this processor has no FMA")
def test_the_compiler_leaves_all_multiply_adds_in_the_loop_and_in_registers() -> None:
    multiply_adds(aligned((CHAINS, WIDTH), np.float32), 1)
    (text,) = multiply_adds.inspect_asm().values()  # type: ignore[attr-defined]
    loop = inner_loop(text)
    multiplied = [line for line in loop if line.startswith("vfmadd")]
    assert len(multiplied) % CHAINS == 0
    assert len(multiplied) >= CHAINS
    assert len(loop) - len(multiplied) <= 3
    assert not any("(" in line for line in multiplied)


def test_every_byte_is_read() -> None:
    memory = aligned((4096,), np.uint8)
    memory[:] = np.random.default_rng(0).integers(0, 256, memory.shape)
    assert read(memory) == np.bitwise_xor.reduce(memory.view(np.int32))


def test_tiles_and_kernel_are_held_against_the_peak() -> None:
    model = tutorial_model()
    assert weights_of(model) == 256 * 1024 + 3 * 512 * 1024 + 256 * 64
    figures = measure(model, "here", [1, 3], rounds=1, seconds=0.001)
    assert [figure.rows for figure in figures] == [1, 3]
    for figure in figures:
        assert figure.of_peak == pytest.approx(figure.products / figure.peak)
        assert figure.of_allowed == pytest.approx(figure.characters / figure.allowed)
        assert min(figure.peak, figure.products, figure.characters, figure.read) > 0.0


def test_a_processor_stands_only_for_those_whose_instructions_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = {each[1:]: True for each in PROCESSORS["avx2"]["NUMBA_CPU_FEATURES"].split(",")}
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: old | {"avxvnni": False})
    assert possible_processors() == ["here", "avx2", "sse4"]
