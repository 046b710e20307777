"""`lethe audit`, and a class that is forgotten under a policy that looks at its geometry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.commandline import Lethe, subjects
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import canary_of, naming, people_of
from unlearning.digests import canonical_json, sha256_hex

DENIED = 12
CLASS = "3"
GEOMETRY: dict[str, Any] = {"geometry": {"models": 3, "tolerance": 0.6}}
RETRAIN: dict[str, Any] = {**CHEAP, "ladder": [{"method": "retrain"}]}


def test_an_audit_measures_says_what_it_cannot_and_decides_nothing(lethe: Lethe) -> None:
    people = people_of(lethe.root, "train", 3)
    canary = canary_of(lethe.root, people)
    request = lethe.submit(*subjects(people))
    before = lethe.champion()
    found = lethe("audit", "--request", request).json

    for row in found["audits"]:
        assert bool(row["measurements"]) is (row["not_measured"] is None)
    reasons = {row["audit"]: row["not_measured"] for row in found["audits"]}
    missing = {"class_geometry", "klom", "collateral_erased_before"}
    assert {audit for audit, reason in reasons.items() if reason} == missing
    assert "no class is forgotten whole" in reasons["class_geometry"]
    measured = {m["name"]: m for row in found["audits"] for m in row["measurements"]}
    pair = measured["pair_auc/holdout"]  # the champion is its own original: nothing dropped
    assert pair["value"] == 0.5 and pair["reference_low"] < pair["reference_high"]
    assert measured["moved/body"]["value"] == 0.0
    assert measured["moved/body"]["inside"] == "below"

    assert lethe.champion() == before
    assert lethe("show", request).json["state"] == "accepted"
    assert naming(canary, lethe.root / "artifacts" / "audits", lethe.root / "records") == []
    assert_logged(lethe, found, times=1)
    again = lethe("audit", "--request", request).json  # the models are there, the report is too
    assert (again["sha256"], again["references"]) == (found["sha256"], found["references"])
    assert_logged(lethe, found, times=1)
    assert lethe("verify", "--log").json["ok"]

    assert lethe.forget(request).json["decision"] == "released"
    answer = lethe("audit", "--request", request, code=DENIED)
    assert "its examples were erased by run-" in answer.err


def assert_logged(lethe: Lethe, found: dict[str, Any], *, times: int) -> None:
    """The log has the digest of the report, whose bytes are those that were hashed."""
    path = Path(found["report"])
    content = path.read_bytes()
    assert sha256_hex(content) == found["sha256"]
    assert canonical_json(json.loads(content)) == content
    logged = [entry["body"] for entry in lethe.entries() if entry["event"] == "audited"]
    assert [body["report"] for body in logged] == [found["sha256"]] * times
    assert set(logged[0]) == {"request", "candidate", "original", "data_version", "report"}


@pytest.mark.long
def test_a_class_is_held_to_class_out_models_where_the_policy_asks(lethe: Lethe) -> None:
    """Where it does not ask, the report says in words that nothing of it was measured."""
    request = lethe.submit("--class", CLASS)
    silent = lethe.forget(request, "--method", "finetune", code=None).json
    (attempt,) = silent["attempts"]
    assert silent["decision"] != "released" and "geometry" in attempt["not_measured"][0]
    page = (Path(silent["evidence"]) / "report.html").read_text()
    assert "the policy has no gate `geometry`" in page

    policy = {**RETRAIN, "gates": {**CHEAP["gates"], **GEOMETRY}}
    found = lethe.forget(request, policy=policy).json
    released = found["attempts"][-1]
    assert (found["decision"], found["assurance"]) == ("released", "A3")
    assert len(set(released["class_out_models"]["sha256"])) == 3
    outcome = {verdict["gate"]: verdict["outcome"] for verdict in released["verdicts"]}
    assert outcome["geometry"] in ("PASSED", "INCONCLUSIVE")
    sealed = json.loads((Path(found["evidence"]) / "attempts.json").read_text())
    names = {m["name"]: m["value"] for m in sealed[-1]["measurements"]}
    assert (names["forgotten_classes"], names["class_out_models"]) == (1, 3)
    assert {"mia_nn", "class_tv", "class_tv_null"} <= set(names)
    keys = [entry["key"] for entry in lethe.entries()]
    assert keys.count(f"{found['run']}/class-out-models") == 1
    assert lethe("verify", found["evidence"]).json["ok"]
    assert not (lethe.root / "artifacts" / "trained").exists()


def test_nobody_is_asked_about_geometry_where_no_class_is_forgotten_whole(lethe: Lethe) -> None:
    request = lethe.submit(*subjects(people_of(lethe.root, "train", 1)))
    policy = {**CHEAP, "gates": {**CHEAP["gates"], **GEOMETRY}}
    path = lethe.write_policy(policy)
    found = lethe("judge", "--request", request, "--version", "1", "--policy", path, code=None).json
    (said,) = (v for v in found["verdicts"] if v["gate"] == "geometry")
    assert (said["outcome"], said["reason"][:14]) == ("PASSED", "does not apply")
    assert "not_measured" not in found and "class_out_models" not in found
