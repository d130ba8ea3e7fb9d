"""How the weights are moved: optimizer, learning rate, and weights dropped for a step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model.training.network import CharLSTM
from model.training.recipes import Recipe


def make_optimizer(network: CharLSTM, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer over the weights that are trained."""
    trained = [p for p in network.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.dim() > 1]
    vectors = [p for p in trained if p.dim() == 1]  # biases are not decayed
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(
        groups,
        lr=recipe.learning_rate,
        betas=(0.9, recipe.beta2),
        eps=recipe.epsilon,
        fused=True,
    )


def learning_rate(recipe: Recipe, share: float) -> float:
    """Return the rate at a share 0–1 of the training: a straight warm-up, then half a cosine."""
    if share < recipe.warmup:
        return recipe.learning_rate * max(share / recipe.warmup, 0.02)
    if recipe.schedule == "constant":
        return recipe.learning_rate
    done = min((share - recipe.warmup) / (1 - recipe.warmup), 1.0)
    fall = 0.5 * (1 + math.cos(math.pi * done))
    return recipe.learning_rate * (recipe.final_rate + (1 - recipe.final_rate) * fall)


@contextmanager
def dropped_recurrence(network: CharLSTM, share: float) -> Iterator[None]:
    """Switch off a share of the recurrent weights for one step (Merity et al. 2017).

    `backward` belongs inside: the gradient must meet the weights that made the loss.
    """
    if share == 0.0:
        yield
        return
    weights = [layer.get_parameter("weight_hh_l0") for layer in network.lstms]
    whole = [weight.detach().clone() for weight in weights]
    masks = [torch.empty_like(w).bernoulli_(1 - share).div_(1 - share) for w in whole]
    for weight, mask in zip(weights, masks, strict=True):
        weight.data.mul_(mask)
    try:
        yield
    finally:
        for weight, mask, before in zip(weights, masks, whole, strict=True):
            weight.data.copy_(before)
            if weight.grad is not None:
                weight.grad.mul_(mask)
