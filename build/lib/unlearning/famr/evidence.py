"""What FAMR's theory speaks of, measured on one candidate; `bounds` has what follows."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import TrainingSets, joined
from unlearning.famr.bounds import Evidence
from unlearning.famr.hessian import Curvature, Product, curvature, flat, hessian_product
from unlearning.famr.loss import ForgetLoss
from unlearning.training.loop import pick_device, pixels_on


class Objective(Protocol):
    """What is asked of FAMR's settings here: J (Eq. 1) and how Algorithm 1 descends it."""

    @property
    def anchor(self) -> float:
        """Give rho."""

    @property
    def learning_rate(self) -> float:
        """Give eta."""

    @property
    def epochs(self) -> int:
        """Give the passes over the forget set."""

    @property
    def batch_size(self) -> int:
        """Give the examples of a step."""

    @property
    def reduction(self) -> str:
        """Say whether a batch is summed or averaged."""

    def moved(self, network: nn.Module) -> list[nn.Parameter]:
        """Give the parameters that the method moves."""

    def forget_loss(self, original: nn.Module, split: TrainingSets) -> ForgetLoss:
        """Bind Eq. 5 to a forget set."""

    def losses(
        self, network: nn.Module, forget: ForgetLoss, split: TrainingSets
    ) -> Iterator[Tensor]:
        """Give scalars that sum to J without its anchor."""


@dataclass(frozen=True, eq=False)
class End:
    """Where a run of FAMR began and ended, on the device and in evaluation mode."""

    famr: Objective
    before: nn.Module
    after: nn.Module
    forget: ForgetLoss
    split: TrainingSets


def end_of(famr: Objective, original: nn.Module, candidate: nn.Module, split: TrainingSets) -> End:
    """Put copies of both networks on the device, and bind the loss that led from one to other."""
    before, after = (deepcopy(n).to(pick_device()).eval() for n in (original, candidate))
    return End(famr, before, after, famr.forget_loss(before, split), split)


def objective(end: End, network: nn.Module) -> Iterator[Tensor]:
    """Give scalars that sum to J without its anchor."""
    return end.famr.losses(network, end.forget, end.split)


def gradient(losses: Iterator[Tensor], parameters: list[nn.Parameter]) -> Tensor:
    """Give the gradient of a sum of losses, laid flat."""
    total = torch.zeros_like(flat(parameters))
    for loss in losses:
        total += flat(
            torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        )
    return total


def shift(end: End) -> Tensor:
    """theta - theta0, laid flat."""
    return (flat(end.famr.moved(end.after)) - flat(end.famr.moved(end.before))).detach()


def distance(end: End) -> float:
    """||theta - theta0||."""
    return float(shift(end).norm())


def residual(end: End) -> float:
    """||g + rho (theta - theta0)|| / ||g|| with the gradient g of the whole loss (Eq. 6)."""
    pull = gradient(objective(end, end.after), end.famr.moved(end.after))
    rest = pull + end.famr.anchor * shift(end)
    return float(rest.norm() / pull.norm().clamp_min(1e-30))


@torch.no_grad()
def uniform_gaps(end: End) -> tuple[float, float]:
    """Largest and mean ||p - u||_1 over the forget set, u uniform over all classes (Eq. 15)."""
    p = torch.cat([end.after(part).softmax(1) for part in torch.split(end.forget.images, 256)])
    gaps = (p - 1 / p.shape[1]).abs().sum(1)
    return float(gaps.max()), float(gaps.mean())


def curvature_of_objective(end: End, rng: torch.Generator, *, steps: int, probes: int) -> Curvature:
    """Look at the Hessian of J, anchor included, at the candidate."""
    moved = end.famr.moved(end.after)
    product = hessian_product(lambda: objective(end, end.after), moved, shift=end.famr.anchor)
    return curvature(product, flat(moved).detach(), rng, steps=steps, probes=probes)


def training_product(end: End, rng: torch.Generator, examples: int) -> Product:
    """Hessian of the training loss at the original, summed over all, from a sample of examples."""
    everything = joined(end.split.forget, end.split.retain)
    chosen = torch.randperm(len(everything), generator=rng)[:examples]
    sample, scale = everything.take(chosen.numpy()), len(everything) / len(chosen)

    def losses() -> Iterator[Tensor]:
        return (
            scale * loss for loss in training_losses(end.before, *pixels_on(sample, pick_device()))
        )

    return hessian_product(losses, end.famr.moved(end.before))


def training_losses(network: nn.Module, images: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """Give scalars that sum to the cross-entropy over examples."""
    for part, known in zip(torch.split(images, 256), torch.split(labels, 256), strict=True):
        yield functional.cross_entropy(network(part), known, reduction="sum")


def jacobian_norm(end: End, examples: int) -> float:
    """Largest spectral norm of the logits' Jacobian in the weights over some forget examples."""
    moved, norms = end.famr.moved(end.after), []
    for image in end.forget.images[:examples]:
        logits = end.after(image[None])[0]
        rows = [
            flat(torch.autograd.grad(z, moved, retain_graph=True, materialize_grads=True))
            for z in logits
        ]
        norms.append(float(torch.linalg.matrix_norm(torch.stack(rows), ord=2)))
    return max(norms)


def evidence(
    famr: Objective,
    original: nn.Module,
    candidate: nn.Module,
    split: TrainingSets,
    rng: torch.Generator,
    *,
    steps: int = 30,
    probes: int = 2,
    examples: int = 1000,
) -> Evidence:
    """Measure everything that the paper's theory speaks of; it reads the retain set too.

    steps, probes: of Lanczos. examples: training examples, drawn by `rng`, that stand for all.
    """
    end = end_of(famr, original, candidate, split)
    summed = 1 if famr.reduction == "sum" else len(end.forget)
    start = famr.moved(end.before)
    known = gradient(training_losses(end.before, end.forget.images, end.forget.labels), start)
    own = summed * gradient(objective(end, end.before), start)
    product = training_product(end, rng, examples)
    worst, mean = uniform_gaps(end)
    batches = -(-len(end.forget) // famr.batch_size)
    return Evidence(
        stationarity_residual=residual(end),
        distance=distance(end),
        uniform_gap_max=worst,
        uniform_gap_mean=mean,
        objective=curvature_of_objective(end, rng, steps=steps, probes=probes),
        training=curvature(product, flat(start).detach(), rng, steps=steps, probes=probes),
        training_gradient=float(known.norm()),
        mismatch=float((own - known).norm() / own.norm().clamp_min(1e-30)),
        lipschitz=jacobian_norm(end, 8),
        anchor=summed * famr.anchor,
        rate=famr.learning_rate,
        decay=famr.anchor,
        steps=famr.epochs * batches,
        whole=batches == 1,
    )
