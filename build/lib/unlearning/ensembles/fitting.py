"""Training an ensemble: all members on the same batches, by themselves or orthogonalised."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples
from unlearning.ensembles.lotos import EVERY, Layer, Lotos, layers_of
from unlearning.lipschitz.clipping import Clipping
from unlearning.training.loop import (
    Progress,
    Training,
    augment,
    batches,
    learning_rate_factor,
    pick_device,
    pictures_on,
    require_finite,
    silent,
    uses_bf16,
)
from unlearning.training.optimisers import optimiser_of


class _Member:
    """One network under way: its optimiser, and the bound that its layers are held to."""

    def __init__(self, network: nn.Module, training: Training, images: Tensor) -> None:
        self.network, self.training = network, training
        own = [p for p in network.parameters() if p.requires_grad]
        self.optimiser = optimiser_of(own, training, nesterov=True, decays=training.decays)
        self.held = Clipping(network, images, training.lipschitz)
        self.bf16 = uses_bf16(training.precision, images.device)

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.network(images)
        smoothing = self.training.label_smoothing
        return functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)

    def step(self, learning_rate: float) -> None:
        self.optimiser.step(learning_rate)
        self.network.zero_grad(set_to_none=True)
        self.held.step()


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
    for network in networks:
        network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    images, labels = pictures_on(examples, device)
    members = [_Member(network, training, images[:1]) for network in networks]
    layers = layers_of(networks, images[:1], lotos, seed=0) if lotos else []
    cut = partial(batches, len(examples), training.batch_size)
    total, step = training.epochs * len(cut(torch.Generator())), 0
    for epoch in range(training.epochs):
        losses, indices = [], cut(rng)
        for place, index in enumerate(indices):
            where = index.to(device)
            picked = augment(images[where], training.augmentation, rng)
            parts = [member.loss(picked, labels[where]) for member in members]
            value = torch.stack(parts).sum()
            if lotos and not _left_out(lotos, step, last=place + 1 == len(indices)):
                value = value + lotos.weight * lotos.penalty(layers)
            value.backward()  # type: ignore[no-untyped-call]
            factor = learning_rate_factor(step, total, schedule=training.schedule)
            _advance(members, layers, training.learning_rate * factor)
            losses.append(float(value.detach()))
            step += 1
        mean = sum(losses) / len(losses)
        require_finite(mean, epoch, "ensemble")
        progress(epoch + 1, training.epochs, mean)
    for member in members:
        member.held.finish()
    return [network.to("cpu").eval() for network in networks]


def _advance(members: Sequence[_Member], layers: Sequence[Layer], learning_rate: float) -> None:
    for member in members:
        member.step(learning_rate)
    for layer in layers:
        layer.follow(1)


def _left_out(lotos: Lotos, step: int, *, last: bool) -> bool:
    return lotos.gaps and (last or step % EVERY == EVERY - 1)
