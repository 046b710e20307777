"""SCRUB: a student that disobeys its teacher on the forget set and obeys it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearning.domain import BoolArray, Examples, Handed, TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.outputs import accuracy, logits_of
from unlearning.training.descent import Descending, Descent, Loader
from unlearning.training.distillation import Teacher, distillation
from unlearning.training.loop import Progress


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class Scrub(Descending):
    """In the first `ascents` epochs away from the teacher on the forget set, then back on the rest.

    An epoch: if it is one of the first `ascents`, a pass over the forget set that maximises
    KL_T(teacher || student); then one over the retain set that minimises task_weight * loss +
    teacher_weight * KL_T. The teacher is the original. Defaults: SFR-on's for CIFAR-10, its
    cosine included. The authors': task_weight 1 or .99, teacher_weight .5 or .001, rate 5e-4, 2-3
    ascents; their forget batches are larger than the retain batches, which no setting here says.
    """

    name: ClassVar[str] = "scrub"
    paper: ClassVar[str] = "Kurmanji et al., SCRUB (2023), Eq. 3 and Algorithm 1"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    epochs: int = 6
    learning_rate: float = 8e-5
    ascents: int = 2
    task_weight: float = 0.99
    teacher_weight: float = 0.001
    temperature: float = 4.0

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        weight = self.task_weight + self.teacher_weight
        if self.ascents < 0 or self.temperature <= 0 or weight <= 0:
            raise UsageError(
                f"{self.name}: got ascents {self.ascents}, temperature {self.temperature}, weights "
                f"of {weight} together; expected at least 0, above 0, above 0"
            )

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Give the student after the last epoch."""
        for descent in self._epochs(original, split, rng, progress):
            last = descent
        return last.finished()

    def _epochs(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> Iterator[Descent]:
        """Give the state of the student after each epoch."""
        forget, retain = Loader(split.forget, self, rng), Loader(split.retain, self, rng)
        augmented = self.augmentation != "none"
        of_forget = Teacher(original, forget, augmented=augmented)
        of_retain = Teacher(original, retain, augmented=augmented)
        steps = self.epochs * len(retain) + min(self.ascents, self.epochs) * len(forget)
        descent = Descent(original, self, self.factor(steps))
        for epoch in range(self.epochs):
            if epoch < self.ascents:
                for batch in forget.epoch():
                    away = distillation(of_forget(batch), descent(batch.images), self.temperature)
                    descent.step(-away.mean())
                    descent.tick()
            for batch in retain.epoch():
                logits = descent(batch.images)
                task = functional.cross_entropy(logits, batch.labels)
                near = distillation(of_retain(batch), logits, self.temperature).mean()
                descent.step(self.task_weight * task + self.teacher_weight * near)
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
            yield descent

    def passes(self, forget: int, retain: int) -> int:
        """The retain set in every epoch, the forget set in the first ones, and the teacher's part.

        The teacher is asked once of every example, with augmentation as often as the student.
        """
        learned = self.epochs * retain + min(self.ascents, self.epochs) * forget
        asked = learned if self.augmentation != "none" else forget + retain
        return learned + round(asked / 3)

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing of its own."""
        return {}


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class ScrubRewind(Scrub):
    """SCRUB+R: the epoch whose error on the forget set is nearest to that on a validation part.

    The validation part is held out of the retain set: about the share `validation` of its people,
    whom the student learns nothing from. Its accuracy is taken class by class in the forget set's
    proportions, as the paper asks for examples distributed as that; a class of which nothing is
    retained is expected to be answered never. The paper's validation examples were never trained
    on. Here the original has learned them, and no example that a gate reads may stand in for them,
    so that the student's accuracy on them falls more slowly than on strangers, and the epoch that
    is chosen is rather too early than too late.
    """

    name: ClassVar[str] = "scrub_rewind"
    paper: ClassVar[str] = "Kurmanji et al., SCRUB+R (2023), section 4"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    validation: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        super().__post_init__()
        if not 0 < self.validation < 1:
            raise UsageError(
                f"scrub_rewind.validation: got {self.validation}, expected a fraction between 0 "
                "and 1"
            )

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Give the student of the best epoch, not the last."""
        held_out = _some_people(split.retain, self.validation, rng)
        learned = Handed(split.forget, split.retain.take(~held_out), split.classes)
        unlearned = split.retain.take(held_out)
        nearest, chosen = float("inf"), original
        for descent in self._epochs(original, learned, rng, progress):
            expected = _expected(descent.network, unlearned, split)
            gap = abs(_accuracy_on_forget(descent.network, split) - expected)
            if gap < nearest:
                nearest, chosen = gap, descent.copied()
        home = next(original.parameters()).device
        return chosen.to(home).train(original.training)

    def passes(self, forget: int, retain: int) -> int:
        """As SCRUB without the validation part, which is asked with the forget set in each epoch.

        Of people with unequally many examples it is an estimate.
        """
        held_out = round(self.validation * retain)
        asked = self.epochs * (forget + held_out)
        return super().passes(forget, retain - held_out) + round(asked / 3)


def _some_people(examples: Examples, share: float, rng: torch.Generator) -> BoolArray:
    """Mask of the examples of a random `share` of the people, (n,): one at least, but not all."""
    people, code = np.unique(examples.subjects, return_inverse=True)
    if len(people) < 2:
        raise UsageError(
            f"scrub_rewind: got {len(people)} subjects in the retain set, expected 2 or more, "
            "since some are held out to choose the epoch by"
        )
    count = min(len(people) - 1, max(1, round(share * len(people))))
    drawn = torch.randperm(len(people), generator=rng)[:count].numpy()
    return np.isin(code, drawn)


def _accuracy_on_forget(network: nn.Module, split: TrainingSets) -> float:
    return accuracy(logits_of(network, split.forget), split.forget.labels)


def _expected(network: nn.Module, validation: Examples, split: TrainingSets) -> float:
    """Accuracy on validation examples of the forget set's classes, in its proportions.

    0 for a class of which nothing is retained; that of all for one that the validation part lacks.
    """
    right = logits_of(network, validation).argmax(1) == validation.labels
    known = np.isin(split.forget.labels, split.retain.labels)
    by_class = {k: right[validation.labels == k].mean() for k in np.unique(validation.labels)}
    return float(
        sum(by_class.get(k, right.mean()) for k in split.forget.labels[known]) / len(known)
    )
