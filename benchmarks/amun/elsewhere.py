"""AMUN taught by other adversarial examples than the forget set's own: which of them matter?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from unlearning.domain import Examples, FloatArray, TrainingSets
from unlearning.methods.amun import Amun
from unlearning.networks import Classifier
from unlearning.training.adversarial import Adversarial
from unlearning.training.epsilon_search import adversarial_examples

OWN = "its own, PGD"
"""The source that AMUN has."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Taught(Amun):
    """AMUN with adversarial examples that are given."""

    given: Adversarial | None = None

    def adversarial(self, original: nn.Module, split: TrainingSets) -> Adversarial:
        """Give what was given, or search as ever."""
        return self.given or super().adversarial(original, split)


@dataclass(frozen=True, eq=False)
class Known:
    """What a source may draw on. other: an original of another seed, on the same examples."""

    settings: Amun
    original: Classifier
    other: Classifier
    split: TrainingSets
    rng: np.random.Generator


def own(known: Known) -> Adversarial:
    """Search the forget set's on the original."""
    return adversarial_examples(known.original, known.split.forget, known.settings.search())


def one_step(known: Known) -> Adversarial:
    """Search them by single signed steps (FFGSM)."""
    settings = replace(known.settings, attack="ffgsm")
    return adversarial_examples(known.original, known.split.forget, settings.search())


def of_others(known: Known) -> Adversarial:
    """Search those of as many retained examples."""
    retain, count = known.split.retain, len(known.split.forget)
    drawn = retain.take(known.rng.permutation(len(retain))[:count])
    return adversarial_examples(known.original, drawn, known.settings.search())


def on_another(known: Known) -> Adversarial:
    """Search the forget set's on another network, whose answers label them."""
    return adversarial_examples(known.other, known.split.forget, known.settings.search())


def wrong_labels(known: Known) -> Adversarial:
    """Take the forget set as it is with the labels of its adversarial examples."""
    found = own(known)
    return replace(found, images=_pixels(known.split.forget))


def random_directions(known: Known) -> Adversarial:
    """Go as far from each forget example as its adversarial one, anywhere; the original answers."""
    found = mislabelled_anywhere(known)
    with torch.inference_mode():
        labels = known.original(torch.from_numpy(found.images)).argmax(1).numpy()
    return replace(found, labels=labels)


def mislabelled_anywhere(known: Known) -> Adversarial:
    """Go as far, anywhere, with the labels of the adversarial examples."""
    found = own(known)
    step = known.rng.normal(size=found.images.shape)
    length = np.sqrt((step**2).sum((1, 2, 3), keepdims=True))
    moved = _pixels(known.split.forget) + step / length * found.l2[:, None, None, None]
    return replace(found, images=moved.clip(0, 1).astype(np.float32))


def _pixels(examples: Examples) -> FloatArray:
    return (np.asarray(examples.images) / 255).astype(np.float32)


SOURCES: Mapping[str, Callable[[Known], Adversarial]] = {
    OWN: own,
    "its own, FFGSM": one_step,
    "those of retained examples": of_others,
    "its own, found on another network": on_another,
    "no perturbation, the same wrong labels": wrong_labels,
    "as far in a random direction": random_directions,
    "as far in a random direction, the same wrong labels": mislabelled_anywhere,
}
