"""Downdating: of a network with a frozen backbone, the head's optimum without the forget set."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from unlearning.domain import Examples, TrainingSets
from unlearning.errors import UsageError
from unlearning.heads.features import whole_features
from unlearning.heads.fitting import (
    Certificate,
    head_in,
    optimum_of,
    weights_of,
    with_optimum,
    with_sums,
)
from unlearning.heads.optima import Optimum, ridge
from unlearning.heads.statistics import MODULUS, Statistics, covered_by, statistics_of
from unlearning.methods import METHODS
from unlearning.networks import Classifier
from unlearning.training.loop import Progress

ROUNDING = float(np.finfo(np.float32).eps)
"""Relative distance by which float32 may write the same weights differently."""


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class HeadDowndate:
    """Find the one optimum of the head on the retain set, from where the original stands.

    A ridge head follows from sums of whole numbers, out of which the forget set's are taken. They
    are counted anew from the retain set where they are not of forget and retain set together, and
    once `recount` examples were taken out since. A logistic head is found by Newton's steps from
    the original's; where they end does not depend on where they began. tolerance: the distance to
    the optimum (Euclidean norm of all weights) beyond which there is no candidate.
    """

    name: ClassVar[str] = "head_downdate"
    paper: ClassVar[str] = "recursive least squares (Plackett 1950); Newton's method"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = True

    tolerance: float = 1e-6
    recount: int = 1000

    def __post_init__(self) -> None:
        """Refuse a tolerance of nothing."""
        if self.tolerance <= 0:
            raise UsageError(f"head_downdate: got tolerance {self.tolerance}, expected above 0")

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Give the network with the retain set's own head; no chance is in it."""
        loss = head_in(original).loss
        network: Classifier = original  # type: ignore[assignment]  # `head_in` says that it is
        if loss == "ridge":
            made, certificate = with_sums(network, self._sums(network, split))
        else:
            made, certificate = with_optimum(network, _optimum(network, split.retain))
        self._require_near(certificate)
        progress(1, 1, certificate.gradient_norm)
        return made.train(original.training)

    def _sums(self, network: Classifier, split: TrainingSets) -> Statistics:
        found = self._downdated(network, split)
        return found or _counted(network, split.retain)

    def _downdated(self, network: Classifier, split: TrainingSets) -> Statistics | None:
        """Take the forget set out; None if what is there will not do."""
        if not network.carried:
            return None
        held = Statistics.from_tensors(network.carried)
        whole = (covered_by(split.forget) + covered_by(split.retain)) % MODULUS
        if held.covered != whole or held.since + len(split.forget) > self.recount:
            return None
        return held.without(_counted(network, split.forget))

    def _require_near(self, certificate: Certificate) -> None:
        if not certificate.distance_bound <= self.tolerance:
            raise UsageError(
                f"the head may be {certificate.distance_bound:.1e} from its optimum, expected at "
                f"most the tolerance {self.tolerance:.1e}: take a larger head.penalty"
            )

    def passes(self, forget: int, retain: int) -> int:
        """Every forget example forward, as a ridge head takes; a logistic one reads all."""
        return round(forget / 3)

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Give the certificate, by the candidate's own numbers.

        distance_bound: how far the head may be from the optimum. downdated: examples taken out
        since all sums were counted, 0 if they were now.
        """
        head_in(candidate)
        made: Classifier = candidate  # type: ignore[assignment]  # `head_in` says that it is
        sums = Statistics.from_tensors(made.carried) if made.carried else None
        found = certified(made, sums, split.retain)
        self._require_near(found)
        return {**asdict(found), **({"downdated": float(sums.since)} if sums else {})}


def certified(network: Classifier, sums: Statistics | None, retain: Examples) -> Certificate:
    """Say how near the optimum a network's head is: by its sums, or by the retain set itself.

    What separates its weights from the optimum beyond rounding counts as distance.
    """
    own = weights_of(network)
    found = _optimum(network, retain) if sums is None else ridge(sums, head_in(network).penalty)
    apart = float(np.linalg.norm(found.weights - own))
    beyond = max(0.0, apart - float(np.linalg.norm(found.weights)) * ROUNDING)
    return Certificate(found.gradient, found.convexity, found.bound + beyond, apart)


def _counted(network: Classifier, examples: Examples) -> Statistics:
    features = whole_features(network, examples)
    return statistics_of(features, examples, network.recipe.classes)


def _optimum(network: Classifier, retain: Examples) -> Optimum:
    """Find the retain set's own head, from where this one is."""
    features, classes = whole_features(network, retain), network.recipe.classes
    return optimum_of(head_in(network), features, retain.labels, classes, weights_of(network))
