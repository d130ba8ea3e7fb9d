"""Losses to a picture; imported by train.py alone, so that the bot never loads matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.checkpoint import EpochLosses

INK, QUIET, GRID = "#2b2a33", "#8a8794", "#e8e5ee"
RUNNING, HELD_OUT = "#7b5ea7", "#d1603d"


def draw_losses(history: Sequence[EpochLosses], title: str) -> bytes:
    """Return a PNG of the loss by epoch, the best epoch marked."""
    figure = Figure(figsize=(8.0, 4.5), dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = [losses.epoch for losses in history]
    running = [losses.running_loss for losses in history]
    held_out = [losses.held_out_loss for losses in history]
    curves = [("training, dropout on", running, RUNNING)]
    measured = [loss for loss in held_out if loss is not None]
    if measured and len(measured) == len(epochs):
        curves.append(("held-out text", measured, HELD_OUT))
    for label, losses, colour in curves:
        axes.plot(epochs, losses, color=colour, label=label, linewidth=2, marker="o", markersize=4)
    _, watched, colour = curves[-1]
    if watched:
        best = min(range(len(watched)), key=watched.__getitem__)
        axes.plot(epochs[best], watched[best], "o", markersize=11, mfc="none", mec=colour, mew=1.5)
        axes.annotate(
            f"best {watched[best]:.4f}",
            (epochs[best], watched[best]),
            xytext=(0, 14),
            textcoords="offset points",
            ha="center",
            color=colour,
            fontweight="bold",
        )
    axes.set_title(title, loc="left", color=INK, fontsize=13, fontweight="bold", pad=12)
    axes.set_xlabel("epoch", color=QUIET)
    axes.set_ylabel("nats per character", color=QUIET)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.04, y=0.12)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(colors=QUIET, length=0)
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, labelcolor=INK)
    picture = io.BytesIO()
    # No software version or date: the same losses give the same bytes.
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
