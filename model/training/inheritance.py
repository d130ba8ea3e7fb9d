"""Beginning from another model's weights."""

from __future__ import annotations

import torch

from model.checkpoint import Model
from model.errors import StartMismatch
from model.training.network import CharLSTM, network_of
from model.vocabulary import Vocabulary


@torch.no_grad()
def adopt_weights(network: CharLSTM, vocabulary: Vocabulary, start: Model) -> None:
    """Copy a model's weights; characters that both alphabets have keep their rows.

    Raises StartMismatch where the networks differ in more than the alphabet and dropout.
    """
    theirs, ours = start.network, network.config
    for field in ("input", "embedding_size", "hidden_size", "layers", "residual"):
        if getattr(theirs, field) != getattr(ours, field):
            raise StartMismatch(field, getattr(theirs, field), getattr(ours, field))
    shared = [c for c in vocabulary.characters if c in start.vocabulary.ids]
    to, of = vocabulary.encode("".join(shared)), start.vocabulary.encode("".join(shared))
    own, given = network.state_dict(), network_of(start).state_dict()
    for name, weight in own.items():
        if name.startswith("lstms."):
            weight.copy_(given[name])
        else:  # embedding.weight (V, E), head.weight (V, H), head.bias (V,)
            weight[to] = given[name][of]
