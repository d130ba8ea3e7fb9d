"""The loss chart."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from model.checkpoint import EpochLosses
from model.training.chart import draw_losses

HELD_OUT = [2.1, 1.7, 1.55, 1.58]


def history(epochs: int, *, held_out: bool) -> list[EpochLosses]:
    return [
        EpochLosses(
            epoch=place + 1,
            running_loss=3.0 / (place + 1),
            held_out_loss=HELD_OUT[place] if held_out else None,
            seconds=float(place),
        )
        for place in range(epochs)
    ]


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("epochs", [0, 1, 4])
def test_any_history_gives_a_picture(epochs: int, held_out: bool) -> None:
    picture = draw_losses(history(epochs, held_out=held_out), "walks: the default recipe")
    assert picture.startswith(b"\x89PNG\r\n")
    assert struct.unpack(">II", picture[16:24]) == (1200, 675)


def test_the_same_losses_give_the_same_picture() -> None:
    losses = history(4, held_out=True)
    assert draw_losses(losses, "walks") == draw_losses(losses, "walks")
    assert draw_losses(losses, "walks") != draw_losses(losses[:3], "walks")


def test_the_door_of_the_model_does_not_load_matplotlib() -> None:
    code = "import sys, model; print([m for m in ('matplotlib', 'PIL') if m in sys.modules])"
    root = Path(__file__).parents[3]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert result.stdout.strip() == "[]"
