"""Requests that follow one another: what adds up, and who may ask how often."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.commandline import Lethe, subjects
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import people_of

DENIED, REFUSED, INCONCLUSIVE = 12, 10, 11


@dataclass(frozen=True)
class TakenAsExact:
    """Let a method's candidates be released whatever the forgetting gate cannot see.

    Networks trained for seconds, a bank of eight and a dozen pictures let no approximate method
    pass; what comes after one that did is asked about here.
    """

    method: str

    def arm(self) -> None:
        from tasks import unlearn

        unlearn.EXACT = unlearn.EXACT | {self.method}


def statement(found: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((Path(found["evidence"]) / "statement.json").read_text())
    return read


def tried(found: dict[str, Any]) -> list[str]:
    return [attempt["method"] for attempt in found["attempts"]]


@pytest.mark.long
def test_when_the_drift_budget_is_used_up_only_retraining_is_left(
    lethe: Lethe,
) -> None:
    people = people_of(lethe.root, "train", 2)
    first, second = (lethe.submit("--subject", person) for person in people)
    asks = {"skew": {"times": 3, "examples": 100_000}}  # about no class, but all are counted
    policy = {**CHEAP, "drift": {"releases": 1, "share": 0.5}, "approval": asks}
    found = lethe.forget(first, policy=policy, killer=TakenAsExact("finetune")).json
    assert (tried(found), found["decision"]) == (["finetune"], "released")
    assert (found["drift"]["releases"], found["drift"]["exact_only"]) == (0, False)
    forgot = statement(found)["forget_set"]
    gone, classes = forgot["train"], forgot["of_classes"]

    plan = lethe("plan", second).json
    assert [rung["method"] for rung in plan["ladder"]] == ["retrain"]
    assert plan["drift"]["left"]["releases"] == 0 and plan["drift"]["examples"] == gone
    assert "exact methods only" in plan["drift"]["words"]

    refused = lethe.forget(second, "--method", "finetune", policy=policy, code=DENIED)
    assert "1 of 1 approximate releases" in refused.err and "without --method" in refused.err
    assert lethe("show", second).json["state"] == "accepted"

    found = lethe.forget(second, policy=policy).json
    assert (tried(found), found["assurance"]) == (["retrain"], "A3")
    after = statement(found)["forget_set"]
    assert found["drift"] == plan["drift"] == after["drift"]
    assert (sum(classes.values()), sum(after["of_classes"].values())) == (gone, after["train"])
    assert {*classes} & {*after["of_classes"]}  # a class has one token until an approval
    assert lethe("verify", found["evidence"]).json["ok"]
    assert lethe("show", second).json["runs"][-1]["drift"] == plan["drift"]["words"]


def test_every_judgement_from_outside_is_logged_counted_and_shares_the_error(lethe: Lethe) -> None:
    """The count is of the policy in force, whatever the candidate is judged by. The same bytes
    twice are one candidate: with the ladder's one approximate rung two share 5 %."""
    request = lethe.submit(*subjects(people_of(lethe.root, "train", 2)))
    policy = {**CHEAP, "judgements": 2}
    lethe.adopt(lethe.write_policy(policy))
    words = ["judge", "--request", request, "--version", "1"]
    for count in (1, 2):
        answer = lethe(*words, code=None)
        assert answer.code in (REFUSED, INCONCLUSIVE)
        levels = [m["value"] for m in answer.json["measurements"] if m["name"] == "forget_level"]
        assert (answer.json["judgements"], levels) == (count, [0.975])
    champion = lethe.champion()["sha256"]
    told = [e["body"] for e in lethe.entries() if e["event"] == "judgement"]
    assert [(b["request"], b["candidate"], b["champion"]) for b in told] == [
        (request, champion, champion)
    ] * 2
    loose = lethe.write_policy({**CHEAP, "judgements": 99})
    refused = lethe(*words, "--policy", loose, code=DENIED)
    assert "got 2 judgements" in refused.err and len(refused.err.splitlines()) == 1
    assert lethe("show", request).json["judgements"] == 2

    found = lethe.forget(request, policy=policy).json
    said = statement(found)
    assert said["judgements"] == {request: 2}
    assert said["earlier_attempts"] == {
        "attempts": 0,
        "approximate": 0,
        "outside": 1,
        "spent": 0.025,
    }
    assert said["forget_level"] == 0.975
    assert lethe("verify", found["evidence"]).json["ok"]
