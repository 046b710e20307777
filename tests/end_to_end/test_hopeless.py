"""A rung that rehearsals show to be hopeless is not tried: planned, served and verified so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.end_to_end.commandline import Lethe
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import people_of

STRICT: dict[str, Any] = {**CHEAP, "hopeless": 0.99}
"""One try that fails is enough: its exact interval ends at 97.5 %."""


def test_a_rung_that_failed_its_rehearsal_is_planned_and_served_without(lethe: Lethe) -> None:
    (person,) = people_of(lethe.root, "train", 1)
    request = lethe.submit("--subject", person)
    lethe.adopt(lethe.write_policy(STRICT))
    before = lethe("plan", request).json
    assert [rung["chance"] for rung in before["ladder"][:1]] == [None]
    assert before["cheapest_start"]["method"] == "finetune"
    assert before["assurance"] == ["A2", "A3"] and before["collecting"] is None

    size = str(before["examples"]["train"])
    tune = ("tune", "--method", "finetune", "--examples", size, "--repeat", "1")
    rehearsed = lethe(*tune).json
    assert rehearsed["chance"]["of"] == "rehearsals" and rehearsed["chance"]["n"] == 1
    assert rehearsed["chance"]["value"] == 0.0
    assert lethe(*tune).json == rehearsed  # the same rehearsal is no second one

    cheap, exact = lethe("plan", request).json["ladder"]
    assert cheap["skipped"].startswith("hopeless: 0% of 1 rehearsals") and "skipped" not in exact
    assert exact["chance"]["of"] == "simulated retrains" and exact["assurance"] == "A3"

    refused = lethe.forget(request, "--method", "finetune", policy=STRICT, code=12)
    assert "hopeless" in refused.err and "without --method" in refused.err

    found = lethe.forget(request, policy=STRICT).json
    assert [attempt["method"] for attempt in found["attempts"]] == ["retrain"]
    assert [one["method"] for one in found["not_tried"]] == ["finetune"]
    said = json.loads((Path(found["evidence"]) / "statement.json").read_text())
    assert said["forget_level"] == 0.95 and "skipped" in said["forget_set"]["chances"][0]
    assert lethe("verify", found["evidence"]).code == 0
    (run,) = (run for run in lethe("show", request).json["runs"] if run["decision"] == "released")
    assert run["not_tried"][0].startswith("finetune: hopeless")
