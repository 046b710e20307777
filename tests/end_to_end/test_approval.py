"""A class goes only with a person's word: the run waits for it, and the workspace is free."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests import browser
from tests.end_to_end.commandline import Answer, Lethe
from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.test_bad_input import assert_one_line
from tests.end_to_end.traces import people_of
from tests.looking import looking

USAGE, REFUSED, DENIED, WAITS = 2, 10, 12, 13
ASKING: dict[str, Any] = {
    **CHEAP,
    "ladder": [{"method": "retrain"}],
    "approval": {"class": True},
}


@dataclass(frozen=True)
class Asked:
    """A class that was to be forgotten, and the run that waits for a person's word on it."""

    lethe: Lethe
    request: str
    champion: dict[str, Any]
    answer: Answer


@pytest.fixture(scope="module")
def asked(make_lethe: MakeLethe) -> Asked:
    lethe = make_lethe("asked")
    request, champion = lethe.submit("--class", "3"), lethe.champion()
    planned = lethe("plan", request).json
    assert planned["approval"] == ["1 class(es) are forgotten whole"]
    (out,) = planned["references"]
    assert (out["what"], out["models"]) == ("class-out models", 3)
    rungs = [row["estimated_seconds"] for row in planned["ladder"] if not row.get("skipped")]
    told = sum(rungs) + out["estimated_seconds"]
    assert out["estimated_seconds"] > 0 and planned["estimated_seconds"] == pytest.approx(
        told, abs=1
    )
    return Asked(lethe, request, champion, lethe.forget(request, policy=ASKING, code=WAITS))


@browser.needed
def test_prefects_page_of_the_run_shows_what_was_done_and_what_is_asked(
    asked: Asked, prefect_api: str
) -> None:
    run = str(asked.answer.json["run"])
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as client:
        named = FlowRunFilter(name=FlowRunFilterName(any_=[run]))
        (flow_run,) = client.read_flow_runs(
            flow_run_filter=named, sort=FlowRunSort.NAME_ASC, limit=2
        )
    pages = prefect_api.removesuffix("/api")
    own = f"{pages}/v2/runs/flow-run/{flow_run.id}"
    with looking() as look, look.at(own) as page:
        page.get_by_role("tab", name="Task Runs").click()
        for step in ("ask persons", "judge 1: retrain", "unlearn 1: retrain"):
            page.get_by_text(step, exact=True).first.wait_for()
        page.get_by_role("tab", name="Artifacts").click()
        for kind, key, words in (
            ("TABLE", f"{run}-verdicts", "too few to decide"),
            ("MARKDOWN", f"{run}-question", "Asked because 1 class(es) are forgotten whole"),
            ("PROGRESS", f"{run}-training", "100%"),
            ("MARKDOWN", run, "Not decided yet."),
        ):
            page.get_by_role("link", name=re.compile(rf"^{kind}\s+{key}\s")).click()
            page.locator("main a[href*='/artifacts/artifact/']").first.click()
            page.get_by_text(words).first.wait_for()
            page.locator(f"main a[href$='{flow_run.id}']").first.click()
            page.wait_for_url(f"{own}*")
            page.get_by_role("tab", name="Artifacts").click()


def test_a_class_goes_once_somebody_else_has_approved_it(asked: Asked) -> None:
    lethe, request, champion = asked.lethe, asked.request, asked.champion
    answer = asked.answer
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


@pytest.mark.long
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
