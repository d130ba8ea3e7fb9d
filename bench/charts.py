"""Pictures of figures; matplotlib is loaded by the first one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.reading import Summary, Waits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID, EDGE = "#1f2430", "#6b7280", "#e5e7eb", "#b4532a"
SHADES = {"p99": "#1b4965", "p95": "#3f88b5", "p50": "#8fc1e0"}  # dark: the unlucky


def latency_chart(
    path: Path, summaries: Sequence[Summary], saturation: float | None, note: str
) -> None:
    """Draw how long the lucky and the unlucky wait at each rate, to the first text and the end."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    ordered = sorted(summaries, key=lambda summary: summary.rate)
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 5.2), sharex=True, sharey=True)
    rates = [summary.rate for summary in ordered]
    for panel, title, waits in (
        (axes[0], "to the first text", [summary.first for summary in ordered]),
        (axes[1], "to the whole poem", [summary.whole for summary in ordered]),
    ):
        _panel(panel, title, rates, waits)
        if saturation is not None:
            _mark(panel, saturation, max(rates))
    axes[0].set_ylabel("seconds", color=INK)
    figure.suptitle("How long a poem takes", x=0.062, y=0.965, ha="left", fontsize=15, color=INK)
    figure.text(0.062, 0.872, note, fontsize=9, color=MUTED)
    figure.tight_layout(rect=(0.0, 0.0, 0.98, 0.92))
    figure.savefig(path, dpi=150, facecolor="white")
    pyplot.close(figure)


def _panel(panel: Axes, title: str, rates: Sequence[float], waits: Sequence[Waits]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for name, colour in SHADES.items():
        heights = [getattr(wait, name) for wait in waits]
        panel.plot(rates, heights, color=colour, marker="o", markersize=5, linewidth=2, label=name)
    panel.set_xscale("log")
    panel.set_yscale("log")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.set_xlim(min(rates) * 0.8, max(rates) * 1.4)
    panel.set_title(title, loc="left", color=INK, fontsize=11)
    panel.set_xlabel("poems asked for per second", color=INK)
    panel.grid(color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=MUTED, which="both", length=0)
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.legend(frameon=False, loc="upper left", labelcolor=INK)


def _mark(panel: Axes, saturation: float, highest: float) -> None:
    """Shade the rates that the service cannot keep up with."""
    panel.axvspan(saturation, highest * 2, color=EDGE, alpha=0.08, linewidth=0)
    panel.axvline(saturation, color=EDGE, linewidth=1.4)
    panel.annotate(
        f"saturated at {saturation:.0f}/s",
        xy=(saturation, 0.95),
        xycoords=("data", "axes fraction"),
        xytext=(-6, 0),
        textcoords="offset points",
        ha="right",
        color=EDGE,
        fontsize=9,
    )
