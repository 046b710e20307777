"""A bundle is held to the drift budget of its policy, counted again in the log that it carries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli.work.rejudging import judged_again
from ledger.chain import Entry, Verification
from ledger.evidence import Sealed
from ledger.keyring import Keyring
from ledger.replay.bundles import Bundle
from ledger.replay.drift import Drift
from systems.settings.budget import Budget
from systems.settings.params import read_params
from systems.settings.policy import load_policy
from systems.settings.workspace import TEMPLATES
from unlearning.digests import sha256_file

RUN, REQUEST = "run-2", "req-2"
LADDER = [{"method": "finetune"}, {"method": "retrain"}]
FORGETS, TRAINING_SET = 10, 990
EARLIER_FORGOT = 10


def log(first: str, extracted: dict[str, Any]) -> tuple[Entry, ...]:
    """Version 1 was replaced by version 2 by this first method; now a run begins from that."""
    told: list[tuple[str, str, dict[str, Any]]] = [
        ("step", "run-1/extracted", {"train": EARLIER_FORGOT}),
        ("step", "run-1/decided", {"method": first}),
        ("step", "run-1/promoted", {"version": 2, "parent": 1}),
        ("run_started", f"{RUN}/started", {"run": RUN, "requests": [REQUEST]}),
        ("step", f"{RUN}/begun", {"parent": 2, "parent_sha256": "ab"}),
        ("step", f"{RUN}/extracted", extracted),
    ]
    return tuple(Entry(n, "", "", *one, "", "") for n, one in enumerate(told, 1))


def bundle(folder: Path, drift: dict[str, Any], tried: str, first: str) -> Bundle:
    """A run that released a candidate of the method `tried`. Signatures are others' business."""
    (folder / "params.yaml").write_bytes((TEMPLATES / "params.yaml").read_bytes())
    extracted = {"train": FORGETS, "training_set": TRAINING_SET, "drift": drift}
    statement = {
        "run": RUN,
        "requests": [REQUEST],
        "policy_sha256": sha256_file(folder / "policy.yaml"),
        "params_sha256": sha256_file(folder / "params.yaml"),
        "only_method": None,
        "earlier_attempts": {"attempts": 0, "approximate": 0, "outside": 0},
        "forget_set": extracted,
        "attempts": [
            {"method": tried, "settings": {}, "exact": False, "sha256": "cd", "decision": "refused"}
        ],
        "limit_expectations": {"success": True},
        "decision": "refused",
        "assurance": "A0",
        "candidate": {"sha256": None},
    }
    nothing_wrong = Verification(("all",), ())
    sealed = Sealed(statement, "", log(first, extracted), nothing_wrong, Keyring(()), Keyring(()))
    return Bundle(sealed, {}, nothing_wrong)


@pytest.mark.parametrize(
    ("budget", "first", "tried", "said"),
    [
        ({"releases": 2, "share": 0.02}, "finetune", "finetune", None),
        ({"releases": 1, "share": 0.02}, "finetune", "finetune", "expected exact methods: 1 of 1"),
        ({"releases": 1, "share": 0.02}, "finetune", "retrain", None),
        ({"releases": 1, "share": 0.02}, "retrain", "finetune", None),
        # 20 of 1,000 by two releases are beyond 19
        ({"releases": 2, "share": 0.019}, "finetune", "finetune", "10 of 19 examples"),
        # a policy from before has the defaults: 5 releases and a fifth
        (None, "finetune", "finetune", None),
    ],
)
def test_approximate_attempts_beyond_the_budget_are_found(
    tmp_path: Path, budget: dict[str, Any] | None, first: str, tried: str, said: str | None
) -> None:
    write_policy(tmp_path, budget)
    spent = Drift() if first == "retrain" else Drift(1, EARLIER_FORGOT)
    told = load_policy(tmp_path / "policy.yaml").drift.told(spent, FORGETS, TRAINING_SET)
    problems = about_budget(judged_again(bundle(tmp_path, told, tried, first), tmp_path))
    assert (problems == []) if said is None else any(said in line for line in problems)


def test_a_count_that_the_log_contradicts_is_found(tmp_path: Path) -> None:
    """The run says that nothing had been spent; the log has a release of finetune before it."""
    write_policy(tmp_path, {"releases": 1, "share": 0.5})
    told = Budget(1, 0.5).told(Drift(), FORGETS, TRAINING_SET)
    problems = about_budget(judged_again(bundle(tmp_path, told, "finetune", "finetune"), tmp_path))
    assert [line.split(":")[0] for line in problems] == ["forget_set.drift", "attempts"]


def test_a_rung_that_is_left_out_must_be_hopeless_by_the_log(tmp_path: Path) -> None:
    """The run says that none of 36 rehearsals passed, and spent no error; the log has none."""
    write_policy(tmp_path, {"releases": 5, "share": 0.5})
    rules = load_policy(tmp_path / "policy.yaml")
    told = rules.drift.told(Drift(1, EARLIER_FORGOT), FORGETS, TRAINING_SET)
    stated = bundle(tmp_path, told, "retrain", "finetune")
    (chance,) = rules.chances((), FORGETS, likewise=False)
    made_up = {"value": 0.0, "low": 0.0, "high": 0.097, "n": 36, "of": "rehearsals"}
    extracted = {**stated.first.statement["forget_set"], "likewise": False}
    for claimed, problems in (
        (chance, []),
        ({**chance, "chance": made_up, "skipped": "hopeless"}, ["forget_set.chances"]),
    ):
        extracted["chances"] = [claimed]
        stated.first.statement["forget_set"] = extracted
        first = replace(stated.first, entries=log("finetune", extracted))
        found = judged_again(replace(stated, first=first), tmp_path)
        assert not any("cannot be judged again" in line for line in found), found
        assert [line.split(":")[0] for line in found if "chances" in line] == problems


def test_conditions_are_those_of_the_bundles_params(tmp_path: Path) -> None:
    """Whoever notes others would have evidence counted that was found under others."""
    write_policy(tmp_path, {"releases": 5, "share": 0.5})
    rules = load_policy(tmp_path / "policy.yaml")
    told = rules.drift.told(Drift(1, EARLIER_FORGOT), FORGETS, TRAINING_SET)
    stated = bundle(tmp_path, told, "retrain", "finetune")
    own = read_params(tmp_path / "params.yaml").conditions
    extracted = {**stated.first.statement["forget_set"], "likewise": False, "chances": []}
    for claimed, problems in ((own, 0), ({**own, "bank": "another"}, 1)):
        noted = {**extracted, "conditions": claimed}
        first = replace(stated.first, entries=log("finetune", noted))
        found = judged_again(replace(stated, first=first), tmp_path)
        assert not any("cannot be judged again" in line for line in found), found
        assert sum(line.startswith("forget_set.conditions") for line in found) == problems


def test_who_asks_what_is_hopeless_is_told_of_each_rung(tmp_path: Path) -> None:
    """A run that counts nothing under such a policy would try what the policy leaves out."""
    write_policy(tmp_path, {"releases": 5, "share": 0.5}, hopeless=0.1)
    told = Budget(5, 0.5).told(Drift(1, EARLIER_FORGOT), FORGETS, TRAINING_SET)
    stated = bundle(tmp_path, told, "finetune", "finetune")
    extracted = {**stated.first.statement["forget_set"], "likewise": False}
    first = replace(stated.first, entries=log("finetune", extracted))
    found = judged_again(replace(stated, first=first), tmp_path)
    assert [line.split(":")[0] for line in found if "chances" in line] == ["forget_set.chances"]


def test_a_run_that_spends_more_than_is_left_is_found(tmp_path: Path) -> None:
    """Its request's first run spent 5 %; this one says so, and tries finetune all the same."""
    write_policy(tmp_path, {"releases": 5, "share": 0.5})
    told = Budget(5, 0.5).told(Drift(1, EARLIER_FORGOT), FORGETS, TRAINING_SET)
    spent = {"attempts": 0, "approximate": 0, "outside": 0, "spent": 0.05}
    found = judged_again(after_another(tmp_path, told, spent), tmp_path)
    assert not any("cannot be judged again" in line for line in found), found
    assert not any(line.startswith("earlier_attempts") for line in found), found
    assert any("may err in 10.00%, expected at most 5%" in line for line in found), found
    assert any("is not the policy's rung, retrain" in line for line in found), found


def test_a_run_that_does_not_count_what_is_spent_is_none_of_before(tmp_path: Path) -> None:
    """Others before it in the log did count."""
    write_policy(tmp_path, {"releases": 5, "share": 0.5})
    told = Budget(5, 0.5).told(Drift(1, EARLIER_FORGOT), FORGETS, TRAINING_SET)
    silent = {"attempts": 0, "approximate": 0, "outside": 0}
    found = judged_again(after_another(tmp_path, told, silent), tmp_path)
    assert any(line.startswith("earlier_attempts: got") for line in found), found


def after_another(folder: Path, drift: dict[str, Any], earlier: dict[str, Any]) -> Bundle:
    """A run that tried finetune, after one over the same request from another champion did."""
    stated = bundle(folder, drift, "finetune", "finetune")
    stated.first.statement["earlier_attempts"] = earlier
    counts = {"earlier": {"attempts": 0, "approximate": 0, "outside": 0, "spent": 0.0}}
    told: list[tuple[str, str, dict[str, Any]]] = []
    for run, begun in (
        ("run-0", {"parent_sha256": "no", "level": 0.95, **counts}),
        (RUN, {"parent": 2, "parent_sha256": "ab", "level": 0.95, "earlier": earlier}),
    ):
        judged = {"decision": "refused", "sha256": "cd"}
        told += [
            ("run_started", f"{run}/started", {"run": run, "requests": [REQUEST]}),
            ("step", f"{run}/begun", begun),
            ("step", f"{run}/unlearned-0", {"method": "finetune", "sha256": "cd"}),
            ("step", f"{run}/judged-0", judged),
        ]
    known = log("finetune", stated.first.statement["forget_set"])
    own = [(e.event, e.key, dict(e.body)) for e in known if "begun" not in e.key]
    order = [*own[:3], *told[:4], *told[4:6], own[-1], *told[6:]]
    entries = tuple(Entry(n, "", "", *one, "", "") for n, one in enumerate(order, 1))
    return replace(stated, first=replace(stated.first, entries=entries))


def write_policy(
    folder: Path, budget: dict[str, Any] | None, *, hopeless: float | None = None
) -> None:
    gates = yaml.safe_load((TEMPLATES / "policy.yaml").read_text())["gates"]
    drift = {} if budget is None else {"drift": budget}
    asked = {} if hopeless is None else {"hopeless": hopeless}
    tree = {"attempts": 2, "ladder": LADDER, "gates": gates} | drift | asked
    (folder / "policy.yaml").write_text(yaml.safe_dump(tree))


def about_budget(problems: list[str]) -> list[str]:
    assert not any("cannot be judged again" in line for line in problems), problems
    return [line for line in problems if "drift" in line or "exact methods" in line]
