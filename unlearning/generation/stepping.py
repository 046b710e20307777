"""The steps that methods take: gradients held to a norm and a mask, then Adam, then the average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unlearning.domain import Examples, TrainingSets
from unlearning.errors import UsageError
from unlearning.generation.average import Average
from unlearning.generation.contract import Forgotten, forgotten_class
from unlearning.generation.fitting import endless
from unlearning.generation.generators import Generator
from unlearning.generation.noise import dropped, losses, noised, pictures
from unlearning.training.loop import Progress, pick_device, require_finite, silent

SAMPLED = ("raw", "average")
ORDERS = ("clip_mask", "mask_clip")
Masks = Sequence[Tensor]


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How a method tunes, by Adam without weight decay.

    label_drop: of the retain terms alone; forget terms drop none, since that would raise the loss
    without a label, which guidance uses. ema: decay of the average that is kept beside. sampled:
    which weights are the result, `raw` or `average`; an average of .9999 after tens of steps is the
    original.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    steps: int = 60
    batch_size: int = 64
    learning_rate: float = 1e-3
    label_drop: float = 0.1
    ema: float = 0.9999
    sampled: str = "raw"

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        if self.steps < 1 or self.batch_size < 1 or self.learning_rate <= 0:
            raise UsageError(
                f"generator method: got {self.steps} steps of {self.batch_size} at the rate "
                f"{self.learning_rate}; expected at least 1, at least 1, a rate above 0"
            )
        if self.sampled not in SAMPLED:
            raise UsageError(f"sampled: got {self.sampled!r}, expected one of {SAMPLED}")

    def passes(self, forget: int, retain: int) -> int:
        """Two batches a step: one for the class, one for what stays."""
        return 2 * self.steps * self.batch_size


def norm_of(gradients: Sequence[Tensor]) -> float:
    """Give the norm of all gradients together."""
    return float(torch.stack([g.square().sum() for g in gradients]).sum().sqrt())


def held(
    gradients: Sequence[Tensor],
    *,
    masks: Masks | None = None,
    clip: float | None = None,
    order: str = "mask_clip",
) -> tuple[list[Tensor], float]:
    """Mask gradients and clip their norm, in that order or the other; give the norm before too.

    The norm is the one that the clip is held against: after the mask in `mask_clip`, before it in
    `clip_mask`. Masked entries are exactly 0 in both.
    """
    if order not in ORDERS:
        raise UsageError(f"order: got {order!r}, expected one of {ORDERS}")
    found = list(gradients)
    if masks is not None and order == "mask_clip":
        found = [g * m for g, m in zip(found, masks, strict=True)]
    norm = norm_of(found)
    if clip is not None and norm > clip:
        found = [g * (clip / norm) for g in found]
    if masks is not None and order == "clip_mask":
        found = [g * m for g, m in zip(found, masks, strict=True)]
    return found, norm


class Stepper:
    """A copy of a generator under way."""

    def __init__(self, original: Generator, tuning: Tuning, progress: Progress = silent) -> None:
        """Copy the original onto the device."""
        self.tuning, self.device, self._progress = tuning, pick_device(), progress
        self.network = deepcopy(original).to(self.device).train().requires_grad_(True)
        self.average = Average(self.network, tuning.ema)
        self.weights = list(self.network.parameters())
        self.adam = torch.optim.Adam(self.weights, lr=tuning.learning_rate)
        self._norms: list[float] = []
        self._clipped: list[bool] = []
        self._told = 0

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """Give the gradient of a loss by every weight; 0 where it does not depend on one."""
        found = torch.autograd.grad(loss, self.weights, materialize_grads=True)
        return list(found)

    def watch(self, norm: float, clip: float | None) -> None:
        """Note the norm of a forget gradient, and whether it was clipped."""
        self._norms.append(norm)
        self._clipped.append(clip is not None and norm > clip)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Take one step of Adam along gradients, and let the average follow."""
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient
        self.adam.step()
        self.average.follow()

    def tell(self, loss: Tensor) -> None:
        """Tell progress after one of the tuning's steps; Diverged where its loss is not finite."""
        value = float(loss.detach())
        require_finite(value, self._told, "forgetting")
        self._told += 1
        self._progress(self._told, self.tuning.steps, value)

    def finished(self, notes: Mapping[str, float] | None = None) -> Forgotten:
        """Give what was made, with the norms that were noted."""
        raw, average = self.network.cpu().eval(), self.average.network.cpu()
        seen = dict(notes or {})
        if self._norms:
            norms = sorted(self._norms)
            seen["forget_norm_first"] = self._norms[0]
            seen["forget_norm_median"] = norms[len(norms) // 2]
            seen["forget_norm_largest"] = norms[-1]
            seen["forget_share_clipped"] = sum(self._clipped) / len(norms)
        network = raw if self.tuning.sampled == "raw" else average
        return Forgotten(network, raw, average, seen)


class Source:
    """Batches of pictures of one set, for ever."""

    def __init__(self, examples: Examples, size: int, rng: torch.Generator) -> None:
        """Take the pictures onto the device."""
        self.x0, self.labels = pictures(examples, pick_device())
        self._order = endless(len(self.labels), size, rng)

    def next(self) -> tuple[Tensor, Tensor]:
        """Give the next pictures and labels."""
        index = next(self._order).to(self.x0.device)
        return self.x0[index], self.labels[index]


def sources(sets: TrainingSets, tuning: Tuning, rng: torch.Generator) -> tuple[int, Source, Source]:
    """Give the class to forget, and batches of it and of what stays; UsageError for several."""
    label, size = forgotten_class(sets), tuning.batch_size
    return label, Source(sets.forget, size, rng), Source(sets.retain, size, rng)


def retain_loss(
    network: Generator,
    retain: Source,
    tuning: Tuning,
    rng: torch.Generator,
    reduction: str = "mean",
) -> Tensor:
    """Give the loss on the next batch of what stays, some labels dropped; its mean over pictures.

    reduction: over pixels, `mean` or `sum`.
    """
    x0, labels = retain.next()
    asked = dropped(labels, network.recipe.null, tuning.label_drop, rng)
    return losses(network, noised(x0, network.recipe, rng), asked, reduction).mean()
