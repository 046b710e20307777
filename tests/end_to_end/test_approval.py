"""A class goes only with a person's word: the run waits for it, and the workspace is free."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.end_to_end.commandline import Lethe
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.test_bad_input import assert_one_line
from tests.end_to_end.traces import people_of

USAGE, REFUSED, DENIED, WAITS = 2, 10, 12, 13
ASKING: dict[str, Any] = {
    **CHEAP,
    "ladder": [{"method": "retrain"}],
    "approval": {"class": True},
}


def test_a_class_goes_once_somebody_else_has_approved_it(lethe: Lethe) -> None:
    request, champion = lethe.submit("--class", "3"), lethe.champion()
    assert lethe("plan", request).json["approval"] == ["1 class(es) are forgotten whole"]
    answer = lethe.forget(request, policy=ASKING, code=WAITS)
    found = answer.json
    assert (found["decision"], found["assurance"]) == ("awaiting_approval", "A0")
    assert found["states"] == {request: "awaiting_approval"}
    assert "1 class(es) are forgotten whole" in answer.err
    assert (Path(found["evidence"]) / "report.html").is_file()
    assert lethe.champion() == champion
    assert not (lethe.root / "evidence" / found["run"]).exists()
    assert not (lethe.root / "records" / "suppression.jsonl").exists()
    (row,) = lethe("list", "requests").json["requests"]
    operator = found["approval"]["question"].partition("the operator ")[2].partition(":")[0]
    assert row["waits_for"] == f"0 of 1 approvals; not by {operator}"
    again = lethe.forget(request, policy=ASKING, code=WAITS).json
    assert (again["run"], again["attempts"]) == (found["run"], found["attempts"])

    yes = ("approve", request, "--reason", "the lab wants it gone")
    assert_one_line(lethe(*yes, code=USAGE), "--reviewer")
    assert_one_line(lethe(*yes, "--reviewer", operator, code=DENIED), "the operator who started")
    assert lethe(*yes, "--reviewer", "dpo").json["approval"]["given"] == ["dpo"]
    released = lethe.forget(request, policy=ASKING).json
    assert (released["run"], released["decision"]) == (found["run"], "released")
    bundle = Path(released["evidence"])
    stated = json.loads((bundle / "statement.json").read_text())["approval"]
    assert [(one["reviewer"], one["answer"]) for one in stated["answers"]] == [("dpo", "approved")]
    assert "approved by dpo: the lab wants it gone" in (bundle / "report.html").read_text()
    assert lethe("verify", str(bundle)).json["problems"] == []
    assert lethe("verify", "--log").json["ok"]


def test_who_waits_holds_up_nobody_and_a_changed_champion_means_a_new_judgement(
    lethe: Lethe,
) -> None:
    waits = lethe.submit("--class", "3")
    first = lethe.forget(waits, policy=ASKING, code=WAITS).json
    other = lethe.submit("--subject", *people_of(lethe.root, "train", 1))
    served = lethe.forget("--all", policy=ASKING).json
    assert (served["requests"], served["decision"]) == ([other], "released")
    second = lethe.forget(waits, policy=ASKING, code=WAITS).json
    assert second["run"] != first["run"]

    no = ("approve", waits, "--refuse", "--reviewer", "legal", "--reason", "a lawsuit over it")
    assert lethe(*no).json["approval"]["refused"]
    refused = lethe.forget(waits, policy=ASKING, code=REFUSED).json
    assert (refused["run"], refused["states"]) == (second["run"], {waits: "accepted"})
    assert lethe("verify", refused["evidence"]).json["problems"] == []
    assert lethe.champion()["version"] == served["champion"]["version"]
    shown = lethe("show", waits).json
    assert "refused by legal: a lawsuit over it" in shown["reason"]
    assert_one_line(lethe.forget("--all", policy=ASKING, code=DENIED), "legal refused its release")
    assert lethe("deny", waits, "--reason", "art. 17(3)(e)").json["state"] == "denied"
    assert lethe("verify", "--log").json["ok"]


def test_two_persons_override_the_utility_of_a_retrain(lethe: Lethe) -> None:
    """With so few test examples a class the gate on utility cannot tell."""
    unsure = {"margin": 0.0, "class_margin": 0.0, "class_examples": 1}
    policy: dict[str, Any] = {
        **ASKING,
        "attempts": 1,
        "gates": {**CHEAP["gates"], "utility": unsure},
        "approval": {"refused_retrain": True},
    }
    request = lethe.submit("--subject", *people_of(lethe.root, "train", 1))
    found = lethe.forget(request, policy=policy, code=WAITS).json
    (attempt,) = found["attempts"]
    assert attempt["decision"] in ("refused", "inconclusive")
    assert (found["approval"]["persons"], found["approval"]["override"]) == (2, True)
    for reviewer in ("dpo", "head-of-research"):
        lethe("approve", request, "--override", "--reviewer", reviewer, "--reason", "good enough")
    released = lethe.forget(request, policy=policy).json
    assert (released["decision"], released["assurance"]) == ("released", "A3")
    assert lethe("verify", released["evidence"]).json["problems"] == []
    assert lethe("verify", "--log").json["ok"]
