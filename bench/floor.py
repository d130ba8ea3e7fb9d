"""How near the kernel's products come to what a core can do.

    python -m bench.floor [--processors avx2] [--rows 1 8 12 24 64] [--rounds 9]
                          [--seconds 0.1] [--quick] [--json FILE]

The yardstick is the core's own float32 peak: fused multiply-adds on 256 bits, twelve independent
ones after each other in registers. Against it stand the tiles' products of bytes, layers and head,
and the whole kernel with gates and choice of tokens, as if its network were multiplied at that
peak. Both are multiply-adds a second.

One row reads every weight once a token, so memory or a cache limits it, too: the last column is
what reading the same bytes, and nothing else, allows.

One core, one thread, and seconds of the processor, not of the clock, because others may use the
core too. All take turns, `--rounds` times; the table tells medians, and shares are medians of each
round's own. A processor is another's stand-in; see `bench/processors.py`.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba.core import types
from numpy.typing import NDArray

from bench.gauges import machine, machine_line, per_second
from bench.generation_methods import BURST, OurBatch
from bench.networks import name_of, networks
from bench.processors import PROCESSORS, possible_processors, report_of
from bench.products import all_products, weights_of
from bench.tables import number, table, write_json
from model import Model
from model.kernel import checked_instruction_set
from model.kernel.compilation import inner, intrinsic
from model.kernel.instruction_sets import I32, instruction
from model.kernel.quantization import aligned
from model.kernel.tiles import F32, I64, address

WIDTH = 8  # floats in 256 bits
CHAINS = 12  # enough for two multiply-adds a cycle that take five or six cycles each
LINES = 8  # vectors of 32 bytes that are read at a time
LINE = 32
ROUNDS_OF_PEAK = 100_000
FACTOR, SUMMAND = 0.5, 1.0


@dataclass(frozen=True)
class Figure:
    """What the tiles and the kernel did for so many rows; rates are a second of the processor."""

    processor: str
    arithmetic: str
    network: str
    rows: int
    peak: float  # float32 multiply-adds
    products: float  # multiply-adds of the tiles alone
    of_peak: float
    characters: float  # of all rows together, by the whole kernel
    allowed: float  # that the peak would allow
    of_allowed: float
    read: float  # bytes read, of as many as the network's weights have


@intrinsic
def _multiply_adds(typingctx: Any, numbers: Any, rounds: Any) -> Any:
    """Let CHAINS vectors at `numbers` become themselves × FACTOR + SUMMAND, `rounds` times.

    Each needs the one before it, and the start is not known to the compiler.
    """
    vector = ir.VectorType(F32, WIDTH)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
        numbers, rounds = values
        data = builder.bitcast(numbers, vector.as_pointer())
        places = [builder.gep(data, [I64(chain)]) for chain in range(CHAINS)]
        factor, summand = (ir.Constant(vector, [each] * WIDTH) for each in (FACTOR, SUMMAND))

        def step(chains: list[ir.Value]) -> list[ir.Value]:
            return [
                instruction(builder, "llvm.fma.v8f32", vector, chain, factor, summand)
                for chain in chains
            ]

        ends = _loop(
            builder, rounds, [builder.load(place) for place in places], lambda _, c: step(c)
        )
        for end, place in zip(ends, places, strict=True):
            builder.store(end, place)
        return context.get_dummy_value()

    return types.void(types.voidptr, types.int64), generate


@intrinsic
def _read(typingctx: Any, numbers: Any, count: Any) -> Any:
    """Return something of all bytes at `numbers`, `count` × LINES × LINE of them."""
    vector = ir.VectorType(I32, LINE // 4)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
        numbers, count = values
        data = builder.bitcast(numbers, vector.as_pointer())

        def step(at: ir.Value, seen: list[ir.Value]) -> list[ir.Value]:
            first = builder.mul(at, I64(LINES))
            places = [builder.gep(data, [builder.add(first, I64(n))]) for n in range(LINES)]
            return [
                builder.xor(each, builder.load(place))
                for each, place in zip(seen, places, strict=True)
            ]

        nothing = ir.Constant(vector, [0] * vector.count)
        first, *rest = _loop(builder, count, [nothing] * LINES, step)
        for each in rest:
            first = builder.xor(first, each)
        lanes = [builder.extract_element(first, I32(n)) for n in range(vector.count)]
        total = lanes[0]
        for lane in lanes[1:]:
            total = builder.xor(total, lane)
        return total

    return types.int32(types.voidptr, types.int64), generate


def _loop(
    builder: ir.IRBuilder,
    rounds: ir.Value,
    begin: list[ir.Value],
    step: Callable[[ir.Value, list[ir.Value]], list[ir.Value]],
) -> list[ir.Value]:
    """Write a loop of `rounds` rounds, at least one; return what `begin` has become."""
    before, loop = builder.block, builder.append_basic_block()
    builder.branch(loop)
    builder.position_at_end(loop)
    at, now = builder.phi(I64), [builder.phi(value.type) for value in begin]
    following = step(at, now)
    next_at = builder.add(at, I64(1))
    for phi, first, then in zip([at, *now], [I64(0), *begin], [next_at, *following], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(then, loop)
    after = builder.append_basic_block()
    builder.cbranch(builder.icmp_signed("<", next_at, rounds), loop, after)
    builder.position_at_end(after)
    return following


@inner
def multiply_adds(numbers: NDArray[np.float32], rounds: int) -> None:
    """Let numbers (CHAINS, 8) become themselves × 0.5 + 1, `rounds` times."""
    _multiply_adds(address(numbers, 0), rounds)


@inner
def read(numbers: NDArray[np.uint8]) -> int:
    """Read numbers (bytes,), a multiple of 256, and return all of them in one, exclusively or'd."""
    return int(_read(address(numbers, 0), len(numbers) // (LINES * LINE)))


def measure(
    model: Model, processor: str, rows: list[int], rounds: int, seconds: float
) -> list[Figure]:
    """Let peak, memory, tiles and kernel take turns at every number of rows."""
    numbers = aligned((CHAINS, WIDTH), np.float32)
    weights = weights_of(model)
    memory = aligned((weights,), np.uint8)
    figures = []
    for n in rows:
        # function, and what one call of it counts for
        turns: dict[str, tuple[Callable[[], object], float]] = {
            "peak": (
                lambda: multiply_adds(numbers, ROUNDS_OF_PEAK),
                ROUNDS_OF_PEAK * CHAINS * WIDTH,
            ),
            "read": (lambda: read(memory), weights),
            "products": (all_products(model, n), weights * n),
            "characters": (OurBatch(model, n).write, BURST * n),
        }
        for step, _ in turns.values():
            step()  # compiled at the first call
        rates: dict[str, list[float]] = {name: [] for name in turns}
        for _ in range(rounds):
            for name, (step, counts) in turns.items():
                rates[name].append(per_second(step, seconds) * counts)
        peaks = rates["peak"]
        figures.append(
            Figure(
                processor=processor,
                arithmetic=type(checked_instruction_set()).__name__,
                network=name_of(model),
                rows=n,
                of_peak=_share(rates["products"], peaks),
                allowed=statistics.median(peaks) / weights,
                of_allowed=_share([weights * each for each in rates["characters"]], peaks),
                **{name: statistics.median(values) for name, values in rates.items()},
            )
        )
    return figures


def _share(rates: list[float], peaks: list[float]) -> float:
    return statistics.median(rate / peak for rate, peak in zip(rates, peaks, strict=True))


def show(figures: list[Figure]) -> None:
    """Print a table for each network and processor."""
    for key in dict.fromkeys((figure.network, figure.processor) for figure in figures):
        these = [figure for figure in figures if (figure.network, figure.processor) == key]
        print(f"\n{key[0]}, processor: {key[1]}, ours with {these[0].arithmetic}")
        head = (
            *("rows", "float32 peak, G/s", "products, G/s", "of peak"),
            *("tokens/s", "peak allows", "of it", "reading, GB/s"),
        )
        body = [
            (
                f"{figure.rows}",
                number(figure.peak / 1e9, 1),
                number(figure.products / 1e9, 1),
                f"{figure.of_peak:.0%}",
                number(figure.characters),
                number(figure.allowed),
                f"{figure.of_allowed:.0%}",
                number(figure.read / 1e9, 1),
            )
            for figure in these
        ]
        print(table(head, body))


def measure_here(arguments: argparse.Namespace, processor: str) -> list[Figure]:
    """Measure in this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    return [
        figure
        for model in networks()
        for figure in measure(model, processor, arguments.rows, arguments.rounds, arguments.seconds)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 12, 24, 64], metavar="N")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each turn")
    parser.add_argument("--processors", nargs="+", choices=possible_processors(), default=["avx2"])
    parser.add_argument("--quick", action="store_true", help="fewer rows, short turns")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--child", choices=PROCESSORS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rows, arguments.rounds, arguments.seconds = [1, 24], 3, 0.02
    if arguments.child:
        figures = measure_here(arguments, arguments.child)
    else:
        print(machine_line())
        options = ["--rounds", str(arguments.rounds), "--seconds", str(arguments.seconds)]
        options += ["--rows", *map(str, arguments.rows)]
        figures = [
            Figure(**values)
            for processor in arguments.processors
            for values in report_of("bench.floor", processor, options)["figures"]
        ]
        show(figures)
    if arguments.json:
        write_json(arguments.json, {**machine(), "figures": [asdict(each) for each in figures]})


if __name__ == "__main__":
    main()
