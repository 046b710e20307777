"""Learning from another network's outputs: divergences, (n,) in nats, and teachers."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.outputs import BATCH
from unlearning.training.descent import Batch, Loader
from unlearning.training.loop import Shelf


def kl_from(target: Tensor, logits: Tensor) -> Tensor:
    """KL(target || softmax(logits)) for target probabilities (n, classes)."""
    log_p = functional.log_softmax(logits, dim=1)
    return (torch.xlogy(target, target) - target * log_p).sum(1)


def distillation(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) of logits (Hinton et al. 2015).

    The factor keeps the gradient's size when T changes.
    """
    target = (teacher / temperature).softmax(1)
    return temperature**2 * kl_from(target, student / temperature)


class Teacher:
    """A fixed network's logits on a loader's examples, in evaluation mode.

    Where nothing is augmented every epoch would ask the same again, so all are computed at once.
    """

    def __init__(self, network: nn.Module, loader: Loader, *, augmented: bool) -> None:
        """Compute the logits; `augmented` ones are computed batch by batch when asked for."""
        self._network = deepcopy(network).to(loader.device) if augmented else network
        self._table = None if augmented else _logits(network, loader.images)

    def __call__(self, batch: Batch) -> Tensor:
        """Give the logits on a batch of the loader, (n, classes)."""
        if self._table is None:
            return _logits(self._network, batch.images)
        return self._table[batch.index]


@torch.no_grad()
def _logits(network: nn.Module, images: Tensor | Shelf) -> Tensor:
    was_training, home = network.training, next(network.parameters()).device
    network.to(images.device).eval()
    size = BATCH[images.device.type]
    parts = [network(images[start : start + size]) for start in range(0, len(images), size)]
    network.to(home).train(was_training)
    return torch.cat(parts).float()
