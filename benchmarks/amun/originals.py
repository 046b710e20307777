"""Originals that AMUN may begin from: as they come, held to a bound, and hardened by attack."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional

from unlearning import networks
from unlearning.domain import Examples
from unlearning.networks import Classifier
from unlearning.recipe import Recipe
from unlearning.training.adversarial import fgsm, frozen_copy
from unlearning.training.loop import Training, batches, train

BOUND = 2.0
"""What layers are held to: with 1 a network of digits learns nothing."""

REACH = 0.1
"""How far a pixel is moved against a network that is hardened, of 0 to 1."""

PLAIN, HELD, HARDENED = "as it comes", f"held to {BOUND:g}", f"hardened, FGSM {REACH:g}"
KINDS = (PLAIN, HELD, HARDENED)


def made(
    kind: str, recipe: Recipe, examples: Examples, training: Training, seed: int
) -> Classifier:
    """Train a network of a kind from fresh weights."""
    rng = torch.Generator().manual_seed(seed)
    network = networks.build(recipe, rng)
    if kind == HARDENED:
        return hardened(network, examples, training, rng)
    held = replace(training, lipschitz=BOUND) if kind == HELD else training
    trained = train(network, examples, held, rng)
    assert isinstance(trained, Classifier)
    return trained


def hardened(
    network: Classifier, examples: Examples, training: Training, rng: torch.Generator
) -> Classifier:
    """Train on each batch moved against the network as it is (Goodfellow et al. 2015)."""
    images = torch.from_numpy(examples.images).float() / 255
    labels = torch.from_numpy(examples.labels)
    optimiser = torch.optim.SGD(
        network.parameters(),
        training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        nesterov=True,
    )
    each = len(batches(len(examples), training.batch_size, rng))
    factor = training.factor(training.epochs * each)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    for _ in range(training.epochs):
        for index in batches(len(examples), training.batch_size, rng):
            moved = fgsm(frozen_copy(network), images[index], labels[index], REACH)
            network.train()
            loss = functional.cross_entropy(network(moved), labels[index])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network.eval()
