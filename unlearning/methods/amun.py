"""AMUN: learn the forget set's nearest adversarial examples, with the answers they already get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples, FloatArray, TrainingSets, joined
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.adversarial import Adversarial, EpsilonSearch
from unlearning.training.descent import Batch, Descending, Descent, Factor, Loader, Masks
from unlearning.training.epsilon_search import adversarial_examples
from unlearning.training.loop import Progress, augment, batches
from unlearning.training.saliency import saliency, top_share

VARIANTS = ("amun", "advonly")


class Mixture:
    """Examples and adversarial ones that were found, shuffled together; the latter stay as is."""

    def __init__(
        self, plain: Loader, adversarial: Adversarial, settings: Descending, rng: torch.Generator
    ) -> None:
        """Put the adversarial examples on the device once."""
        images = torch.from_numpy(adversarial.images[adversarial.found]).to(plain.device)
        self._images = images.contiguous(memory_format=torch.channels_last)
        self._labels = torch.from_numpy(adversarial.labels[adversarial.found]).to(plain.device)
        self._plain, self._settings, self._rng = plain, settings, rng

    def __len__(self) -> int:
        """Count the examples of both kinds."""
        return len(self._plain.labels) + len(self._labels)

    def epoch(self) -> Iterator[Batch]:
        """Give every example once; images are float, 0..1."""
        if len(self):
            yield from map(self._take, batches(len(self), self._settings.batch_size, self._rng))

    def _take(self, index: Tensor) -> Batch:
        n = len(self._plain.labels)
        plain, other = (w.to(self._images.device) for w in (index[index < n], index[index >= n]))
        images = augment(self._plain.images[plain], self._settings.augmentation, self._rng)
        return Batch(
            torch.cat([images / 255, self._images[other - n]]),
            torch.cat([self._plain.labels[plain], self._labels[other - n]]),
            torch.cat([plain, other]),
        )


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class Amun(Descending):
    """Fine-tune on each forget example's nearest adversarial one, labelled as the original answers.

    variant: `amun` goes on training on the forget set with its true labels beside them, as
    published, which a person who asked to be forgotten will question; `advonly` does not. The
    retain set is learned too. mask_share: only the weights with the largest gradient on the forget
    set may move, this share of them (AMUN + SalUn; .5 published); None is off. restore: hold the
    others exactly. decay: factor on the rate after every `decay_every` epochs. The adversarial
    examples are those of the network that is given: of sequential requests each has its own
    (AMUN-A). Where none is found the example is left out and counted.

    Defaults: CIFAR-10 in the public code (SGD .01, momentum .9, weight decay 5e-4, times .1 after
    each epoch or every 5, 10 epochs, batches of 128), which also crops and flips what is not
    adversarial (`augmentation`, none by default). The search's: `adversarial.EpsilonSearch`;
    published are `restart: from_iterate` (code) or `from_original` (Algorithm 4) with `start:
    eps_init` and 0 refinements.
    """

    name: ClassVar[str] = "amun"
    paper: ClassVar[str] = "Ebrahimpour-Boroojeny et al., AMUN (2025), Algorithms 1 and 4"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    schedule: str = "constant"
    variant: str = "amun"
    mask_share: float | None = None
    restore: bool = True
    decay: float = 0.1
    decay_every: int = 1
    attack: str = "pgd"
    eps_init: float = 0.04
    attack_steps: int = 50
    doublings: int = 10
    restart: str = "from_original"
    start: str = "linear"
    refinements: int = 3
    halvings: int = 4

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        self.search()
        if self.variant not in VARIANTS:
            raise UsageError(
                f"{self.name}.variant: got {self.variant!r}, expected one of {VARIANTS}"
            )
        if self.mask_share is not None and not 0 < self.mask_share <= 1:
            raise UsageError(
                f"{self.name}.mask_share: got {self.mask_share}, expected a fraction, or None"
            )
        if not 0 < self.decay <= 1 or self.decay_every < 1:
            raise UsageError(
                f"{self.name}: got decay {self.decay} every {self.decay_every} epochs, expected a "
                "factor above 0 and at most 1, every 1 or more"
            )

    def search(self) -> EpsilonSearch:
        """Give the settings of the search."""
        return EpsilonSearch(
            attack=self.attack,
            eps_init=self.eps_init,
            steps=self.attack_steps,
            doublings=self.doublings,
            restart=self.restart,
            start=self.start,
            refinements=self.refinements,
            halvings=self.halvings,
            precision=self.precision,
        )

    def factor(self, steps: int) -> Factor:
        """Give the schedule of the settings times the decay by epochs."""
        whole, every = super().factor(steps), self.decay_every * steps / self.epochs
        return lambda step: whole(step) * self.decay ** int(step // max(1.0, every))

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Search against the original, then fine-tune a copy of it."""
        found = self.adversarial(original, split)
        mixture = Mixture(Loader(self._plain(split), self, rng), found, self, rng)
        steps = self.epochs * -(-len(mixture) // self.batch_size)
        descent = Descent(
            original,
            self,
            self.factor(steps),
            masks=self._masks(original, split.forget),
            restore=self.restore,
        )
        for epoch in range(self.epochs):
            for batch in mixture.epoch():
                descent.step(functional.cross_entropy(descent(batch.images), batch.labels))
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
        return descent.finished()

    def adversarial(self, original: nn.Module, split: TrainingSets) -> Adversarial:
        """Search the forget set's nearest adversarial examples."""
        return adversarial_examples(original, split.forget, self.search())

    def _plain(self, split: TrainingSets) -> Examples:
        """Give what is learned beside the adversarial examples."""
        return joined(split.forget, split.retain) if self.variant == "amun" else split.retain

    def _masks(self, original: nn.Module, forget: Examples) -> Masks | None:
        if self.mask_share is None:
            return None
        return top_share(saliency(original, forget, batch_size=self.batch_size), self.mask_share)

    def passes(self, forget: int, retain: int) -> int:
        """Every example in every epoch, and a typical search; `report` counts this one's passes."""
        plain = retain + (forget if self.variant == "amun" else 0)
        masked = 0 if self.mask_share is None else forget
        searched = self.search().typical_passes * forget
        return self.epochs * (plain + forget) + searched + masked

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Tell how the search went, and whether forget examples were learned as they are."""
        found = self.adversarial(original, split)
        return {
            "adversarial_failures": float((~found.found).sum()),
            "adversarial_fallbacks": float((found.found & (found.attempts > 1)).sum()),
            "adversarial_passes": float(found.passes),
            **_mean("adversarial_mean_l2", found.l2[found.found]),
            **_mean("adversarial_mean_eps", found.eps[found.found]),
            "uses_true_forget_labels": float(self.variant == "amun"),
        }


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class AmunForgetOnly(Amun):
    """AMUN without the retain set, of which it reads nothing.

    variant: `amun` learns the forget set and its adversarial examples, `advonly` these alone.
    """

    name: ClassVar[str] = "amun_forget_only"
    paper: ClassVar[str] = "Ebrahimpour-Boroojeny et al., AMUN (2025), without access to D_R"
    needs: ClassVar[frozenset[str]] = frozenset({"forget"})

    def _plain(self, split: TrainingSets) -> Examples:
        return split.forget if self.variant == "amun" else split.forget.take(np.arange(0))

    def passes(self, forget: int, retain: int) -> int:
        """As with the retain set, of which nothing is read."""
        return super().passes(forget, 0)


def _mean(name: str, values: FloatArray) -> dict[str, float]:
    """Name the mean; of nothing there is none."""
    return {name: float(values.mean())} if len(values) else {}
