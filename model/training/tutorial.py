"""What only the tutorial's program does: a table of its layers, and writing by whole window.

The window way reads all T characters again for each new one; `engine.py` carries state instead.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from model.training.network import StackedLSTM
from model.vocabulary import Vocabulary

COLUMNS = "{:<16}{:<18}{:>12}"


def summarise_network(network: StackedLSTM, window: int) -> str:
    """Return a table of layers, shapes (samples, time steps, features) and trained parameters."""
    config = network.config
    lines = [COLUMNS.format("Layer", "Output shape", "Parameters")]
    for number, layer in enumerate(network.lstms, start=1):
        steps = f"{window}, " if number < config.layers else ""  # only the last step goes on
        shape = f"(N, {steps}{config.hidden_size})"
        count = sum(p.numel() for p in layer.parameters() if p.requires_grad)
        lines.append(COLUMNS.format(f"LSTM {number}", shape, f"{count:,}"))
        lines.append(COLUMNS.format(f"Dropout {number}", shape, "0"))
    head = sum(p.numel() for p in network.head.parameters())
    lines.append(COLUMNS.format("Dense softmax", f"(N, {config.vocabulary_size})", f"{head:,}"))
    lines.append(COLUMNS.format("Total", "", f"{network.parameter_count:,}"))
    return "\n".join(lines)


@torch.inference_mode()
def write_by_window(
    network: StackedLSTM, vocabulary: Vocabulary, window: Tensor, characters: int
) -> Iterator[str]:
    """Yield the likeliest next characters, each judged from the last T; `window` is (T,) ids."""
    network.eval()
    window = window.long()
    for _ in range(characters):
        outputs, _ = network.features(window[None], network.initial_state(1))
        choice = network.head(outputs[:, -1]).argmax(-1)  # (1, T, H) to (1, V) to (1,)
        yield vocabulary.decode([int(choice)])
        window = torch.cat([window[1:], choice])
