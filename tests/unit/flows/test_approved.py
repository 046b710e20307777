"""A release is held to the question that its policy puts, from its bundle and from the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli.work.approved import answer_to, misasked, question_of
from ledger.chain import Entry
from ledger.replay.approvals import miscounted
from ledger.replay.drift import Line
from ledger.replay.statements import Journal
from systems.settings.policy import load_policy
from systems.settings.workspace import TEMPLATES, Workspace
from tasks.approval.unasked import unasked
from unlearning.digests import sha256_file

RUN = "run-1"
PASSED = [{"gate": g, "outcome": "PASSED"} for g in ("integrity", "utility", "forgetting")]
ONE_CLASS = {"whole_classes": 1, "train": 10, "training_set": 100}
QUESTION = {"reasons": ["1 class(es) are forgotten whole"], "persons": 1, "override": False}


def log(*told: tuple[str, str, dict[str, Any]]) -> tuple[Entry, ...]:
    """These entries, each hashed by its key."""
    return tuple(Entry(n, "", "", *one, one[1], "") for n, one in enumerate(told, 1))


def step(name: str, **body: Any) -> tuple[str, str, dict[str, Any]]:
    return "step", f"{RUN}/{name}", body


def word(reviewer: str) -> tuple[str, str, dict[str, Any]]:
    body = {"reviewer": reviewer, "answer": "approved", "override": False, "reason": "read it"}
    return "approval", f"{RUN}/approval/9", {**body, "question": f"{RUN}/proposed"}


def policy(folder: Path, approval: dict[str, Any] | None) -> Path:
    tree = yaml.safe_load((TEMPLATES / "policy.yaml").read_text())
    del tree["approval"]
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(tree | ({"approval": approval} if approval else {})))
    return path


def statement(forget_set: dict[str, Any]) -> dict[str, Any]:
    attempt = {"decision": "released", "exact": True, "verdicts": PASSED, "measurements": []}
    held = {"success": True}
    return {"attempts": [attempt], "forget_set": forget_set, "limit_expectations": held}


@pytest.mark.parametrize(
    ("approval", "put", "said"),
    [
        ({"class": True}, QUESTION, None),
        (None, None, None),
        ({"share": 0.2}, None, None),
        ({"class": True}, None, "nobody was asked, the policy asks because 1 class"),
        (None, QUESTION, "was asked for, the policy asks nobody"),
        ({"class": True}, {**QUESTION, "persons": 0}, "was not asked as the policy does"),
        ({"utility_loss": 0.02}, None, "the measured loss of test accuracy is not known"),
    ],
)
def test_a_bundle_asks_what_its_policy_asks(
    tmp_path: Path, approval: dict[str, Any] | None, put: dict[str, Any] | None, said: str | None
) -> None:
    rules = load_policy(policy(tmp_path, approval))
    journal = Journal(RUN, log(*([step("proposed", **put)] if put else [])))
    problems = list(misasked(question_of(statement(ONE_CLASS), rules), journal))
    assert (problems == []) if said is None else any(said in line for line in problems)


@pytest.mark.parametrize(
    ("reviewer", "decision"), [("dpo", "released"), ("jane", "refused"), (None, "refused")]
)
def test_only_the_word_of_another_makes_a_release(reviewer: str | None, decision: str) -> None:
    words = [] if reviewer is None else [word(reviewer)]
    told = [step("begun", operator="jane"), step("proposed", **QUESTION), *words, step("decided")]
    assert answer_to(Journal(RUN, log(*told))) == decision


@pytest.mark.parametrize(
    ("approval", "forget_set", "asked", "found"),
    [
        ({"class": True}, ONE_CLASS, False, "nobody was asked although 1 class(es)"),
        ({"class": True}, ONE_CLASS, True, None),
        ({"class": True}, {**ONE_CLASS, "whole_classes": 0}, False, None),
        (
            {"class": True},
            {**ONE_CLASS, "whole_classes": 0, "going_classes": 1},
            False,
            "1 class(es) go",
        ),
        ({"share": 0.05}, ONE_CLASS, False, "10 of 100 training examples"),
        ({"class": True}, {"train": 1, "training_set": 9}, False, "the log does not tell"),
        (None, ONE_CLASS, False, None),
    ],
)
def test_the_log_shows_a_release_that_nobody_was_asked_about(
    tmp_path: Path,
    approval: dict[str, Any] | None,
    forget_set: dict[str, Any],
    asked: bool,
    found: str | None,
) -> None:
    ws = Workspace.at(tmp_path)
    digest = sha256_file(policy(tmp_path, approval))
    ws.policies.mkdir(parents=True)
    (tmp_path / "policy.yaml").rename(ws.policies / f"{digest}.yaml")
    told = [step("begun", policy=digest), step("extracted", **forget_set)]
    told += [step("proposed", **QUESTION)] if asked else []
    problems = list(unasked(ws, log(*told, step("promoted", version=2, parent=1))))
    assert (problems == []) if found is None else found in problems[0]


def released(number: int, parent: int, method: str, **extracted: Any) -> list[Any]:
    """A run's steps; its release makes the version after its parent."""
    told = {"begun": {"parent": parent}, "extracted": {"whole_classes": 0, **extracted}}
    approval = {"answers": []} if method == "approved" else None
    told |= {"decided": {"method": method, "approval": approval}}
    told |= {"promoted": {"version": parent + 1, "parent": parent}}
    return [("step", f"run-{number}/{name}", body) for name, body in told.items()]


def counted(examples: int, before: int, left: int, **told: Any) -> dict[str, Any]:
    since = {"examples": before, "training": left + before}
    return {"train": examples, "training_set": left, "since_approved": since, **told}


@pytest.mark.parametrize(
    ("first", "told", "found"),
    [
        # 15 and 10 of 100 are a quarter, each alone is within a fifth
        ("finetune", counted(10, 15, 85, of_classes={}), "although 25 of 100 training examples"),
        ("retrain", counted(10, 15, 85, of_classes={}), "although 25 of 100 training examples"),
        ("approved", counted(10, 0, 85, of_classes={}), None),
        ("finetune", counted(10, 0, 85, of_classes={}), "the log has 15"),  # it hides them
        ("finetune", {"train": 10, "training_set": 85}, None),  # of before they were added up
    ],
)
def test_the_log_adds_up_what_was_released_since_a_person_approved(
    tmp_path: Path, first: str, told: dict[str, Any], found: str | None
) -> None:
    digest = sha256_file(policy(tmp_path, {"share": 0.2}))
    ws = Workspace.at(tmp_path)
    ws.policies.mkdir(parents=True)
    (tmp_path / "policy.yaml").rename(ws.policies / f"{digest}.yaml")
    runs = [*released(1, 1, first, **counted(15, 0, 100)), *released(2, 2, "finetune", **told)]
    entries = [(e, k, b | ({"policy": digest} if "begun" in k else {})) for e, k, b in runs]
    problems = list(unasked(ws, log(*entries)))
    assert (problems == []) if found is None else found in problems[0]


@pytest.mark.parametrize(
    ("told", "right"),
    [
        ({"of_classes": {"x": 60}, "in_class_since": {"class": "x", "forgets": 120}}, True),
        ({"of_classes": {"x": 60}, "in_class_since": {"class": "x", "forgets": 60}}, False),
        ({"of_classes": {"x": 60}}, False),
        # of y alone is little forgotten, of x 119: it names the wrong one
        (
            {"of_classes": {"x": 59, "y": 1}, "in_class_since": {"class": "y", "forgets": 1}},
            False,
        ),
        ({"of_classes": {"y": 60}}, True),
        ({"of_classes": {}}, False),
    ],
)
def test_what_is_added_up_by_class_is_added_up_again(told: dict[str, Any], right: bool) -> None:
    before = released(1, 1, "finetune", **counted(60, 0, 900, of_classes={"x": 60}))
    line = Line.of(log(*before, *released(2, 2, "finetune", **counted(60, 60, 840, **told))))
    assert (list(miscounted(line, "run-2", 100)) == []) is right


def test_what_was_rolled_back_is_gone_all_the_same() -> None:
    first = released(1, 1, "finetune", **counted(15, 0, 100, of_classes={"x": 15}))
    back = ("rolled_back", "rollback/9", {"version": 1, "parent": 2})
    *told, _ = released(2, 1, "finetune", **counted(10, 15, 85, of_classes={"x": 10}))
    again = ("step", "run-2/promoted", {"version": 3, "parent": 1})
    line = Line.of(log(*first, back, *told, again))
    assert list(miscounted(line, "run-2", None)) == []
    assert (line.forgotten("run-2").examples, line.forgotten().classes) == (15, {"x": 25})
