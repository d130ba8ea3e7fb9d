"""How many characters a second one core writes, in three ways, for one stream and for many.

    python bench/generation.py [--streams 1 32] [--rounds 9] [--seconds 1.0] [--quick] [--json FILE]

The ways, each with the same weights on one thread:

    window      the tutorial's: the last 100 characters are read anew for each character, the
                likeliest is taken
    stepwise    torch.nn.LSTM carries its state and reads one character per call, the next one is
                drawn by torch.multinomial at temperature 0.6
    engine      ours, with the default sampling, ends of poems and new poems included

The networks: the tutorial's (4 × 256, 48 characters, weights fresh: speed does not depend on what
they are) and every model in model/pretrained/. Machines are noisy, so the ways take turns for
`--seconds` each, `--rounds` times, and the table tells medians with the lowest and highest round.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from model import (  # noqa: E402
    Card,
    CharLSTM,
    Engine,
    LengthConfig,
    Model,
    NetworkConfig,
    Request,
    SamplingConfig,
    Vocabulary,
    load_model,
)

WINDOW = 100  # the tutorial's
ALPHABET = Vocabulary.of("\n abcdefghijklmnopqrstuvwxyz!'(),-.:;?0123456789")
POEM = LengthConfig(characters=600)  # about a sonnet
Step = Callable[[], object]  # writes one character for every stream


@dataclass(frozen=True)
class Figure:
    network: str
    way: str
    streams: int
    characters_per_second: float  # all streams together; the median of the rounds
    lowest: float
    highest: float
    ms_per_step: float
    times_stepwise: float


def by_window(model: Model, streams: int) -> Step:
    window = torch.zeros(streams, WINDOW, dtype=torch.long)

    def step() -> None:
        outputs, _ = model.network.features(window, model.network.initial_state(streams))
        likeliest = model.network.head(outputs[:, -1]).argmax(dim=-1, keepdim=True)
        window.copy_(torch.cat([window[:, 1:], likeliest], dim=1))

    return step


def by_step(model: Model, streams: int) -> Step:
    ids = torch.zeros(streams, 1, dtype=torch.long)
    state = model.network.initial_state(streams)

    def step() -> None:
        nonlocal ids, state
        logits, state = model.network(ids, state)
        ids = torch.multinomial((logits[:, -1] / 0.6).softmax(dim=-1), 1)

    return step


def by_engine(model: Model, streams: int) -> Step:
    engine = Engine(model, max_rows=streams)
    asked = 0

    def step() -> None:
        nonlocal asked
        while engine.running < streams:
            engine.add(Request("", SamplingConfig(), asked, POEM))
            asked += 1
        engine.step()

    return step


WAYS = {"window": by_window, "stepwise": by_step, "engine": by_engine}


def tutorial_model() -> Model:
    """Return the tutorial's network with fresh weights."""
    config = NetworkConfig(
        vocabulary_size=len(ALPHABET), input="scalar", hidden_size=256, layers=4, dropout=0.2
    )
    torch.manual_seed(0)
    card = Card(
        name="tutorial",
        book_title="no book",
        book_sha256="",
        book_characters=0,
        created=datetime.now(UTC).isoformat(),
        recipe="tutorial",
        lower_case=True,
        loss=0.0,
    )
    return Model(CharLSTM(config).eval(), ALPHABET, card, "")


def name_of(model: Model) -> str:
    config = model.network.config
    return f"{model.card.name} {config.layers} × {config.hidden_size}"


def rate(step: Step, streams: int, seconds: float) -> float:
    """Step for `seconds` (at least once); return characters per second of all streams."""
    steps, began = 0, time.perf_counter()
    while True:
        step()
        steps += 1
        spent = time.perf_counter() - began
        if spent >= seconds:
            return steps * streams / spent


def measure(model: Model, streams: list[int], rounds: int, seconds: float) -> list[Figure]:
    """Let all ways and stream counts take turns, and sum the rounds up."""
    steps = {(way, n): make(model, n) for n in streams for way, make in WAYS.items()}
    rates: dict[tuple[str, int], list[float]] = {key: [] for key in steps}
    for step in steps.values():
        step()  # kernels are made at the first call
    for _ in range(rounds):
        for (way, n), step in steps.items():
            rates[way, n].append(rate(step, n, seconds))
    medians = {key: statistics.median(values) for key, values in rates.items()}
    return [
        Figure(
            network=name_of(model),
            way=way,
            streams=n,
            characters_per_second=median,
            lowest=min(rates[way, n]),
            highest=max(rates[way, n]),
            ms_per_step=1000 * n / median,
            times_stepwise=median / medians["stepwise", n],
        )
        for (way, n), median in medians.items()
    ]


def processor() -> str:
    """Name the processor as Linux does, or as Python can."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def show(figures: list[Figure]) -> None:
    """Print the figures as a table."""
    head = ("network", "way", "streams", "chars/s", "lowest–highest", "ms/step", "× stepwise")
    rows = [
        (
            figure.network,
            figure.way,
            f"{figure.streams}",
            f"{figure.characters_per_second:,.0f}",
            f"{figure.lowest:,.0f}–{figure.highest:,.0f}",
            f"{figure.ms_per_step:.3f}",
            f"{figure.times_stepwise:.2f}",
        )
        for figure in figures
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        print("  ".join(left + right))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 32], metavar="N")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.4 s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    rounds, seconds = (3, 0.4) if arguments.quick else (arguments.rounds, arguments.seconds)
    torch.set_num_threads(1)
    machine = {
        "processor": processor(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    print(", ".join(f"{key}: {value}" for key, value in machine.items()))
    shipped = sorted((ROOT / "model" / "pretrained").glob("*.safetensors"))
    figures: list[Figure] = []
    with torch.inference_mode():
        for model in (tutorial_model(), *map(load_model, shipped)):
            figures += measure(model, arguments.streams, rounds, seconds)
    show(figures)
    if arguments.json:
        report = {**machine, "figures": [asdict(figure) for figure in figures]}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
