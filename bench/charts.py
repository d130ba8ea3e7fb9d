"""Pictures of figures; matplotlib is loaded by the first one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.load_report import Summary, Waits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID, EDGE = "#1f2430", "#6b7280", "#e5e7eb", "#b4532a"
GREYS = ("#c7ccd4", "#9aa3af", "#6b7280", "#4b5563", "#3f88b5", "#1b4965")
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


def generation_chart(path: Path, rates: Mapping[str, Mapping[str, Mapping[int, float]]]) -> None:
    """Draw how quickly each method writes: network → method → rows → characters a second."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, NullLocator

    picture, axes = pyplot.subplots(
        1, len(rates), figsize=(5.8 * len(rates), 5.4), sharey=True, squeeze=False
    )
    for panel, (network, methods) in zip(axes[0], rates.items(), strict=True):
        for place, (method, points) in enumerate(methods.items()):
            ours, bound = method.startswith("ours"), method.startswith("bound")
            panel.plot(
                list(points),
                list(points.values()),
                color=EDGE if ours else MUTED if bound else GREYS[place % len(GREYS)],
                linestyle=":" if bound else "--" if method.endswith("alone") else "-",
                marker=None if bound else "o",
                markersize=4,
                linewidth=2.2 if ours else 1.4,
                label=method,
            )
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xticks(sorted({rows for points in methods.values() for rows in points}))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        panel.set_title(network, loc="left", color=INK, fontsize=11)
        panel.set_xlabel("poems written at once", color=INK)
        panel.grid(color=GRID, linewidth=0.8)
        panel.tick_params(colors=MUTED, which="both", length=0)
        for spine in panel.spines.values():
            spine.set_visible(False)
    axes[0][0].set_ylabel("characters a second, one core", color=INK)
    axes[0][-1].legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower right")
    picture.tight_layout()
    picture.savefig(path, dpi=150, facecolor="white")
    pyplot.close(picture)


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
