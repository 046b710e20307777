"""Masked small gradients: kernels' weights that neither set asks to move begin anew."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples, TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.descent import Descending, Descent, Loader
from unlearning.training.loop import Progress
from unlearning.training.saliency import gradient, top_share


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class MaskedSmallGradients(Descending):
    """Draw those weights of kernels anew that both sets pull least at, and fine-tune.

    What pulls is the gradient of loss(retain) - loss(forget). share: of each convolution's weights,
    drawn as He et al. do, by what a channel feeds. held: factor on the gradients of all its others
    while the retain set is trained on; what is no kernel learns freely. The retain set's gradient
    is that of as many examples as are forgotten, in evaluation mode and of the mean loss, so that
    batches change nothing; in the public code they do. Defaults: those of the challenge's entry in
    DeepUnlearn's code (share .3, factor .1, rate .001, 5 epochs, batches of 64), whose rate rises
    and falls along lines.
    """

    name: ClassVar[str] = "masked_small_gradients"
    paper: ClassVar[str] = (
        "MSG, of the NeurIPS 2023 challenge, in Cadet et al., Deep Unlearn (2024)"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    epochs: int = 5
    learning_rate: float = 0.001
    batch_size: int = 64
    schedule: str = "one_cycle"
    share: float = 0.3
    held: float = 0.1

    def __post_init__(self) -> None:
        """Refuse fractions that are none."""
        super().__post_init__()
        if not 0 < self.share <= 1 or not 0 <= self.held <= 1:
            raise UsageError(
                f"masked_small_gradients: got share {self.share}, held {self.held}; expected a "
                "fraction above 0, 0 to 1"
            )

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Draw the chosen weights anew and train on the retain set, these weights fastest."""
        chosen = self._chosen(original, split, rng)
        loader = Loader(split.retain, self, rng)
        factor = self.factor(self.epochs * len(loader))
        descent = Descent(_drawn_anew(original, chosen, rng), self, factor)
        pace = [self._pace(p, mask) for p, mask in zip(descent.parameters, chosen, strict=True)]
        for epoch in range(self.epochs):
            for batch in loader.epoch():
                loss = functional.cross_entropy(descent(batch.images), batch.labels)
                descent.step(loss, masks=pace)
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
        return descent.finished()

    def _chosen(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator
    ) -> list[Tensor | None]:
        """Give masks of the weights that begin anew, None for a parameter that is no kernel."""
        kernels = _are_kernels(original)
        parts = _as_many(split.retain, len(split.forget), rng), split.forget
        wanted, unwanted = (gradient(original, p, batch_size=self.batch_size) for p in parts)
        return [
            top_share([-(keep - forget).abs()], self.share)[0] if kernel else None
            for kernel, keep, forget in zip(kernels, wanted, unwanted, strict=True)
        ]

    def _pace(self, parameter: Tensor, mask: Tensor | None) -> Tensor:
        """Give the factors on a parameter's gradient."""
        if mask is None:
            return torch.ones_like(parameter)
        return torch.where(mask.to(parameter.device) > 0, 1.0, self.held)

    def passes(self, forget: int, retain: int) -> int:
        """Two gradients of as many examples as are forgotten, then training."""
        return forget + min(forget, retain) + self.epochs * retain

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing of its own."""
        return {}


def _are_kernels(network: nn.Module) -> list[bool]:
    """Say of each trainable parameter whether it is a convolution's kernel; some one must be."""
    known = {id(m.weight) for m in network.modules() if isinstance(m, nn.Conv2d)}
    found = [id(p) in known for p in network.parameters() if p.requires_grad]
    if not any(found):
        raise UsageError(
            "masked_small_gradients: got a network without a kernel that may move, expected "
            "convolutions: take another method"
        )
    return found


def _as_many(examples: Examples, count: int, rng: torch.Generator) -> Examples:
    order = torch.randperm(len(examples), generator=rng)
    return examples.take(np.sort(order[:count].numpy()))


def _drawn_anew(
    original: nn.Module, chosen: Sequence[Tensor | None], rng: torch.Generator
) -> nn.Module:
    """Give a copy whose weights are fresh where a mask is 1."""
    copy = deepcopy(original)
    with torch.no_grad():
        for weights, mask in zip(
            (p for p in copy.parameters() if p.requires_grad), chosen, strict=True
        ):
            if mask is not None:
                fresh = torch.empty(weights.shape, dtype=weights.dtype)
                nn.init.kaiming_normal_(fresh, mode="fan_out", nonlinearity="relu", generator=rng)
                there = mask.to(weights.device) > 0
                weights.copy_(torch.where(there, fresh.to(weights.device), weights))
    return copy
