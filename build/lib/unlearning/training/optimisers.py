"""Stochastic gradient descent and AdamW: torch's own arithmetic, without its optimiser objects.

The first object of `torch.optim` in a process imports torch's compiler, which nothing here uses:
seconds of processor time in every process that trains or unlearns. The functions under those
objects do the same sums, bit for bit, and import nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd


class Optimiser(Protocol):
    """Changes parameters in place by their gradients; one without a gradient stays as it is."""

    def step(self, learning_rate: float) -> None:
        """Take one step along the gradients."""
        ...

    def forget(self, masks: Sequence[Tensor]) -> None:
        """Drop what was gathered of earlier gradients where a parameter's mask is 0."""
        ...


class Settings(Protocol):
    """The words of `training.Training` and of `descending.Stepping` that say which optimiser."""

    @property
    def optimiser(self) -> str:
        """Give `sgd` or `adamw`."""

    @property
    def momentum(self) -> float:
        """Give SGD's; AdamW has its own."""

    @property
    def weight_decay(self) -> float:
        """Give the decay of either."""


def optimiser_of(
    parameters: Iterable[nn.Parameter], settings: Settings, *, nesterov: bool, decays: str = "all"
) -> Optimiser:
    """Give the optimiser that settings name; nesterov is SGD's. decays: `all`, or `weights`."""
    decay = Decay(settings.weight_decay, bare=decays == "all")
    if settings.optimiser == "adamw":
        return AdamW(parameters, decay=decay)
    return SGD(parameters, momentum=settings.momentum, decay=decay, nesterov=nesterov)


@dataclass(frozen=True)
class Decay:
    """How strongly parameters are pulled to 0. bare: biases, scales and shifts are, too."""

    strength: float
    bare: bool = True

    def groups(self, parameters: Sequence[Tensor]) -> list[tuple[list[int], float]]:
        """Give the places of parameters that are pulled alike, and how strongly."""
        if self.bare or not self.strength:
            return [(list(range(len(parameters))), self.strength)]
        places: tuple[list[int], list[int]] = ([], [])
        for place, parameter in enumerate(parameters):
            places[parameter.ndim < 2].append(place)
        return [(places[0], self.strength), (places[1], 0.0)]


class SGD:
    """Stochastic gradient descent with momentum."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        momentum: float,
        decay: Decay,
        nesterov: bool,
    ) -> None:
        """Begin at rest; decay is added to the gradient, nesterov looks ahead."""
        self._parameters = list(parameters)
        self._velocity: dict[Tensor, Tensor | None] = {}
        self._momentum, self._decay = momentum, decay
        self._nesterov = nesterov and momentum > 0

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Take one step along the gradients."""
        moved, gradients = _with_gradients(self._parameters)
        for places, strength in self._decay.groups(moved):
            some = [moved[place] for place in places]
            velocity = [self._velocity.get(parameter) for parameter in some]
            sgd(
                some,
                [gradients[place] for place in places],
                velocity,
                weight_decay=strength,
                momentum=self._momentum,
                lr=learning_rate,
                dampening=0,
                nesterov=self._nesterov,
                maximize=False,
            )
            self._velocity.update(zip(some, velocity, strict=True))

    def forget(self, masks: Sequence[Tensor]) -> None:
        """Stop what a mask of 0 hides."""
        for parameter, mask in zip(self._parameters, masks, strict=True):
            velocity = self._velocity.get(parameter)
            if velocity is not None:
                velocity.mul_(mask)


class AdamW:
    """Adam with decoupled weight decay; betas and eps are torch's defaults."""

    BETAS = (0.9, 0.999)
    EPS = 1e-8

    def __init__(self, parameters: Iterable[nn.Parameter], *, decay: Decay) -> None:
        """Begin with moments of zero."""
        self._parameters = list(parameters)
        self._moments: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = {}
        self._decay = decay

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Take one step along the gradients."""
        moved, gradients = _with_gradients(self._parameters)
        for places, strength in self._decay.groups(moved):
            some = [moved[place] for place in places]
            state = [self._state(parameter) for parameter in some]
            adamw(
                some,
                [gradients[place] for place in places],
                [first for first, _, _ in state],
                [second for _, second, _ in state],
                [],
                [count for _, _, count in state],
                amsgrad=False,
                beta1=self.BETAS[0],
                beta2=self.BETAS[1],
                lr=learning_rate,
                weight_decay=strength,
                eps=self.EPS,
                maximize=False,
            )

    def forget(self, masks: Sequence[Tensor]) -> None:
        """Put both moments to zero where a mask is 0."""
        for parameter, mask in zip(self._parameters, masks, strict=True):
            for moment in self._moments.get(parameter, ())[:2]:
                moment.mul_(mask)

    def _state(self, parameter: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give a parameter's first and second moments, and its count of steps."""
        if parameter not in self._moments:
            zeros = torch.zeros_like(parameter), torch.zeros_like(parameter)
            self._moments[parameter] = (*zeros, torch.tensor(0.0))
        return self._moments[parameter]


def _with_gradients(parameters: list[nn.Parameter]) -> tuple[list[Tensor], list[Tensor]]:
    """Pick the parameters that have a gradient, and the gradients."""
    found = [(p, p.grad) for p in parameters if p.grad is not None]
    return [parameter for parameter, _ in found], [gradient for _, gradient in found]
