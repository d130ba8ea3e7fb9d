"""The loss of a network's head, found for some tokens after the others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.training import head_loss as module
from model.training.head_loss import head_loss

M, V, H = 11, 7, 5


def losses_and_gradients(dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
    """Return the loss and gradients as they are found here, and as PyTorch finds them."""
    torch.manual_seed(1)
    head, targets = nn.Linear(H, V), torch.randint(V, (M,), dtype=torch.int16)
    outputs = torch.randn(M, H, requires_grad=True)
    found = []
    for ours in (True, False):
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            if ours:
                loss = head_loss(outputs, head, targets)
            else:
                loss = functional.cross_entropy(head(outputs).float(), targets.long())
        (3 * loss).backward()  # type: ignore[no-untyped-call]
        tensors = (outputs, head.weight, head.bias)
        found.append(
            [loss.detach(), *(tensor.grad.clone() for tensor in tensors if tensor.grad is not None)]
        )
        for tensor in tensors:
            tensor.grad = None
    return found[0], found[1]


@pytest.mark.parametrize("at_once", [V, 4 * V, 100 * V])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-6), (torch.bfloat16, 0.03)])
def test_loss_and_gradients_are_those_of_cross_entropy(
    monkeypatch: pytest.MonkeyPatch, at_once: int, dtype: torch.dtype, near: float
) -> None:
    monkeypatch.setattr(module, "LOGITS", at_once)
    ours, theirs = losses_and_gradients(dtype)
    assert len(ours) == len(theirs) == 4
    for our, their in zip(ours, theirs, strict=True):
        assert our.dtype == their.dtype
        assert torch.allclose(our, their, atol=near)
