"""The loss of a network on a text, dropout off, in float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from model.training.batches import sliding_windows
from model.training.network import StackedLSTM

RUN_UP = 256  # tokens; after them the loss is that of having read everything, to 1e-3 nats
WINDOW = 64  # tokens a call; only memory depends on it: 256 took 100 MB more
ROWS = 16
MANY_ROWS = 64  # for long stretches: a quarter of the calls, more to run up
NOT_COUNTED = -100  # cross_entropy's own mark for a target to pass over


@torch.inference_mode()
def evaluate_stream(
    network: StackedLSTM, ids: Tensor, begin: int, end: int, lengths: Tensor
) -> float:
    """Return the mean loss, nats per character, of ids[begin:end] read on with state carried.

    `lengths` (V,) are the characters of each token. The stretch is read in ROWS rows side by side;
    each first reads the RUN_UP tokens before its own, uncounted, so that no row starts cold. The
    first token of all is never a target.
    """
    first = max(begin, 1)
    count = end - first
    most = MANY_ROWS if count >= MANY_ROWS * RUN_UP * 4 else ROWS
    rows = min(most, max(count // RUN_UP, 1))
    each = -(-count // rows)
    run_up = min(RUN_UP, first - 1 if begin else each)
    # Places of the inputs (N, run-up + each); a target stands one further on.
    starts = first - 1 + each * torch.arange(rows)  # (N,)
    places = starts[:, None] + torch.arange(-run_up, each)  # (N, 1) + (run-up + each,)
    counted = (places >= starts[:, None]) & (places < end - 1)
    ids = ids.long()
    device = ids.device
    inputs = ids[places.clamp(0, end - 2).to(device)]
    targets = ids[(places + 1).clamp(0, end - 1).to(device)]
    targets[~counted.to(device)] = NOT_COUNTED
    was_training = network.training
    network.eval()
    state = network.initial_state(rows)
    if run_up:
        for piece in torch.split(inputs[:, :run_up], WINDOW, dim=1):
            _, state = network.features(piece, state)
        for part in state:
            part[:, starts.to(device) < run_up] = 0.0  # (L, N, H): before the book is nothing
    total = 0.0
    for start in range(run_up, run_up + each, WINDOW):
        x, y = inputs[:, start : start + WINDOW], targets[:, start : start + WINDOW]
        logits, state = network(x, state)
        total += functional.cross_entropy(  # (N, T, V) to (N * T, V), and (N, T) to (N * T,)
            logits.flatten(0, 1), y.flatten(), reduction="sum", ignore_index=NOT_COUNTED
        ).item()
    network.train(was_training)
    return total / int(lengths[ids[first:end].cpu()].sum())


@torch.inference_mode()
def evaluate_windows(network: StackedLSTM, ids: Tensor, window: int) -> float:
    """Return the mean loss on the token after each window of `ids`, every one read cold."""
    was_training = network.training
    network.eval()
    windows = sliding_windows(ids, window)
    total = 0.0
    for batch in torch.split(windows, 256):
        outputs, _ = network.features(batch[:, :-1].long(), network.initial_state(len(batch)))
        logits = network.head(outputs[:, -1])  # (N, T, H) to (N, V)
        total += functional.cross_entropy(logits, batch[:, -1].long(), reduction="sum").item()
    network.train(was_training)
    return total / len(windows)
