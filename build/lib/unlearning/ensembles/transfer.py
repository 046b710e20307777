"""How far what misleads one network misleads others, and how often an ensemble stays right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from torch import Tensor, nn

from unlearning.domain import BoolArray, Examples
from unlearning.training.adversarial import frozen_copy, pgd
from unlearning.training.loop import pick_device, pixels_on

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Takes a network, pixels (n, c, h, w) 0..1 and labels to adversarial pixels."""


class Ensemble(nn.Module):
    """Networks that answer with the mean of their probabilities."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        """Take the members as they are."""
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, pixels: Tensor) -> Tensor:
        """Give the log of the mean probabilities, (n, classes)."""
        logs = torch.stack([member(pixels).log_softmax(1) for member in self.members])
        return logs.logsumexp(0) - float(np.log(len(self.members)))


@dataclass(frozen=True, kw_only=True)
class Pgd:
    """Projected ascent of the loss in an L-infinity ball (Madry et al. 2018), in pixel space.

    bound: 0..1; steps, step: how many, each a share of the bound. LOTOS's code has .04, 50 and .1,
    but on normalised inputs clamped to 0..1, where .04 is .008 of a pixel and the clamp alone
    ruins pictures. Normalisation is inside our networks. seed: of the random start.
    """

    bound: float = 0.04
    steps: int = 50
    step: float = 0.1
    seed: int = 0

    def __call__(self, network: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
        """Give the adversarial pixels."""
        rng = torch.Generator().manual_seed(self.seed)
        length = self.step * self.bound
        return pgd(network, pixels, labels, self.bound, steps=self.steps, step=length, rng=rng)


@dataclass(frozen=True)
class Robustness:
    """What attacks do; all are shares, and NaN where nothing was left to count.

    accuracy: members' mean before. rate: T_rate, of the examples that are right at i and j and
    flipped at i by i's own attack, the share misled at j; mean over ordered pairs. single,
    ensemble: right after the own attack, of those right before. black_box: the ensemble's, under
    the attack on a network that is no member. together: the ensemble's accuracy before.
    """

    accuracy: float
    together: float
    rate: float
    single: float
    ensemble: float
    black_box: float


def robustness(
    members: Sequence[nn.Module], surrogate: nn.Module, examples: Examples, attack: Attack
) -> Robustness:
    """Attack each member, the ensemble, and the surrogate, and see what each misleads."""
    pixels, labels = _pixels(examples)
    copies = [frozen_copy(member) for member in members]
    whole = Ensemble(copies)
    before = [_right(copy, pixels, labels) for copy in copies]
    moved = [attack(copy, pixels, labels) for copy in copies]
    after = np.array([[_right(copy, x, labels) for copy in copies] for x in moved])
    known = _right(whole, pixels, labels)
    own, foreign = (attack(of, pixels, labels) for of in (whole, frozen_copy(surrogate)))
    own_copies = range(len(copies))
    return Robustness(
        accuracy=float(np.mean(before)),
        together=float(known.mean()),
        rate=transfer_rate(np.array(before), after),
        single=float(np.mean([_kept(before[i], after[i, i]) for i in own_copies])),
        ensemble=_kept(known, _right(whole, own, labels)),
        black_box=_kept(known, _right(whole, foreign, labels)),
    )


def transfer_rate(before: BoolArray, after: BoolArray) -> float:
    """Give T_rate.

    before: (members, n), who is right of each example. after: (members, members, n), who is right
    of what misleads the first.
    """
    rates = [
        _share(before[i] & before[j] & ~after[i, i], ~after[i, j])
        for i, j in permutations(range(len(before)), 2)
    ]
    return float(np.mean(rates)) if rates else float("nan")


def _share(of: BoolArray, hit: BoolArray) -> float:
    return float(hit[of].mean()) if of.any() else float("nan")


def _kept(before: BoolArray, after: BoolArray) -> float:
    return _share(before, after)


def _pixels(examples: Examples) -> tuple[Tensor, Tensor]:
    images, labels = pixels_on(examples, pick_device())
    return images.float() / 255, labels


@torch.no_grad()
def _right(network: nn.Module, pixels: Tensor, labels: Tensor) -> BoolArray:
    return np.asarray((network(pixels).argmax(1) == labels).cpu().numpy())
