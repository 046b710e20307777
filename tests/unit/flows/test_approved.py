"""A release is held to the question that its policy puts, from its bundle and from the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli.work.approved import answer_to, misasked, question_of
from ledger.chain import Entry
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
    problems = list(unasked(ws, log(*told, step("promoted", version=2))))
    assert (problems == []) if found is None else found in problems[0]
