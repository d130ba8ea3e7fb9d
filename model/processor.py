"""What to train on, in which precision, and with how many threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import torch

from model.errors import DeviceMissing

Precision = Literal["float32", "bfloat16"]


def choose_device(wish: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device to train on; raise DeviceMissing if CUDA is wished for and absent."""
    if wish == "cpu" or (wish == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DeviceMissing(wish)
    return torch.device("cuda")


def choose_precision(device: torch.device) -> Precision:
    """Return bfloat16 where it speeds up training: 1.6 × with AVX-512 BF16, more with AMX.

    A processor that only emulates it loses by it, and without a way to ask it is left out.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    answers = [getattr(torch.cpu, question, lambda: False)() for question in questions]
    return "bfloat16" if any(answers) else "float32"


def choose_threads(
    step: Callable[[], None], most: int, clock: Callable[[], float] = time.perf_counter
) -> int:
    """Return how many threads, 1 or `most`, do `step` faster right now; leaves that many set.

    On idle cores two threads won 1.5 ×; beside busy ones they wait for each other and lost 5 ×.
    """
    if most == 1:
        return 1
    fastest: dict[int, float] = {}
    step()  # whatever is only done once
    for threads in (most, 1, most, 1):
        torch.set_num_threads(threads)
        began = clock()
        step()
        fastest[threads] = min(clock() - began, fastest.get(threads, float("inf")))
    chosen = min(fastest, key=fastest.__getitem__)
    torch.set_num_threads(chosen)
    return chosen
