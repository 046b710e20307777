"""FAMR: forget-aligned model reconstruction.

Minimise J(theta) = L_forget(theta) + rho/2 ||theta - theta0||^2 (Eq. 1) by Algorithm 1's plain
gradient steps. L_forget is the divergence KL(u || p) of the forget set's predictions from uniform
(Eq. 2), or the distance of their Gram matrices from a neutral style (Eqs. 3-4), or both (Eq. 5).
There is no public code. The paper leaves open the batch size, whether Eq. 2 is summed or averaged
over a batch (which changes the meaning of rho), the layer of Eq. 3, the neutral style, alpha and
beta: all are settings. With `sum` and several batches, Algorithm 1 adds the whole anchor to the
gradient of each batch, so that it settles where rho is that many times the rho of Eq. 6. Batch norm
is frozen, since forget-only batches would ruin its statistics. The paper's claim that the result
approximates retraining (Eq. 9) rests on a Hessian that deep networks do not have: it is not claimed
here (unlearning.famr.evidence measures each assumption), and a uniform answer is not what a
retrained network gives on random examples.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import TrainingSets
from unlearning.errors import Diverged, UsageError
from unlearning.famr import evidence
from unlearning.famr.loss import (
    NEUTRALS,
    TARGETS,
    ForgetLoss,
    classes_left,
    neutral_style,
    uniform_over,
)
from unlearning.features import head_of
from unlearning.methods import METHODS
from unlearning.methods.trw import TiltedReweighting
from unlearning.training.loop import Progress, Shelf, batches, pick_device, pictures_on, pixels_on


class Epoch(NamedTuple):
    """The network after an epoch, which the next one changes, and that epoch's mean loss."""

    network: nn.Module
    loss: float


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class Famr:
    """Push the forget set's predictions towards uniform, anchored to the original's weights.

    learning_rate, epochs, anchor (rho): published 1e-4, 10, 0.1 (FAMR, section 4). reduction:
    `sum`, as Eq. 2 is written, or `mean` over the batch. retain_weight: weight of an optional
    cross-entropy term on as many retain examples; 0, as published, reads no retain data.

    target: what predictions are drawn to: `uniform_all` (Eq. 2), `uniform_retain` (uniform over the
    classes that still have a retain example, as a retrained network cannot answer others), or `trw`
    (the original's answers without the own class, tilted to similar classes by `tilt`, its beta of
    10; its other settings as in unlearning.methods.trw). kl_weight, style_weight: alpha and beta of
    Eq. 5; a sample or a class needs the first, a style the second. style_layer: dotted name of the
    module that gives phi. style_scale: `plain` is Eq. 4, where what beta does depends on the layer,
    the image's size and how bright the style is; `relative` divides by ||G_target||_F^2. neutral:
    the Gram matrix that stands for no style, measured once at the original: mean over `grey` copies
    of the forget set (reads no retain data), over the `retain` set, or over the retain examples of
    the same `class`. head_only: move nothing but the last linear layer; a control that shows how
    little of forgetting is more than that. hessian_steps: Lanczos steps for the report's extreme
    eigenvalues of J's Hessian; 0 is none.
    """

    name: ClassVar[str] = "famr"
    paper: ClassVar[str] = "FAMR, Eqs. 1-6 and Algorithm 1"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    epochs: int = 10
    learning_rate: float = 1e-4
    anchor: float = 0.1
    reduction: str = "sum"
    batch_size: int = 128
    retain_weight: float = 0.0
    target: str = "uniform_all"
    tilt: float = 10.0
    kl_weight: float = 1.0
    style_weight: float = 0.0
    style_layer: str = ""
    style_scale: str = "plain"
    neutral: str = "grey"
    head_only: bool = False
    hessian_steps: int = 0

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        for field, known in _KNOWN.items():
            if getattr(self, field) not in known:
                raise UsageError(
                    f"famr.{field}: got {getattr(self, field)!r}, expected one of "
                    + ", ".join(known)
                )
        if min(self.epochs, self.batch_size) < 1 or min(self.anchor, self.retain_weight) < 0:
            raise UsageError(
                "famr: expected epochs and batch_size of at least 1, anchor and retain_weight >= 0"
            )
        if min(self.kl_weight, self.style_weight) < 0 or self.kl_weight + self.style_weight == 0:
            raise UsageError(
                f"famr: got kl_weight {self.kl_weight} and style_weight {self.style_weight}, "
                "expected neither below 0 and one above"
            )
        if self.style_weight and not self.style_layer:
            raise UsageError("famr.style_layer: a style_weight needs the name of a module")
        if self.head_only and not self.kl_weight:
            raise UsageError("famr.head_only: style does not depend on the head; set kl_weight")

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Take the anchored gradient steps on a copy of the original."""
        for done, epoch in enumerate(self.trajectory(original, split, rng), 1):
            progress(done, self.epochs, epoch.loss)
        home = next(original.parameters()).device
        return epoch.network.to(home).train(original.training)

    def trajectory(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator
    ) -> Iterator[Epoch]:
        """Give the network, on the device and in evaluation mode, after each epoch."""
        network = deepcopy(original).to(pick_device()).eval()
        forget = self.forget_loss(network, split)
        retain = pictures_on(split.retain, pick_device()) if self.retain_weight else None
        start = [p.detach().clone() for p in self.moved(network)]
        for epoch in range(self.epochs):
            total = 0.0
            for index in batches(len(forget), self.batch_size, rng):
                loss = self._reduced(forget(network, index.to(pick_device())))
                if retain is not None:
                    extra = self._retain_loss(network, retain, len(index), rng)
                    loss = loss + self.retain_weight * extra
                self._step(self.moved(network), start, loss)
                total += float(loss.detach())
            if not torch.isfinite(torch.tensor(total)):
                raise Diverged(f"famr diverged in epoch {epoch + 1}; lower its learning_rate")
            yield Epoch(network, total / len(forget))

    def passes(self, forget: int, retain: int) -> int:
        """Every forget example in every epoch, and as many retain examples if they are used."""
        return self.epochs * forget * (2 if self.retain_weight else 1)

    def moved(self, network: nn.Module) -> list[nn.Parameter]:
        """Give the parameters that the method moves."""
        part = head_of(network) if self.head_only else network
        return [p for p in part.parameters() if p.requires_grad]

    def forget_loss(self, original: nn.Module, split: TrainingSets) -> ForgetLoss:
        """Bind Eq. 5 to a forget set; targets and neutral style are measured at the original.

        original: on the device and in evaluation mode.
        """
        images, labels = pixels_on(split.forget, pick_device())
        style = None
        if self.style_weight:
            layer, weight, forget = self.style_layer, self.style_weight, (images, labels)
            style = neutral_style(
                original, layer, self.neutral, weight, forget, split.retain, split.classes
            )
            if self.style_scale == "relative":
                style = replace(style, weight=weight / style.size())
        if self.target == "trw":
            tilted = TiltedReweighting(beta=self.tilt).targets(original, split.forget)
            target = tilted.to(images.device)
        elif self.target == "uniform_retain":
            left = classes_left(split.retain, split.classes).to(images.device)
            target = uniform_over(left, len(labels))
        else:
            target = uniform_over(torch.ones(split.classes, device=images.device), len(labels))
        return ForgetLoss(images, labels, target, self.kl_weight, style)

    def _reduced(self, each: Tensor) -> Tensor:
        return each.sum() if self.reduction == "sum" else each.mean()

    def _retain_loss(
        self,
        network: nn.Module,
        retain: tuple[Tensor | Shelf, Tensor],
        n: int,
        rng: torch.Generator,
    ) -> Tensor:
        images, labels = retain
        index = torch.randint(len(labels), (n,), generator=rng).to(images.device)
        return functional.cross_entropy(
            network(images[index]), labels[index], reduction=self.reduction
        )

    def _step(self, parameters: list[nn.Parameter], start: list[Tensor], loss: Tensor) -> None:
        """theta <- theta - eta (g_forget + rho (theta - theta0)), Algorithm 1, lines 5-7."""
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        with torch.no_grad():
            for p, g, p0 in zip(parameters, gradients, start, strict=True):
                p.sub_(self.learning_rate * (g + self.anchor * (p - p0)))

    def losses(
        self, network: nn.Module, forget: ForgetLoss, split: TrainingSets
    ) -> Iterator[Tensor]:
        """Give scalars that sum to J without its anchor at a network, batch by batch."""
        scale = 1 if self.reduction == "sum" else 1 / len(forget)
        for each in forget.batches(network, self.batch_size):
            yield scale * each.sum()
        if self.retain_weight:
            images, labels = pictures_on(split.retain, pick_device())
            scale = self.retain_weight * scale * len(forget) / len(labels)
            for index in torch.split(torch.arange(len(labels)), self.batch_size):
                logits = network(images[index])
                yield scale * functional.cross_entropy(logits, labels[index], reduction="sum")

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Give Eq. 6's residual relative to the forgetting gradient, and the distance moved.

        0 would be the stationary point that the paper's certificate speaks of. Also given: rho per
        forgotten example under `sum`, where a larger forget set weakens the anchor; the largest and
        mean ||p - u||_1 (Eq. 15); and, with `hessian_steps`, the extreme eigenvalues of J's Hessian
        that so many Lanczos steps find, and the fraction near zero.
        """
        end = evidence.end_of(self, original, candidate, split)
        worst, mean = evidence.uniform_gaps(end)
        found = {
            "stationarity_residual": evidence.residual(end),
            "distance_from_original": evidence.distance(end),
            "effective_anchor": self.anchor / (len(end.forget) if self.reduction == "sum" else 1),
            "uniform_gap_max": worst,
            "uniform_gap_mean": mean,
        }
        if not self.hessian_steps:
            return found
        rng = torch.Generator().manual_seed(0)
        seen = evidence.curvature_of_objective(end, rng, steps=self.hessian_steps, probes=1)
        return found | {
            "hessian_low": seen.low,
            "hessian_high": seen.high,
            "hessian_near_zero": seen.near_zero,
        }


_KNOWN = {
    "reduction": ("sum", "mean"),
    "target": TARGETS,
    "neutral": NEUTRALS,
    "style_scale": ("plain", "relative"),
}
