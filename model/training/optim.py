"""How the weights are moved: Adam, and the learning rate through a training.

Adam is PyTorch's own function. Its class `torch.optim.Adam` is not used because it imports
PyTorch's compiler, which nothing here needs: 70 MB and more than a second of each training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.adam import adam

from model.training.network import StackedLSTM
from model.training.recipes import Recipe

STATE = ("exp_avg", "exp_avg_sq", "step")  # of each parameter; resume files have these names


class Adam:
    """Adam (Kingma and Ba 2015), or AdamW (Loshchilov and Hutter 2019) if `decoupled`.

    `groups` are parameters and their weight decay. Parameters are counted through all groups.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[Parameter], float]],
        *,
        learning_rate: float,
        betas: tuple[float, float],
        epsilon: float,
        decoupled: bool,
    ) -> None:
        self.groups = groups
        self.learning_rate = learning_rate
        self._betas, self._epsilon, self._decoupled = betas, epsilon, decoupled
        self._state: dict[Parameter, dict[str, Tensor]] = {}

    @property
    def parameters(self) -> list[Parameter]:
        return [parameter for parameters, _ in self.groups for parameter in parameters]

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for parameters, weight_decay in self.groups:
            moved = [each for each in parameters if each.grad is not None]
            states = [self._state_of(each) for each in moved]
            means, squares, steps = ([state[key] for state in states] for key in STATE)
            adam(
                params=list(moved),
                grads=[each.grad for each in moved if each.grad is not None],
                exp_avgs=means,
                exp_avg_sqs=squares,
                max_exp_avg_sqs=[],
                state_steps=steps,
                fused=True,
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=self.learning_rate,
                weight_decay=weight_decay,
                eps=self._epsilon,
                maximize=False,
                decoupled_weight_decay=self._decoupled,
            )

    def _state_of(self, parameter: Parameter) -> dict[str, Tensor]:
        if parameter not in self._state:
            step = torch.zeros((), device=parameter.device)
            zeros = torch.zeros_like(parameter), torch.zeros_like(parameter)
            self._state[parameter] = dict(zip(STATE, (*zeros, step), strict=True))
        return self._state[parameter]

    def tensors(self) -> dict[str, Tensor]:
        """Return what `restore` needs: "PLACE.KEY" for each parameter that was moved."""
        return {
            f"{place}.{key}": tensor
            for place, parameter in enumerate(self.parameters)
            for key, tensor in self._state.get(parameter, {}).items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from another Adam's `tensors`; raise KeyError or ValueError if they do not fit."""
        self._state = {}
        for place, parameter in enumerate(self.parameters):
            if f"{place}.step" in tensors:
                state = {key: tensors[f"{place}.{key}"] for key in STATE}
                if not state[STATE[0]].shape == state[STATE[1]].shape == parameter.shape:
                    raise ValueError(f"the state of parameter {place} has another shape")
                self._state[parameter] = state


def make_optimizer(network: StackedLSTM, recipe: Recipe) -> Adam:
    """Return the recipe's optimizer over the weights that are trained."""
    trained = [p for p in network.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.dim() > 1]
    vectors = [p for p in trained if p.dim() == 1]  # biases are not decayed
    return Adam(
        [(matrices, recipe.weight_decay), (vectors, 0.0)],
        learning_rate=recipe.learning_rate,
        betas=(0.9, recipe.beta2),
        epsilon=recipe.epsilon,
        decoupled=recipe.optimizer == "adamw",
    )


def learning_rate(recipe: Recipe, share: float) -> float:
    """Return the rate at a share 0–1 of the training: linear warm-up, then half a cosine."""
    if share < recipe.warmup:
        return recipe.learning_rate * max(share / recipe.warmup, 0.02)
    if recipe.schedule == "constant":
        return recipe.learning_rate
    done = min((share - recipe.warmup) / (1 - recipe.warmup), 1.0)
    fall = 0.5 * (1 + math.cos(math.pi * done))
    return recipe.learning_rate * (recipe.final_rate + (1 - recipe.final_rate) * fall)
