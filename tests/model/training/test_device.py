"""What is trained on, in which precision, and with how many threads."""

from __future__ import annotations

import pytest
import torch

from model.errors import DeviceMissing
from model.training.device import choose_device, choose_precision, choose_threads

CPU = torch.device("cpu")


def test_the_processor_can_always_be_chosen() -> None:
    assert choose_device("cpu") == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU")
def test_without_a_gpu_auto_is_the_processor_and_cuda_is_an_error() -> None:
    assert choose_device("auto") == CPU
    with pytest.raises(DeviceMissing, match="--device auto"):
        choose_device("cuda")


@pytest.mark.parametrize("held_back", ["AVX2", "avx512_core", "SSE41", "AVX512_CORE_VNNI"])
def test_a_library_that_is_held_back_trains_in_float32(held_back: str) -> None:
    """With AVX2 alone, oneDNN ended a bfloat16 LSTM in an exception."""
    assert choose_precision(CPU, {"ONEDNN_MAX_CPU_ISA": held_back}) == "float32"


def test_the_precision_is_the_same_each_time() -> None:
    free = choose_precision(CPU, {})
    assert free == choose_precision(CPU, {"ONEDNN_MAX_CPU_ISA": "DEFAULT"})
    assert free in ("float32", "bfloat16")


@pytest.mark.parametrize(("slow", "chosen"), [(1, 2), (2, 1)])
def test_the_faster_number_of_threads_is_chosen(slow: int, chosen: int) -> None:
    before = torch.get_num_threads()
    now = 0.0

    def step() -> None:
        nonlocal now
        now += 5.0 if torch.get_num_threads() == slow else 1.0

    try:
        assert choose_threads(step, 2, clock=lambda: now) == chosen == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
