"""Audits, one file each; importing this package registers them all.

An audit measures what is no score per example. Its measurements go into the evidence; whether a
gate reads them is the policy's affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np

from unlearning.domain import Measurement, Outputs
from unlearning.registry import Registry


class Audit(Protocol):
    """Something that compares candidates with models that never saw the forget set.

    runs: who asks for it: gates, commands and benchmarks, by `; `.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    runs: ClassVar[str]

    def measure(
        self,
        candidates: Sequence[Outputs],
        references: Sequence[Outputs],
        rng: np.random.Generator,
    ) -> list[Measurement]:
        """Measure them; raises UsageError where there are too few to say anything.

        candidates: one, or several of the same method, of which some audits need a distribution.
        references: retrained without the forget set. All answer the same examples in the same
        order.
        """


AUDITS: Registry[Audit] = Registry("audit")

from unlearning.audits import class_geometry, margins, ulira  # noqa: E402, F401
