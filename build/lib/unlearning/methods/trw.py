"""TRW, tilted reweighting: a forgotten class falls to its neighbours, as after retraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples, TrainingSets
from unlearning.errors import UsageError
from unlearning.features import features_of, head_of
from unlearning.methods import METHODS
from unlearning.outputs import logits_of
from unlearning.training.descent import Descending, Descent, Loader
from unlearning.training.distillation import kl_from
from unlearning.training.loop import Progress

SIMILARITIES = ("class", "example")


def tilted_target(probabilities: Tensor, similarity: Tensor, own: Tensor, beta: float) -> Tensor:
    """Give q*_j proportional to p_j exp(beta s_j) without the own class, (n, classes).

    The I-projection of the original's prediction, its own class removed and the rest renormalised,
    onto the distributions whose mean similarity is large enough. beta 0 only renormalises (RWFT).
    probabilities, similarity: (n, classes). own: (n,) labels.
    """
    away = functional.one_hot(own, probabilities.shape[1]).bool()
    tilted = probabilities.clamp_min(1e-30).log() + beta * similarity
    return tilted.masked_fill(away, -torch.inf).softmax(1)


def class_similarity(weights: Tensor, components: int | None, temperature: float) -> Tensor:
    """Similarity of classes by the rows of the last layer's weights, (classes, classes).

    Rows are projected on their first principal components and compared by cosine; each row of the
    result is sharpened by a softmax over the other classes, so it sums to 1 with a diagonal of 0.
    """
    projected = (weights - weights.mean(0)) @ principal_axes(weights, components)
    unit = functional.normalize(projected, dim=1)
    return _sharpened(unit @ unit.T, torch.arange(len(weights)), temperature)


def principal_axes(rows: Tensor, components: int | None) -> Tensor:
    """Give the first principal directions of (n, d) rows as columns, (d, components)."""
    _, _, directions = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    most = len(rows) - 1
    axes: Tensor = directions[: most if components is None else min(components, most)].T
    return axes


def _sharpened(cosines: Tensor, own: Tensor, temperature: float) -> Tensor:
    away = functional.one_hot(own, cosines.shape[1]).bool()
    return (cosines / temperature).masked_fill(away, -torch.inf).softmax(1)


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class TiltedReweighting(Descending):
    """Descend KL(q* || p) on the forget set and the loss on the retain set.

    q* is the original's prediction without the own class, tilted towards similar classes by beta;
    beta 0 is the earlier method RWFT. similarity: `class`, by the last layer's weights, or
    `example`, by cosine between an example's features and those weights, which the text that can
    be read leaves open. There is no public code and components, temperature, rate and epochs are
    not published: the defaults are ours, a reconstruction. It is meant for whole classes: on
    examples of classes that stay, an honest retrain keeps most of its own-class answers.
    """

    name: ClassVar[str] = "trw"
    paper: ClassVar[str] = "TRW, tilted reweighting for class unlearning (2025); reconstruction"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    epochs: int = 3
    beta: float = 10.0
    similarity: str = "class"
    components: int | None = None
    temperature: float = 0.2
    forget_weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        if self.similarity not in SIMILARITIES or self.temperature <= 0:
            raise UsageError(
                f"trw: got similarity {self.similarity!r} and temperature {self.temperature}, "
                f"expected one of {SIMILARITIES} and above 0"
            )

    def targets(self, original: nn.Module, forget: Examples) -> Tensor:
        """Give q* for each forgotten example, (n, classes)."""
        probabilities = torch.from_numpy(logits_of(original, forget)).softmax(1)
        own = torch.from_numpy(forget.labels)
        weights = head_of(original).weight.detach().float().cpu()
        if self.similarity == "class":
            similarity = class_similarity(weights, self.components, self.temperature)[own]
        else:
            similarity = self._example_similarity(original, forget, weights, own)
        return tilted_target(probabilities, similarity, own, self.beta)

    def _example_similarity(
        self, original: nn.Module, forget: Examples, weights: Tensor, own: Tensor
    ) -> Tensor:
        axes = principal_axes(weights, self.components)
        features = torch.from_numpy(features_of(original, forget))
        cosines = (
            functional.normalize(features @ axes, dim=1)
            @ functional.normalize((weights - weights.mean(0)) @ axes, dim=1).T
        )
        return _sharpened(cosines, own, self.temperature)

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Descend both losses on a copy of the original."""
        forget, retain = Loader(split.forget, self, rng), Loader(split.retain, self, rng)
        targets = self.targets(original, split.forget).to(forget.device)
        descent = Descent(original, self, self.factor(self.epochs * len(retain)))
        beside = forget.endless()
        for epoch in range(self.epochs):
            for kept in retain.epoch():
                gone = next(beside)
                away = kl_from(targets[gone.index], descent(gone.images)).mean()
                stay = functional.cross_entropy(descent(kept.images), kept.labels)
                descent.step(self.forget_weight * away + stay)
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
        return descent.finished()

    def passes(self, forget: int, retain: int) -> int:
        """Every retain example in every epoch, a forget batch beside each batch; the targets."""
        steps = -(-retain // self.batch_size)
        targets = forget if self.similarity == "class" else 2 * forget
        learned = self.epochs * (retain + steps * min(forget, self.batch_size))
        return learned + round(targets / 3)

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Give the mean divergence that is left between targets and predictions, in nats."""
        logits = torch.from_numpy(logits_of(candidate, split.forget))
        return {
            "target_divergence": float(kl_from(self.targets(original, split.forget), logits).mean())
        }
