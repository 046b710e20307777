"""What tests of reports share: FAMR's evidence worked out by hand, and a reader of pages."""

from __future__ import annotations

from html.parser import HTMLParser

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
