"""How fast a network learns again what it should not know, against how fast retrained ones do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from unlearning.audits.changes import gap, measured, share
from unlearning.domain import Examples, FloatArray, IntArray, Measurement, Split, joined
from unlearning.errors import UsageError
from unlearning.outputs import logits_of
from unlearning.training.loop import Training, train


@dataclass(frozen=True, kw_only=True)
class Relearning:
    """Train a copy on a little data and watch the accuracy on the forget set come back.

    It needs the networks themselves, the candidate's and at least one retrained model's, and a
    forget set that is still there. `retain` trains on retain examples alone, which brings dormant
    knowledge back; `Nshots` adds N forget examples, repeated until they are as many as an average
    class has. Every network is trained by the same settings, on the same batches, and asked about
    the forget examples that are no shots. For each way:

    - relearn/WAY@E: the candidate's accuracy on them after E epochs, from 0.
    - relearn_gap/WAY: the area under its curve, a mean over epochs, less that of the retrained
      models; above 0 it relearns faster or never forgot. relearn_null/WAY: the same of the first
      retrained model against the others. Intervals as those of `probes`.

    epochs, shots, and the retain `examples` used; learning_rate, batch_size: of plain SGD with
    momentum, at a constant rate. They fix how hard the attacker tries: compare only equal ones.
    """

    name: ClassVar[str] = "relearning"
    paper: ClassVar[str] = "From Dormant to Deleted, arXiv 2505.22310"

    epochs: int = 3
    shots: Sequence[int] = (10,)
    examples: int = 2000
    learning_rate: float = 0.05
    batch_size: int = 64

    def measure(
        self,
        candidate: nn.Module,
        retrained: Sequence[nn.Module],
        split: Split,
        rng: torch.Generator,
    ) -> list[Measurement]:
        """Measure each way; raises UsageError without a retrained model or examples to ask about.

        The networks are left as they are.
        """
        most = max(self.shots, default=0)
        if not retrained or len(split.forget) <= most:
            raise UsageError(
                f"relearning: got {len(retrained)} retrained models and {len(split.forget)} forget "
                f"examples, expected at least one and more than the {most} shots"
            )
        drawn = torch.randperm(len(split.forget), generator=rng).numpy()
        asked = split.forget.take(drawn[most:])
        people = np.unique(asked.subjects, return_inverse=True)[1]
        found: list[Measurement] = []
        for way, lesson in self._lessons(split, drawn, rng).items():
            seed = int(torch.randint(2**62, (), generator=rng))
            curves = [self.curve(n, lesson, asked, seed) for n in (candidate, *retrained)]
            found += _compared(way, curves, people)
        return found

    def curve(self, network: nn.Module, lesson: Examples, asked: Examples, seed: int) -> FloatArray:
        """Train a copy on `lesson` and give hits on `asked` from epoch 0, (epochs + 1, n)."""
        copy, hits = deepcopy(network), [_hits(network, asked)]

        def ask(done: int, total: int, loss: float) -> None:
            hits.append(_hits(copy, asked))

        train(copy, lesson, self._training(), torch.Generator().manual_seed(seed), ask)
        return np.stack(hits)

    def _training(self) -> Training:
        return Training(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            schedule="constant",
        )

    def _lessons(self, split: Split, drawn: IntArray, rng: torch.Generator) -> dict[str, Examples]:
        order = torch.randperm(len(split.retain), generator=rng).numpy()
        retain = split.retain.take(order[: self.examples])
        lessons = {"retain": retain}
        for shots in self.shots:
            times = max(1, round(len(retain) / split.classes / shots))
            again = split.forget.take(np.tile(drawn[:shots], times))
            lessons[f"{shots}shots"] = joined(retain, again)
        return lessons


def _hits(network: nn.Module, asked: Examples) -> FloatArray:
    answers = logits_of(network, asked).argmax(1)
    return np.asarray(answers == asked.labels, dtype=np.float64)


def _compared(way: str, curves: Sequence[FloatArray], subjects: IntArray) -> Iterator[Measurement]:
    """Compare the curves of the candidate and of retrained models, in this order."""
    for epoch, hits in enumerate(curves[0]):
        yield share(f"relearn/{way}@{epoch}", hits)
    candidate, *retrained = (area(curve) for curve in curves)
    n = len(candidate)
    yield measured(f"relearn_gap/{way}", gap(candidate, retrained, subjects), n)
    if len(retrained) > 1:
        yield measured(f"relearn_null/{way}", gap(retrained[0], retrained[1:], subjects), n)


def area(curve: FloatArray) -> FloatArray:
    """Give each example's mean over epochs by the trapezoid rule; (epochs + 1, n) to (n,)."""
    return np.asarray((curve[1:] + curve[:-1]).mean(0) / 2)
