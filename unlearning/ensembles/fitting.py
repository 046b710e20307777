"""Training an ensemble: all members on the same batches, by themselves or orthogonalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples
from unlearning.ensembles.lotos import EVERY, Layer, Lotos, layers_of
from unlearning.training.loop import (
    Progress,
    Training,
    batches,
    pick_device,
    pictures_on,
    silent,
    train,
)


class _Together(nn.Module):
    """All members as one network, whose answers are theirs, (n, members, classes)."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([member(images) for member in self.members], dim=1)


class _Joint:
    """The members' losses added up, and the penalty between them, step by step of an epoch."""

    def __init__(
        self, smoothing: float, lotos: Lotos | None, layers: Sequence[Layer], epoch: int
    ) -> None:
        """Begin at the first step; epoch: steps in one."""
        self._smoothing, self._lotos, self._layers = smoothing, lotos, layers
        self._epoch, self._step = epoch, 0

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        own = (
            functional.cross_entropy(one, labels, label_smoothing=self._smoothing)
            for one in logits.unbind(1)
        )
        found = torch.stack(list(own)).sum()
        for layer in self._layers if self._step else ():
            layer.follow(1)  # what the step before has made of it
        step, self._step = self._step, self._step + 1
        if self._lotos is None or (self._lotos.gaps and self._left_out(step)):
            return found
        return found + self._lotos.weight * self._lotos.penalty(self._layers)

    def _left_out(self, step: int) -> bool:
        last = step % self._epoch == self._epoch - 1
        return last or step % EVERY == EVERY - 1


def train_ensemble(
    networks: Sequence[nn.Module],
    examples: Examples,
    training: Training,
    rng: torch.Generator,
    progress: Progress = silent,
    *,
    lotos: Lotos | None = None,
) -> list[nn.Module]:
    """Train networks of one recipe in place, together, and give them in evaluation mode.

    lotos: the penalty between them; without it each is trained by itself, on the same batches. In
    one process. Raises Diverged as soon as an epoch's mean loss is not finite.
    """
    device = pick_device()
    together = _Together(networks)
    together.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    picture, _ = pictures_on(examples.take(np.arange(1)), device)
    layers = layers_of(networks, picture[:1], lotos, seed=0) if lotos else []
    steps = len(batches(len(examples), training.batch_size, torch.Generator()))
    loss = _Joint(training.label_smoothing, lotos, layers, steps)
    train(together, examples, training, rng, progress, loss)
    return [network.to("cpu").eval() for network in networks]
