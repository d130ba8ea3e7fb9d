"""Losses and speed of one process, or of several that torchrun starts, with the same batch.

    python -m bench.processes BOOK [--rows N] [--hidden-size H] [--steps N] [--threads N]
    torchrun --nproc-per-node 2 -m bench.processes BOOK …

N rows are those of all processes together. Without dropout, in float32 unless --bfloat16 is given.
Prints the mean loss of the epoch so far at some steps, in nats per character, what is held out,
and characters per second without the first ten steps.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from bench.tables import number, table
from model import read_book_files
from model.training import Training, join_processes
from model.training.loop import StepEnd
from model.training.recipes import Recipe

SHOWN = (1, 10, 50, 100, 200, 300, 400)
WARM_UP = 10  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("book", type=Path, metavar="BOOK")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bfloat16", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = Recipe(
        name="default",
        hidden_size=arguments.hidden_size,
        rows=arguments.rows,
        cold_starts=0.03,
        dropout=0.0,
        epochs=20,
        patience=0,
    )
    with join_processes(torch.device("cpu")) as processes:
        text = read_book_files([arguments.book]).text.lower()
        training = Training(text, recipe, processes=processes)
        training.use_precision("bfloat16" if arguments.bfloat16 else "float32")
        rows = []
        characters, began, made = 0, 0.0, 0
        for event in training.run():
            if not isinstance(event, StepEnd):
                continue
            made += 1
            if made == WARM_UP:
                characters, began = 0, time.perf_counter()
            characters += event.characters
            if made in SHOWN:
                rows.append([str(made), f"{event.loss:.6f}"])
            if made == arguments.steps:
                break
        speed = characters / (time.perf_counter() - began)
        if processes.is_first:
            rows.append(["held out", f"{training.held_out_loss():.6f}"])
            print(table(["step", "loss"], rows))
            print(f"{processes.count} processes: {number(speed)} characters a second")
        processes.wait()


if __name__ == "__main__":
    main()
