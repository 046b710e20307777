"""The drift budget: how far approximate releases may lead away from the last exact training."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor
from typing import Any

from ledger.replay.drift import Drift
from unlearning.settings import at_least, between


@dataclass(frozen=True)
class Budget:
    """How much a policy lets be forgotten approximately; the defaults hold where it says nothing.

    releases: approximate releases at most since the last exact training. share: of the training
    examples of then, at most so many forgotten by them. A fifth is about twice what the tables of
    docs/results forget at once.
    """

    releases: int = field(default=5, metadata=at_least(0))
    share: float = field(default=0.20, metadata=between(0, 1))

    def told(self, spent: Drift, forgets: int, training_set: int) -> dict[str, Any]:
        """Say what is spent and left before a run, and whether it may try exact methods only.

        forgets: training examples that the run forgets. training_set: those of the data version,
        these included; with those that were forgotten since, they are those of the last exact
        training. words: all that in one line.
        """
        training = training_set + spent.examples
        allowed = floor(self.share * training + 1e-9)  # 0.29 * 100 is a little less than 29
        left = Drift(max(0, self.releases - spent.releases), max(0, allowed - spent.examples))
        exceeded = forgets > 0 and (not left.releases or forgets > left.examples)
        words = (
            f"{spent.releases} of {self.releases} approximate releases since the last exact "
            f"training, {spent.examples} of {allowed} examples ({self.share:.4g} of {training}) "
            "forgotten by them"
        )
        beyond = f"; {forgets} more would exceed that: exact methods only"
        return {
            "releases": spent.releases,
            "examples": spent.examples,
            "training": training,
            "left": {"releases": left.releases, "examples": left.examples},
            "exact_only": exceeded,
            "words": words + beyond if exceeded else words,
        }
