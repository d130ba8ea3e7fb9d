"""What to train on, and in which precision."""

from __future__ import annotations

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
