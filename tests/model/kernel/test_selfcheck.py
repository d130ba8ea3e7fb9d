"""The arithmetic is chosen by what the processor has, and tried before it is trusted."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from llvmlite import ir
from numba.core import config

from model.config import Sampling
from model.kernel import compilation, instruction_sets, selfcheck, tiles
from model.kernel.batch import Batch
from model.kernel.instruction_sets import (
    SUMS,
    Avx2,
    InstructionSet,
    Neon,
    NeonDot,
    Plain,
    Vnni256,
    Vnni512,
    best_instruction_set,
    processor_features,
)
from model.kernel.quantization import quantize_network
from model.kernel.selfcheck import (
    TRIAL,
    agrees_with_reference,
    checked_instruction_set,
    trial_tensors,
)

HOST = processor_features()


def needs(*features: str) -> pytest.MarkDecorator:
    """One of the features."""
    return pytest.mark.skipif(
        not HOST.intersection(features), reason=f"this processor has no {' or '.join(features)}"
    )


INSTRUCTION_SETS = [
    pytest.param(Vnni512(), marks=needs("avx512vnni")),
    pytest.param(Vnni256(), marks=needs("avx512vnni", "avxvnni")),
    pytest.param(Avx2(), marks=needs("avx2")),
    pytest.param(NeonDot(), marks=needs("dotprod")),
    pytest.param(Neon(), marks=needs("neon")),
]


def some_logits(isa: InstructionSet) -> bytes:
    batch = Batch(quantize_network(TRIAL, trial_tensors(TRIAL)), 1, isa)
    batch.begin(Sampling(), 0)
    return batch.predict([n % TRIAL.vocabulary_size for n in range(30)]).tobytes()


@pytest.mark.parametrize("isa", INSTRUCTION_SETS)
def test_every_arithmetic_gives_the_same_to_the_last_bit(isa: InstructionSet) -> None:
    assert agrees_with_reference(isa)
    assert some_logits(isa) == some_logits(Plain())


def test_the_plain_arithmetic_agrees_with_plain_sums() -> None:
    assert agrees_with_reference(Plain())


@pytest.mark.parametrize(
    ("features", "best"),
    [
        ("+avx512vnni,+avx2", Vnni512()),
        ("+avxvnni,+avx2", Vnni256()),
        ("-avx512vnni,+avx2", Avx2()),
        ("+sse4.2", Plain()),
        ("+dotprod,+neon", NeonDot()),
        ("-dotprod,+neon", Neon()),
    ],
)
def test_the_best_arithmetic_is_chosen_by_what_numba_may_use(
    features: str, best: InstructionSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CPU_FEATURES", features)
    assert best_instruction_set() == best
    assert type(best_instruction_set()) is type(best)


@pytest.mark.parametrize("present", [True, False])
def test_on_arm_llvm_is_told_whether_there_are_dot_products(present: bool) -> None:
    """It goes by the processor's name alone, but what is not there must not be compiled."""
    features = compilation.arm_features(present).split(",")
    assert ("+dotprod" if present else "-dotprod") in features
    assert "+neon" in features


class Wrong(Plain):
    """An arithmetic that takes weights for unsigned bytes."""


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def forget_the_sign(builder, sums, x, w):  # type: ignore[no-untyped-def]
        for input_ in range(4):
            places = ir.Constant(SUMS, [4 * lane + input_ for lane in range(16)])
            a = builder.zext(builder.shuffle_vector(x, x, places), SUMS)
            b = builder.zext(builder.shuffle_vector(w, w, places), SUMS)
            sums = builder.add(sums, builder.mul(a, b))
        return sums

    monkeypatch.setitem(instruction_sets.DOTS, "Wrong", forget_the_sign)
    return lambda: monkeypatch.setattr(selfcheck, "best_instruction_set", Wrong)


def test_an_arithmetic_that_computes_wrongly_is_found_out_and_not_used(
    wrong: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    assert not agrees_with_reference(Wrong())
    wrong()
    checked_instruction_set.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert type(checked_instruction_set()) is Plain
    finally:
        checked_instruction_set.cache_clear()
    assert "Wrong does not compute rightly here" in caplog.text


@pytest.mark.slow
def test_a_processor_without_avx_gives_the_same_to_the_last_bit() -> None:
    """It has no fused multiply-add either; what rounds otherwise shows after some hundred steps."""
    program = (
        "import hashlib, random\n"
        "from model import Sampling, load_model\n"
        "from model.kernel import Batch, checked_instruction_set, quantize_network\n"
        "from model.training.network import BASE_MODEL\n"
        "base = load_model(BASE_MODEL)\n"
        "weights = quantize_network(base.network, base.tensors)\n"
        "batch = Batch(weights, 1, checked_instruction_set())\n"
        "batch.begin(Sampling(), 0)\n"
        "ids = random.Random(1).choices(range(base.network.vocabulary_size), k=600)\n"
        "print(hashlib.sha256(batch.predict(ids).tobytes()).hexdigest())\n"
    )
    old = {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "+sse4.2,+sse4.1,+ssse3,+sse3"}
    old |= {"OPENBLAS_CORETYPE": "Nehalem"}  # numpy's sums of products, which make the weights
    hashes = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env={**os.environ, **variables},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for variables in ({}, old)
    }
    assert len(hashes) == 1


def test_tanh_is_right_to_two_hundred_thousandths() -> None:
    """The kernel's formula in numpy, clamped as there."""
    x = np.concatenate([np.linspace(-8, 8, 100_001), [-1e6, 1e6]])
    z = np.clip(x, -6, 6)
    above = sum(a * z ** (2 * n) for n, a in enumerate(tiles.TANH_ABOVE))
    below = sum(b * z ** (2 * n) for n, b in enumerate(tiles.TANH_BELOW))
    assert np.abs(z * above / below - np.tanh(x)).max() < 2e-5
