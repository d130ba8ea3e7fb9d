"""Choosing the next character: logits (N, V) to ids (N,), each row by its own settings.

Pure functions over a whole batch. A filter leaves a row that has it switched off as it was, to the
last bit, so that a row's choice does not depend on what its neighbours asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.config import SamplingConfig


@dataclass(frozen=True, slots=True)
class RowSettings:
    """The sampling settings of N rows, each a column (N, 1), to be made once per change of rows."""

    greedy: Tensor  # bool
    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor
    any_greedy: bool
    all_greedy: bool
    any_top_k: bool
    any_top_p: bool
    any_min_p: bool

    @classmethod
    def of(cls, rows: Sequence[SamplingConfig]) -> RowSettings:
        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float64).unsqueeze(1)

        return cls(
            greedy=torch.tensor([row.greedy for row in rows], dtype=torch.bool).unsqueeze(1),
            temperature=column([row.temperature for row in rows]),
            top_k=torch.tensor([row.top_k for row in rows], dtype=torch.long).unsqueeze(1),
            top_p=column([row.top_p for row in rows]),
            min_p=column([row.min_p for row in rows]),
            any_greedy=any(row.greedy for row in rows),
            all_greedy=all(row.greedy for row in rows),
            any_top_k=any(row.top_k > 0 for row in rows),
            any_top_p=any(row.top_p < 1.0 for row in rows),
            any_min_p=any(row.min_p > 0.0 for row in rows),
        )


def greedy(logits: Tensor) -> Tensor:
    """Return each row's likeliest id (N,), the lowest one on a tie.

    >>> greedy(torch.tensor([[1.0, 3.0, 3.0]]))
    tensor([1])
    """
    return logits.argmax(dim=-1)  # documented to be the first of equals


def temperature(logits: Tensor, temperatures: Tensor) -> Tensor:
    """Divide each row by its temperature (N, 1); Ackley, Hinton and Sejnowski 1985.

    >>> temperature(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5]]))
    tensor([[2., 4.]])
    """
    return logits / temperatures


def top_k(logits: Tensor, ks: Tensor) -> Tensor:
    """Keep exactly k likeliest ids per row (N, 1), the rest -inf; Fan, Lewis and Dauphin 2018.

    Ties are broken by the lowest id. 0, or V and more, keeps all.

    >>> top_k(torch.tensor([[2.0, 1.0, 2.0, 2.0]]), torch.tensor([[2]]))
    tensor([[2., -inf, 2., -inf]])
    """
    order = _likeliest_first(logits)
    ranks = torch.arange(logits.shape[-1]).expand_as(logits)
    return _keep(logits, order, (ranks < ks) | (ks == 0))


def top_p(logits: Tensor, ps: Tensor) -> Tensor:
    """Keep the fewest likeliest ids whose probabilities reach p (N, 1); Holtzman et al. 2020.

    At least one is kept. 1 keeps all, however the probabilities round.
    """
    order = _likeliest_first(logits)
    probabilities = logits.gather(-1, order).softmax(dim=-1)
    likelier = probabilities.cumsum(dim=-1) - probabilities  # of the first: exactly 0
    return _keep(logits, order, (likelier < ps) | (ps >= 1.0))


def min_p(logits: Tensor, ps: Tensor) -> Tensor:
    """Keep ids at least p times (N, 1) as probable as the likeliest; Nguyen et al. 2024.

    Compared as logits, where the likeliest is kept by construction. 0 keeps all.
    """
    floor = logits.amax(dim=-1, keepdim=True) + ps.log()  # log 0 = -inf
    return logits.masked_fill(logits < floor, -torch.inf)


def sample(logits: Tensor, settings: RowSettings, uniforms: Tensor) -> Tensor:
    """Choose one id per row (N,) from logits (N, V) by inversion of the cumulative distribution.

    `uniforms` (N,) are float64 in [0, 1), one per row, greedy rows included. An id that the
    filters took away has no width in the distribution and can never be chosen. In float64, since
    in float32 the sum of V probabilities would move the borders between characters.
    """
    if settings.all_greedy:
        return greedy(logits)
    kept = temperature(logits.double(), settings.temperature)
    if settings.any_top_k:
        kept = top_k(kept, settings.top_k)
    if settings.any_top_p:
        kept = top_p(kept, settings.top_p)
    if settings.any_min_p:
        kept = min_p(kept, settings.min_p)
    cumulative = kept.softmax(dim=-1).cumsum(dim=-1)
    targets = uniforms.unsqueeze(1) * cumulative[:, -1:]
    ids = torch.searchsorted(cumulative, targets, right=True).squeeze(1)
    if settings.any_greedy:
        ids = torch.where(settings.greedy.squeeze(1), greedy(logits), ids)
    return ids


def _likeliest_first(logits: Tensor) -> Tensor:
    """Return ids (N, V) by falling logit; stable, so that equals stand in order of id."""
    return logits.sort(dim=-1, descending=True, stable=True).indices


def _keep(logits: Tensor, order: Tensor, kept_by_rank: Tensor) -> Tensor:
    """Return `logits` with -inf wherever the mask, given in the order of `order`, is False."""
    kept = torch.zeros_like(kept_by_rank).scatter(-1, order, kept_by_rank)
    return logits.masked_fill(~kept, -torch.inf)
