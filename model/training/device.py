"""What to train on, in which precision, and with how many threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

import torch

from model.errors import DeviceMissing

NICENESS = 10  # of 19
Precision = Literal["float32", "bfloat16"]


def give_way() -> None:
    """Let other programs go first, in this whole process: a bot beside it goes on writing."""
    with suppress(AttributeError, OSError):  # Windows has no such call
        os.nice(NICENESS)


def choose_device(requested: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device to train on; raise DeviceMissing if CUDA is asked for and absent."""
    if requested == "cpu" or (requested == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DeviceMissing(requested)
    return torch.device("cuda")


def choose_precision(
    device: torch.device, environment: Mapping[str, str] = os.environ
) -> Precision:
    """Return bfloat16 where it speeds up training: 1.4–1.6 × with AVX-512 BF16, more with AMX.

    A processor that only emulates it loses by it (2 ×), and one without AVX-512 has no LSTM in it
    at all; so has oneDNN when its variable holds it back. Not timed: the same random seed would
    give other weights on a busy day.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    able = any(getattr(torch.cpu, question, lambda: False)() for question in questions)
    held_back = environment.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    allowed = any(word in held_back for word in ("DEFAULT", "ALL", "BF16", "FP16", "AMX", "AVX10"))
    return "bfloat16" if able and allowed else "float32"


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
