"""FAMR: forget-aligned model reconstruction.

Minimise J(theta) = L_forget(theta) + rho/2 ||theta - theta0||^2 (Eq. 1), where L_forget is the
divergence KL(u || p) of the forget set's predictions from uniform (Eq. 2), by Algorithm 1's plain
gradient steps. There is no public code. The paper leaves open the batch size and whether Eq. 2 is
summed or averaged over a batch, which changes the meaning of rho: both are settings. Batch norm is
frozen, since forget-only batches would ruin its statistics. The paper's claim that the result
approximates retraining (Eq. 9) rests on a Hessian that deep networks do not have: it is not claimed
here, and a uniform answer is not what a retrained network gives on random examples.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from math import log
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples, Split
from unlearning.errors import Diverged, UsageError
from unlearning.methods import METHODS
from unlearning.training import Progress, batches, pick_device, pixels_on


def uniform_divergence(logits: Tensor) -> Tensor:
    """KL(u || p) in nats for each row of logits (n, classes), (n,) (FAMR, Eq. 2).

    With u_c = 1/C this is -ln C - (1/C) sum_c log p_c: 0 exactly for a uniform p.
    """
    return -log(logits.shape[1]) - functional.log_softmax(logits, dim=1).mean(1)


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class Famr:
    """Push the forget set's predictions towards uniform, anchored to the original's weights.

    learning_rate, epochs, anchor (rho): published 1e-4, 10, 0.1 (FAMR, section 4). reduction:
    `sum`, as Eq. 2 is written, or `mean` over the batch. retain_weight: weight of an optional
    cross-entropy term on as many retain examples; 0, as published, reads no retain data.
    """

    name: ClassVar[str] = "famr"
    paper: ClassVar[str] = "FAMR, Eqs. 1-2 and Algorithm 1"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    epochs: int = 10
    learning_rate: float = 1e-4
    anchor: float = 0.1
    reduction: str = "sum"
    batch_size: int = 128
    retain_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        if self.reduction not in ("sum", "mean"):
            raise UsageError(f"famr.reduction: got {self.reduction!r}, expected sum or mean")
        if min(self.epochs, self.batch_size) < 1 or self.anchor < 0 or self.retain_weight < 0:
            raise UsageError(
                "famr: expected epochs and batch_size of at least 1, anchor and retain_weight >= 0"
            )

    def unlearn(
        self, original: nn.Module, split: Split, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Take the anchored gradient steps on a copy of the original."""
        device = pick_device()
        candidate = deepcopy(original).to(device).eval()
        anchors = [p.detach().clone() for p in candidate.parameters()]
        images, labels = pixels_on(split.forget, device)
        retain = pixels_on(split.retain, device) if self.retain_weight else None
        for epoch in range(self.epochs):
            total = 0.0
            for index in batches(len(labels), self.batch_size, rng):
                loss = self._forget_loss(candidate(images[index.to(device)]))
                if retain is not None:
                    loss = loss + self.retain_weight * self._retain_loss(
                        candidate, retain, len(index), rng
                    )
                self._step(candidate, anchors, loss)
                total += float(loss.detach())
            if not torch.isfinite(torch.tensor(total)):
                raise Diverged(f"famr diverged in epoch {epoch + 1}; lower its learning_rate")
            progress(epoch + 1, self.epochs, total / len(labels))
        home = next(original.parameters()).device
        return candidate.to(home).train(original.training)

    def passes(self, forget: int, retain: int) -> int:
        """Every forget example in every epoch, and as many retain examples if they are used."""
        return self.epochs * forget * (2 if self.retain_weight else 1)

    def _forget_loss(self, logits: Tensor) -> Tensor:
        each = uniform_divergence(logits)
        return each.sum() if self.reduction == "sum" else each.mean()

    def _retain_loss(
        self,
        candidate: nn.Module,
        retain: tuple[Tensor, Tensor],
        n: int,
        rng: torch.Generator,
    ) -> Tensor:
        images, labels = retain
        index = torch.randint(len(labels), (n,), generator=rng).to(images.device)
        return functional.cross_entropy(
            candidate(images[index]), labels[index], reduction=self.reduction
        )

    def _step(self, candidate: nn.Module, anchors: list[Tensor], loss: Tensor) -> None:
        """theta <- theta - eta (g_forget + rho (theta - theta0)), Algorithm 1, lines 5-7."""
        parameters = list(candidate.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for p, g, p0 in zip(parameters, gradients, anchors, strict=True):
                p.sub_(self.learning_rate * (g + self.anchor * (p - p0)))

    def report(self, original: nn.Module, candidate: nn.Module, split: Split) -> dict[str, float]:
        """Give Eq. 6's residual relative to the forgetting gradient, and the distance moved.

        0 would be the stationary point that the paper's certificate speaks of. Also given: rho per
        forgotten example under `sum`, where a larger forget set weakens the anchor.
        """
        gradients = self._full_gradient(candidate, split.forget)
        before, after = _flat(original), _flat(candidate)
        residual = gradients + self.anchor * (after - before)
        scale = len(split.forget) if self.reduction == "sum" else 1
        return {
            "stationarity_residual": float(residual.norm() / gradients.norm().clamp_min(1e-30)),
            "distance_from_original": float((after - before).norm()),
            "effective_anchor": self.anchor / scale,
        }

    def _full_gradient(self, candidate: nn.Module, forget: Examples) -> Tensor:
        """Gradient of the forgetting loss over the whole forget set at the candidate, flat."""
        device = next(candidate.parameters()).device
        images, _ = pixels_on(forget, device)
        was_training = candidate.training
        candidate.eval()
        total = [torch.zeros_like(p) for p in candidate.parameters()]
        for start in range(0, len(images), self.batch_size):
            loss = uniform_divergence(candidate(images[start : start + self.batch_size])).sum()
            gradients = torch.autograd.grad(loss, list(candidate.parameters()))
            total = [a + b for a, b in zip(total, gradients, strict=True)]
        candidate.train(was_training)
        flat = torch.cat([t.flatten() for t in total]).cpu()
        return flat if self.reduction == "sum" else flat / len(forget)


def _flat(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten().cpu() for p in network.parameters()])
