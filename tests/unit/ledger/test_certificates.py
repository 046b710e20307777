"""A downdated head is exact if it has a certificate, and somebody signed for its backbone."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.chain import Entry
from ledger.replay.certificates import BACKBONE, objections

SAID = Entry(1, "", "2026-01-01T00:00:00+00:00", BACKBONE, BACKBONE, {}, "", "")


def attempt(bound: Any = 1e-9, tolerance: Any = 1e-6, **changed: Any) -> dict[str, Any]:
    settings, report = {"tolerance": tolerance}, {"distance_bound": bound}
    made = {"method": "head_downdate", "sha256": "0" * 64, "settings": settings, "report": report}
    return made | changed


@pytest.mark.parametrize(
    "wrong",
    [
        attempt(bound=1e-5),
        attempt(bound=-1.0),
        attempt(bound=float("nan")),
        attempt(bound=None),
        attempt(tolerance=None),
        attempt(report={}),
        attempt(report=None),
        attempt(settings="none"),
    ],
)
def test_an_attempt_without_a_certificate_is_a_problem(wrong: dict[str, Any]) -> None:
    assert [line[:10] for line in objections([attempt(), wrong], [SAID])] == ["attempt 2:"]


def test_what_needs_none_is_none() -> None:
    others = [attempt(), attempt(report=None, method="retrain"), attempt(report=None, sha256=None)]
    assert list(objections(others, [SAID])) == []


def test_a_backbone_that_nobody_speaks_for_is_a_problem() -> None:
    (line,) = objections([attempt()], [])
    assert line == "attempt 1: the log has no statement that the backbone never saw the data"
