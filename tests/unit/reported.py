"""What tests of reports share: evidence and an attempt worked out by hand, a reader of pages."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

from systems.report.plots import AttemptPicture
from unlearning.domain import Control, Decision, Measurement, Outcome, Verdict
from unlearning.famr.bounds import Evidence
from unlearning.famr.hessian import Curvature

VOID = {"meta", "img", "link"}
EVIDENCE = Evidence(
    stationarity_residual=0.4,
    distance=1.5,
    uniform_gap_max=0.9,
    uniform_gap_mean=0.2,
    objective=Curvature(-0.5, 30.0, 0.01, 0.8, 20, 2),
    training=Curvature(-3.25, 900.0, 0.01, 0.9, 20, 2),
    training_gradient=2.0,
    mismatch=1.25,
    lipschitz=70.0,
    anchor=0.1,
    rate=1e-4,
    decay=0.1,
    steps=40,
    whole=True,
)


class Balance(HTMLParser):
    """Follow the tags and keep what is wrong with them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)


def refused_attempt(rng: np.random.Generator) -> AttemptPicture:
    """A refused attempt on 40 examples of three classes, one without test examples."""
    return AttemptPicture(
        name="famr",
        exact=False,
        decision=Decision.REFUSED,
        verdicts=[
            Verdict("integrity", Outcome.PASSED, "all 300 outputs are finite"),
            Verdict("forgetting", Outcome.FAILED, "attack AUC 0.700 [0.650, 0.750] (n=40)"),
        ],
        measurements={
            "forget_auc": Measurement("forget_auc", 0.70, 0.65, 0.75, 40),
            "champion_auc": Measurement("champion_auc", 0.72, 0.66, 0.78, 40),
            "null_auc": Measurement("null_auc", 0.5, 0.45, 0.55, 32),
        },
        controls=[Control("untouched champion", "refused", "refused")],
        forget_scores=rng.normal(0.7, 1, 40),
        holdout_scores=rng.normal(0, 1, 200),
        champion_forget_scores=rng.normal(0.8, 1, 40),
        null_band=(0.45, 0.55),
        limits={"forget_auc": (0.4, 0.6)},
        classes=("cat", "dog", "eel"),
        class_accuracy_before=np.array([0.9, 0.8, np.nan]),
        class_accuracy_after=np.array([0.85, 0.82, np.nan]),
    )
