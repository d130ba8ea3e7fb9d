"""The loss of a network's head, without the logits of all tokens at once.

With thousands of tokens in the vocabulary the logits of a batch and their gradients are most of
what a training takes, again at each step. So the loss and its gradients are found for some tokens
after the others, all in one pass, as in Liger Kernel (Hsu et al. 2024).

Shapes: M tokens of a batch, V tokens of the vocabulary, H hidden units, C tokens at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LOGITS = 2**20  # at once


def head_loss(outputs: Tensor, head: nn.Linear, targets: Tensor) -> Tensor:
    """Return the mean loss (), in nats, of `head` after `outputs` (M, H) for `targets` (M,)."""
    apply: Callable[..., Tensor] = _HeadLoss.apply
    return apply(outputs, head.weight, head.bias, targets)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, outputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        kind = outputs.device.type
        autocast = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if autocast else weight.dtype
        inputs, rows = outputs.to(dtype), weight.to(dtype)  # (M, H), (V, H)
        for_outputs = torch.empty_like(inputs)
        for_weight, for_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        total = weight.new_zeros(())
        size = max(LOGITS // len(weight), 1)
        # Room that is used again and again: what is asked for anew the system clears each time.
        rounded = weight.new_empty(min(size, len(inputs)), len(weight), dtype=dtype)  # (C, V)
        exact, product = torch.empty_like(rounded, dtype=weight.dtype), torch.empty_like(rows)
        parts = (torch.split(tensor, size) for tensor in (inputs, targets, for_outputs))
        with torch.autocast(kind, enabled=False):
            for some, wanted, gradient in zip(*parts, strict=True):
                half, logits = rounded[: len(some)], exact[: len(some)]
                logits.copy_(torch.addmm(bias.to(dtype), some, rows.T, out=half))
                wanted = wanted[:, None].long()  # (C, 1)
                found, most = logits.gather(1, wanted), logits.amax(1, keepdim=True)
                sums = logits.sub_(most).exp_().sum(1, keepdim=True)
                total += (sums.log() + most - found).sum()
                # Of the loss by the logits: probabilities, less 1 for what came.
                logits.div_(sums).scatter_add_(1, wanted, logits.new_full(wanted.shape, -1.0))
                for_bias += logits.sum(0)
                half.copy_(logits)
                torch.mm(half, rows, out=gradient)
                for_weight += torch.mm(half.T, some, out=product)
        ctx.save_for_backward(for_outputs, for_weight, for_bias)
        ctx.count = len(targets)
        return total / len(targets)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        scale = gradient / ctx.count
        for_outputs, for_weight, for_bias = ctx.saved_tensors
        return for_outputs.mul_(scale), for_weight.mul_(scale), for_bias.mul_(scale), None
