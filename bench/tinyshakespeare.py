"""Loss on tinyshakespeare's last tenth, trained on the rest alone, to compare with others.

    python -m bench.tinyshakespeare TINYSHAKESPEARE [--quick] [--json FILE] [--threads N]

Prints nats per character with state carried through, and in cold windows of 256 characters, as
nanoGPT measures (its figure: 1.4697, 10.7 million parameters on an A100). Half an hour to an hour
on one core; `--quick` learns for 40 seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from bench.tables import number, table, write_json
from model import read_book_files
from model.training import EpochEnd, Training
from model.training.network import StackedLSTM
from model.training.recipes import Recipe

COLD_WINDOW = 256
RECIPE = Recipe(
    name="default",
    lower_case=False,
    hidden_size=512,
    dropout=0.3,
    weight_drop=0.2,
    cold_starts=0.02,
    rows=32,
    window=128,
    shuffle=False,  # who speaks next depends on who spoke
    epochs=12,
    learning_rate=4e-3,
    warmup=0.03,
    weight_decay=0.05,
    average=0.998,
    patience=0,
)


@torch.inference_mode()
def cold_loss(network: StackedLSTM, ids: Tensor, begin: int) -> float:
    """Return the mean loss of ids[begin:], cut into windows that are each read from nothing."""
    network.eval()
    count = (len(ids) - begin - 1) // COLD_WINDOW * COLD_WINDOW
    inputs = ids[begin : begin + count].view(-1, COLD_WINDOW).long()
    targets = ids[begin + 1 : begin + 1 + count].view(-1, COLD_WINDOW).long()
    total = 0.0
    for x, y in zip(torch.split(inputs, 64), torch.split(targets, 64), strict=True):
        logits, _ = network(x, network.initial_state(len(x)))
        total += functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum").item()
    return total / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("book", type=Path, metavar="TINYSHAKESPEARE")
    parser.add_argument("--quick", action="store_true", help="learn for 40 seconds only")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    text = read_book_files([arguments.book]).text
    training = Training(text, RECIPE, seconds_limit=40.0 if arguments.quick else None)
    rows = []
    with tqdm(total=training.steps * RECIPE.epochs, unit=" steps", mininterval=5) as bar:
        for event in training.run():
            if isinstance(event, EpochEnd):
                carried = event.losses.held_out_loss or 0.0
                cold = cold_loss(training.averaged, training.ids, training.trained_on)
                rows.append(
                    (event.epoch, event.losses.running_loss, carried, cold, training.seconds)
                )
                tqdm.write(f"epoch {event.epoch}: carried {carried:.4f}, cold {cold:.4f}")
            else:
                bar.update()
                bar.set_postfix_str(f"loss {event.loss:.4f}", refresh=False)
    head = ("epoch", "training", "carried", "cold", "seconds")
    print(
        table(
            head, [(str(n), *(number(x, 4) for x in losses), number(s)) for n, *losses, s in rows]
        )
    )
    if arguments.json:
        weights = training.network.parameter_count
        write_json(
            arguments.json,
            {"parameters": weights, "epochs": [dict(zip(head, row, strict=True)) for row in rows]},
        )


if __name__ == "__main__":
    main()
