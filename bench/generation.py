"""How many characters a second one core writes, in eight methods, for one row and for many.

    python -m bench.generation [--rows 1 4 16 64 256] [--rounds 5] [--seconds 0.4] [--text FILE]
                               [--processors here avx2 avxvnni sse4] [--quick] [--json FILE]
                               [--chart FILE]

The methods stand in `bench/generation_methods.py`: what people would use, and ours, each with the
same weights, on one core with one thread. Machines are noisy, so the methods take turns for
`--seconds` each, `--rounds` times, and the table tells medians. Seconds are the processor's own,
not the clock's, because others may use the core too.

The networks: the tutorial's (4 × 256, 48 characters, random weights: speed does not depend on what
they are) and every model in model/pretrained/. The processors: this one as it is; with its
AVX-512 and AMX switched off, to stand for a cheap server, with AVX-VNNI and without it; and, for
ours alone, without AVX2 too.

The bound is how many characters the network's int8 products alone would allow, at the best of the
rounds. `KL` is the mean divergence of a method's expectations from float32's, in nats per
character, and `loss` by how much its loss differs on `--text` (default: the model's own openings);
random weights have no loss to speak of.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.charts import generation_chart
from bench.gauges import machine, machine_line, per_second
from bench.generation_methods import BURST, METHODS, Method, upper_bound
from bench.networks import name_of, networks
from bench.processors import PROCESSORS, possible_processors, report_of
from bench.tables import number, table, write_json
from model import Model
from model.kernel import checked_instruction_set
from model.training import network_of

MAX_TEXT = 10_000  # characters that accuracy is measured on
MAX_RANDOM_TEXT = 1_000  # where the weights are random
BOUND_SHARE = 0.25  # of a turn's seconds
BOUND = "bound: the int8 products alone"
OURS = "ours"


@dataclass(frozen=True)
class Figure:
    """What one method did for so many rows."""

    processor: str
    arithmetic: str  # that ours chose
    network: str
    method: str
    rows: int
    characters_per_second: float  # all rows together; the median of the rounds
    lowest: float
    highest: float
    ms_per_step: float  # one character of every row
    of_bound: float
    divergence: float  # KL, nats per character; nan where the method is float32
    loss_change: float  # of the loss in nats, as a share; nan for random weights too


def rate(method: Method, rows: int, seconds: float) -> float:
    """Write for `seconds` (at least once); return characters per second of all rows."""
    return per_second(method.write, seconds) * BURST * rows


def accuracy(model: Model, method: Method, text: str) -> tuple[float, float]:
    """Return the mean divergence from float32 and the change of the loss, as a share of it."""
    ids = model.vocabulary.encode(text)
    found = method.logits(ids[:-1])
    if found is None:
        return math.nan, math.nan
    exact = network_of(model)(torch.tensor([ids[:-1]]))[0][0].double().log_softmax(-1).numpy()
    ours = torch.from_numpy(found).double().log_softmax(-1).numpy()
    divergence = float((np.exp(exact) * (exact - ours)).sum(axis=1).mean())
    if is_random(model):
        return divergence, math.nan
    losses = [-logs[np.arange(len(ids) - 1), ids[1:]].mean() for logs in (exact, ours)]
    return divergence, float(losses[1] / losses[0] - 1)


def is_random(model: Model) -> bool:
    return not model.card.openings


def measure(
    model: Model, processor: str, rows: list[int], rounds: int, seconds: float, text: str
) -> list[Figure]:
    """Let all methods take turns at every number of rows."""
    arithmetic = type(checked_instruction_set()).__name__
    figures = []
    known: dict[str, tuple[float, float]] = {BOUND: (math.nan, math.nan)}
    for n in rows:
        methods = {
            name: make(model, n)
            for name, make in METHODS.items()
            if n <= make.most_rows and (processor != "sse4" or name.startswith(OURS))
        }
        for name, method in methods.items():
            method.write()  # kernels are made at the first call
            if name not in known:
                known[name] = accuracy(model, method, text)
        rates: dict[str, list[float]] = {name: [] for name in (*methods, BOUND)}
        for _ in range(rounds):
            rates[BOUND].append(upper_bound(model, n, BOUND_SHARE * seconds)[0])
            for name, method in methods.items():
                rates[name].append(rate(method, n, seconds))
        bare = max(rates[BOUND])
        for name, values in rates.items():
            median = bare if name == BOUND else statistics.median(values)
            figures.append(
                Figure(
                    processor=processor,
                    arithmetic=arithmetic,
                    network=name_of(model),
                    method=name,
                    rows=n,
                    characters_per_second=median,
                    lowest=min(values),
                    highest=max(values),
                    ms_per_step=1000 * n / median,
                    of_bound=median / bare,
                    divergence=known[name][0],
                    loss_change=known[name][1],
                )
            )
    return figures


def show(figures: list[Figure]) -> None:
    """Print a table for each network and processor."""
    for key in dict.fromkeys((figure.network, figure.processor) for figure in figures):
        these = [figure for figure in figures if (figure.network, figure.processor) == key]
        print(f"\n{key[0]}, processor: {key[1]}, ours with {these[0].arithmetic}")
        head = ("method", "rows", "chars/s", "lowest–highest", "ms/step", "of bound", "KL", "loss")
        body = [
            (
                figure.method,
                f"{figure.rows}",
                number(figure.characters_per_second),
                f"{figure.lowest:,.0f}–{figure.highest:,.0f}",
                number(figure.ms_per_step, 3),
                f"{figure.of_bound:.1%}",
                "–" if math.isnan(figure.divergence) else f"{figure.divergence:.1e}",
                "–" if math.isnan(figure.loss_change) else f"{figure.loss_change:+.3%}",
            )
            for figure in sorted(these, key=lambda figure: [*METHODS, BOUND].index(figure.method))
        ]
        print(table(head, body))


def rates_here(figures: list[Figure]) -> dict[str, dict[str, dict[int, float]]]:
    """Return network → method → rows → characters a second, of this processor as it is."""
    rates: dict[str, dict[str, dict[int, float]]] = {}
    for figure in figures:
        if figure.processor == "here":
            methods = rates.setdefault(figure.network, {})
            methods.setdefault(figure.method, {})[figure.rows] = figure.characters_per_second
    return rates


def measure_here(arguments: argparse.Namespace, processor: str) -> list[Figure]:
    """Measure in this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    figures: list[Figure] = []
    with torch.inference_mode():
        for model in networks():
            figures += measure(
                model,
                processor,
                arguments.rows,
                arguments.rounds,
                arguments.seconds,
                text_for(model, arguments.text),
            )
    return figures


def text_for(model: Model, path: Path | None) -> str:
    """Return what a model reads to be judged, on its alphabet."""
    text = "\n".join(model.card.openings) or "the quick brown fox jumps over the lazy dog. " * 5
    if path is not None:
        text = path.read_text("utf-8")
    most = MAX_RANDOM_TEXT if is_random(model) else MAX_TEXT
    return model.vocabulary.fold(text[:most]).text


def measure_elsewhere(arguments: argparse.Namespace, processor: str) -> list[Figure]:
    """Measure in a process of its own that believes to be on another processor."""
    options = ["--rounds", str(arguments.rounds), "--seconds", str(arguments.seconds)]
    options += ["--rows", *map(str, arguments.rows)]
    if arguments.text is not None:
        options += ["--text", str(arguments.text)]
    report = report_of("bench.generation", processor, options)
    return [Figure(**_with_nan(values)) for values in report["figures"]]


def _with_nan(values: dict[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4, 16, 64, 256], metavar="N")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each turn")
    parser.add_argument("--text", type=Path, metavar="FILE", help="to measure accuracy on")
    here = possible_processors()
    parser.add_argument("--processors", nargs="+", choices=here, default=here)
    parser.add_argument("--quick", action="store_true", help="fewer rows, short turns")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw this processor's figures")
    parser.add_argument("--child", choices=PROCESSORS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rows, arguments.rounds, arguments.seconds = [1, 64], 3, 0.05
    if arguments.child:
        figures = measure_here(arguments, arguments.child)
    else:
        print(machine_line())
        figures = []
        for processor in arguments.processors:
            figures += measure_elsewhere(arguments, processor)
        show(figures)
    if arguments.chart:
        generation_chart(arguments.chart, rates_here(figures))
    if arguments.json:
        report = {**machine(), "figures": [asdict(figure) for figure in figures]}
        write_json(arguments.json, report)


if __name__ == "__main__":
    main()
