"""Fitting the head of a frozen network, and what shows that it is the right one."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch

from unlearning.domain import Examples, FloatArray, IntArray
from unlearning.errors import UsageError
from unlearning.heads.features import UNIT, whole_features
from unlearning.heads.optima import Logistic, Optimum, Weights, logistic, ridge
from unlearning.heads.statistics import Statistics, statistics_of, sums_of
from unlearning.networks import Classifier
from unlearning.recipe import Head


@dataclass(frozen=True)
class Certificate:
    """What shows how near the optimum a head is.

    gradient_norm, strong_convexity: of the mean loss with its penalty, in float64. distance_bound:
    their quotient, beyond which the optimum cannot be. rounding: how far the weights moved when
    they were written as float32.
    """

    gradient_norm: float
    strong_convexity: float
    distance_bound: float
    rounding: float


def head_in(network: object) -> Head:
    """Give a network's head; UsageError unless it is a network with a frozen backbone."""
    head = network.recipe.head if isinstance(network, Classifier) else None
    if head is None:
        raise UsageError(
            "the network is trained as a whole, expected one with a frozen backbone "
            "(`lethe init --backbone FILE`); its memory is in all of its weights: retrain it"
        )
    return head


def fitted(blank: Classifier, examples: Examples) -> tuple[Classifier, Certificate]:
    """Give a copy of a network with its head fitted from nothing, and its certificate."""
    head, classes = head_in(blank), blank.recipe.classes
    features = whole_features(blank, examples)
    if head.loss == "ridge":
        return with_sums(blank, statistics_of(features, examples, classes))
    return with_optimum(blank, optimum_of(head, features, examples.labels, classes))


def optimum_of(
    head: Head,
    features: FloatArray,
    labels: IntArray,
    classes: int,
    start: Weights | None = None,
) -> Optimum:
    """Give a head's optimum; features: of `whole_features`. start: where Newton's steps begin."""
    if head.loss == "ridge":
        return ridge(sums_of(features, labels, classes), head.penalty)
    first = np.zeros((features.shape[1], classes)) if start is None else start
    return logistic(Logistic(features / UNIT, labels, head.penalty), first)


def with_sums(network: Classifier, sums: Statistics) -> tuple[Classifier, Certificate]:
    """Give a copy with the ridge head that these sums have, which it carries along."""
    found = ridge(sums, head_in(network).penalty)
    made, certificate = with_optimum(network, found)
    made.carry(sums.as_tensors())
    return made, certificate


def with_optimum(network: Classifier, found: Optimum) -> tuple[Classifier, Certificate]:
    """Give a copy with these weights in its head."""
    made = deepcopy(network)
    made.carry({})
    layer, written = made.last_layer, torch.from_numpy(found.weights).float()
    with torch.no_grad():
        layer.weight.copy_(written[:-1].T)
        layer.bias.copy_(written[-1])
    moved = float(np.linalg.norm(found.weights - weights_of(made)))
    return made, Certificate(found.gradient, found.convexity, found.bound, moved)


def weights_of(network: Classifier) -> Weights:
    """Give a head's weights (d + 1, classes), in float64."""
    layer = network.last_layer
    both = torch.cat([layer.weight.T, layer.bias[None]]).detach().cpu().double()
    found: Weights = both.numpy()
    return found
