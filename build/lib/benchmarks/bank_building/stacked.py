"""Several shadows trained as one network: stacked weights under torch.func, in one process.

Nothing of it is in the product: benchmarks.bank_building says why. Shadows have halves of different
size, so a step stacks those whose batches are of one size; the others follow in the same step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from unlearning import networks
from unlearning.bank.shadow_training import Job
from unlearning.domain import Examples
from unlearning.networks import Classifier
from unlearning.training.loop import Training, batches, learning_rate_factor

Weights = dict[str, Tensor]
"""Parameters or buffers by name, one row a shadow."""


@dataclass(frozen=True, eq=False)
class _Half:
    """What a shadow learns from, and in which order."""

    images: Tensor
    labels: Tensor
    order: list[Tensor]


def train_stacked(job: Job, shadows: Sequence[int]) -> list[Classifier]:
    """Train shadows together by SGD, from the seeds and in the order of `train_shadow`."""
    rngs = [torch.Generator().manual_seed(job.seed * 100_003 + shadow) for shadow in shadows]
    members = [networks.build(job.recipe, rng).train() for rng in rngs]
    masks = (job.seen[shadow, : len(job.train)] for shadow in shadows)
    drawn = zip((job.train.take(mask) for mask in masks), rngs, strict=True)
    halves = [_half(examples, job.training, rng) for examples, rng in drawn]
    parameters, buffers = stack_module_state(members)
    velocity = {name: torch.zeros_like(value) for name, value in parameters.items()}
    for step in range(max(len(half.order) for half in halves)):
        for group in _alike(halves, step):
            gradients = _gradients(members[0], parameters, buffers, halves, group, step)
            rates = torch.tensor([_rate(halves[k], job.training, step) for k in group])
            _move(parameters, velocity, gradients, group, rates, job.training)
    return [_unstacked(m, parameters, buffers, k) for k, m in enumerate(members)]


def _half(examples: Examples, training: Training, rng: torch.Generator) -> _Half:
    n, images = len(examples), torch.from_numpy(examples.images)
    epochs = range(training.epochs)
    order = [index for _ in epochs for index in batches(n, training.batch_size, rng)]
    return _Half(images, torch.from_numpy(examples.labels), order)


def _alike(halves: Sequence[_Half], step: int) -> Iterable[list[int]]:
    """Group the shadows that are not done by the size of their batch."""
    sizes = defaultdict(list)
    for k, half in enumerate(halves):
        if step < len(half.order):
            sizes[len(half.order[step])].append(k)
    return sizes.values()


def _rate(half: _Half, training: Training, step: int) -> float:
    factor = learning_rate_factor(step, len(half.order), schedule=training.schedule)
    return training.learning_rate * factor


def _gradients(
    skeleton: nn.Module,
    parameters: Weights,
    buffers: Weights,
    halves: Sequence[_Half],
    group: list[int],
    step: int,
) -> Weights:
    """Differentiate each member's loss; batch norm's statistics move on in their own rows."""

    def loss(own: Weights, statistics: Weights, images: Tensor, labels: Tensor) -> Tensor:
        logits = functional_call(skeleton, (own, statistics), (images,))
        return functional.cross_entropy(logits, labels)

    picked = [(halves[k], halves[k].order[step]) for k in group]
    images = torch.stack([half.images[index] for half, index in picked])
    labels = torch.stack([half.labels[index] for half, index in picked])
    own = {name: _rows(v.detach(), group).requires_grad_() for name, v in parameters.items()}
    statistics = {name: _rows(value, group) for name, value in buffers.items()}
    total = vmap(loss)(own, statistics, images, labels).sum()
    found = torch.autograd.grad(total, list(own.values()))
    for name, value in statistics.items():
        if value.data_ptr() != buffers[name].data_ptr():
            buffers[name][group] = value
    return dict(zip(own, found, strict=True))


def _rows(stacked: Tensor, group: list[int]) -> Tensor:
    """Take some members' rows: a view if they are all of them, else a copy."""
    return stacked.view_as(stacked) if len(group) == len(stacked) else stacked[group]


@torch.no_grad()
def _move(
    parameters: Weights,
    velocity: Weights,
    gradients: Weights,
    group: list[int],
    rates: Tensor,
    training: Training,
) -> None:
    """Take Nesterov's step, each member at its own learning rate."""
    everybody = len(group) == len(next(iter(parameters.values())))
    where = slice(None) if everybody else group
    for name, gradient in gradients.items():
        decayed = gradient.add(parameters[name][where], alpha=training.weight_decay)
        speed = velocity[name][where].mul_(training.momentum).add_(decayed)
        velocity[name][where] = speed
        step = decayed.add_(speed, alpha=training.momentum)
        shape = (-1, *[1] * (step.dim() - 1))
        parameters[name][where] -= rates.reshape(shape) * step


def _unstacked(member: Classifier, parameters: Weights, buffers: Weights, k: int) -> Classifier:
    """Give a member its trained weights and statistics."""
    own = {name: value[k].detach() for name, value in {**parameters, **buffers}.items()}
    member.load_state_dict(own, strict=False)
    return member.eval()
