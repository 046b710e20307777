"""What a method, an attack and a gate must be; DESIGN section 4.

Each is a frozen dataclass whose fields are its settings, one file each, entered in its registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:  # gates judge sealed measurements years later, without numpy and torch
    import torch
    from torch import nn

    from unlearning.domain import FloatArray, Outputs, ShadowOutputs, TrainingSets
    from unlearning.terms import Measurement, Verdict
    from unlearning.training.loop import Progress


class Method(Protocol):
    """An unlearning algorithm.

    needs: which of {"forget", "retain"} it reads; nothing else is handed to it. exact: whether its
    result is distributed as the retrained model. paper: where it comes from.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    exact: ClassVar[bool]

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Give a new network on the original's device and in its mode; never touch `original`."""

    def passes(self, forget: int, retain: int) -> int:
        """Count the examples passed forward and backward, for sets of these sizes.

        One passed forward alone, to a teacher or for a target, counts a third.
        """

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Give the method's own numbers for the evidence; none of them decides anything."""


class Attack(Protocol):
    """Something that scores examples; higher means more likely a member of the training set.

    runs: who asks for it: gates, commands and benchmarks, by `; `, or `library` where nobody does.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    runs: ClassVar[str]

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        """Score every example of `target`, (n,) float64."""


class Gate(Protocol):
    """One condition of release.

    needs: names of the measurements without which it says INCONCLUSIVE.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]]

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Say PASSED only if the whole interval is inside the limit."""

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Give the allowed range of each measurement that it bounds, for the reviewer's table."""
