"""What the simulation takes from results that were measured before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.pages.results import load, there
from unlearning.errors import UsageError

WHOLE_RUNS = ("whole-omniglot-before", "whole-cifar10-before")
APPROXIMATE = "finetune"


@dataclass(frozen=True)
class Measured:
    """Numbers with the results that they come from.

    retraining, downdating: processor seconds of a network on 10,000 images, and of taking somebody
    out of a ridge head on a backbone (head.json). approximate: seconds of fine-tuning relative to
    retraining in whole runs, and how many of how many were released.
    """

    retraining: float
    downdating: float
    approximate: float
    released: int
    tried: int

    def as_record(self) -> dict[str, Any]:
        """Give it for a result's settings."""
        return asdict(self)


def measured() -> Measured:
    """Read the results; UsageError where they are not, as in an installed package."""
    for name in (name for name in ("head", *WHOLE_RUNS) if not there(name)):
        raise UsageError(
            f"benchmarks/results/{name}.json: is not there, expected what a year is reckoned from: "
            "run it from a checkout, which has it"
        )
    head = load("head")["rows"]
    one = next(r for r in head["costs"] if (r["head"], r["taken out"]) == ("ridge", 1))
    ratios, released = [], []
    for attempts in (run["attempts"] for name in WHOLE_RUNS for run in load(name)["rows"][1:]):
        by = {attempt["method"]: attempt for attempt in attempts}
        ratios.append(by[APPROXIMATE]["seconds"] / by["retrain"]["seconds"])
        released.append(by[APPROXIMATE]["decision"] == "released")
    return Measured(
        retraining=head["whole network"]["processor_seconds"],
        downdating=one["downdated"]["processor_seconds"],
        approximate=round(sum(ratios) / len(ratios), 3),
        released=sum(released),
        tried=len(released),
    )
