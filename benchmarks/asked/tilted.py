"""TRW told wrong similarities by known amounts; how far single examples are from their class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning.domain import Examples
from unlearning.features import head_of
from unlearning.methods.trw import TiltedReweighting, class_similarity, tilted_target
from unlearning.outputs import logits_of


@dataclass(frozen=True, kw_only=True)
class Noisy(TiltedReweighting):
    """TRW whose cosines between classes are off by normal noise of that deviation."""

    noise: float = 0.0
    noise_seed: int = 0

    def targets(self, original: nn.Module, forget: Examples) -> Tensor:
        """Give q* for each forgotten example, by the noisy similarities, (n, classes)."""
        probabilities = torch.from_numpy(logits_of(original, forget)).softmax(1)
        own = torch.from_numpy(forget.labels)
        weights = head_of(original).weight.detach().float().cpu()
        similarity = class_similarity(weights, self.components, self.temperature)
        rng = torch.Generator().manual_seed(self.noise_seed)
        wrong = disturbed(similarity, self.noise, self.temperature, rng)
        return tilted_target(probabilities, wrong[own], own, self.beta)


def disturbed(similarity: Tensor, noise: float, temperature: float, rng: torch.Generator) -> Tensor:
    """Give the similarities as they were had each cosine been off by normal noise, (classes,) * 2.

    A row is a softmax of cosines over the temperature, so that noise on these adds to its logs. The
    own class stays at 0.
    """
    off = noise * torch.randn(similarity.shape, generator=rng) / temperature
    return (similarity.log() + off).softmax(1)


def spread_of(original: nn.Module, forget: Examples, method: TiltedReweighting) -> dict[str, float]:
    """Measure how far examples' own similarities lie from the mean of those of their class.

    tv: the mean total variation of an example's row from the mean row; tv_class: of the mean row
    from the class's by its weights; same_nearest: the share of examples whose most similar class is
    that by the weights. `forget` is of one class.
    """
    own = torch.from_numpy(forget.labels)
    weights = head_of(original).weight.detach().float().cpu()
    of_class = class_similarity(weights, method.components, method.temperature)[own[0]]
    each = method._example_similarity(original, forget, weights, own)
    mean = each.mean(0)
    return {
        "tv": float((each - mean).abs().sum(1).mean() / 2),
        "tv_class": float((mean - of_class).abs().sum() / 2),
        "same_nearest": float((each.argmax(1) == of_class.argmax()).float().mean()),
    }
