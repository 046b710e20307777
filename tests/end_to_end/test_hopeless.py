"""A rung is rehearsed, and left out where it is hopeless: planned, served and verified so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.commandline import Lethe
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import people_of

STRICT: dict[str, Any] = {**CHEAP, "hopeless": 0.5}
"""No test decides here on one person of a dozen digits: a perfect retrain would seldom pass."""


@pytest.mark.long
def test_a_rung_that_cannot_pass_is_planned_and_served_without(lethe: Lethe) -> None:
    (person,) = people_of(lethe.root, "train", 1)
    request = lethe.submit("--subject", person)
    lethe.adopt(lethe.write_policy(CHEAP))
    before = lethe("plan", request).json
    cheap, exact = before["ladder"]
    assert cheap["chance"] is None and cheap["at_most"]["high"] == before["power"]["high"]
    assert "skipped" not in cheap and before["assurance"] == ["A2", "A3"]
    assert exact["chance"]["of"] == "simulated retrains" and exact["assurance"] == "A3"
    assert before["collecting"] is None  # the log goes back for minutes

    size = str(before["examples"]["train"])
    tune = ("tune", "--method", "finetune", "--examples", size, "--repeat", "1")
    rehearsed = lethe(*tune).json
    assert rehearsed["chance"]["of"] == "rehearsals" and rehearsed["chance"]["n"] == 1
    assert lethe(*tune).json == rehearsed  # the same rehearsal is no second one
    assert lethe("plan", request).json["ladder"][0]["chance"] == rehearsed["chance"]
    lethe.change("training", "label_smoothing", 0.1)  # of such a training nothing is known
    assert lethe("plan", request).json["ladder"][0]["chance"] is None
    lethe.change("training", "label_smoothing", 0.0)

    refused = lethe.forget(request, "--method", "finetune", policy=STRICT, code=12)
    assert "hopeless" in refused.err and "without --method" in refused.err
    cheap, exact = lethe("plan", request).json["ladder"]
    assert cheap["skipped"].startswith("hopeless: of 400 simulated") and "skipped" not in exact

    found = lethe.forget(request, policy=STRICT).json
    assert [attempt["method"] for attempt in found["attempts"]] == ["retrain"]
    assert [one["method"] for one in found["not_tried"]] == ["finetune"]
    said = json.loads((Path(found["evidence"]) / "statement.json").read_text())
    assert said["forget_level"] == 0.95
    assert said["forget_set"]["chances"][0]["skipped"] == cheap["skipped"]
    assert lethe("verify", found["evidence"]).code == 0
    (run,) = (run for run in lethe("show", request).json["runs"] if run["decision"] == "released")
    assert run["not_tried"] == [f"finetune: {cheap['skipped']}"]
