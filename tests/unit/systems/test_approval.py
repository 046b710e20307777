"""What a policy sends to a person: the rule, and how a policy writes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from systems.settings.approval import Approval, Facts, InClass, Skew
from systems.settings.checking import build
from systems.settings.policy import load_policy
from systems.settings.policy_changes import changes
from systems.settings.workspace import TEMPLATES
from tasks.approval.facts import facts_of
from unlearning.errors import PolicyError
from unlearning.judging.verdicts import held_back

RELEASED = Facts(0, 10, 1000, {"loss": 0.01}, released=True, held_back=False)
HELD = replace(RELEASED, released=False, held_back=True)
ALL = Approval(True, 0.2, 0.02, True)
OF_9000 = replace(RELEASED, training_set=9000)
SKEW = Approval(skew=Skew(times=3, examples=100))


@pytest.mark.parametrize(
    ("rules", "facts", "persons"),
    [
        (Approval(), replace(RELEASED, whole_classes=9, forgets=999), None),
        (ALL, RELEASED, None),
        (ALL, replace(RELEASED, whole_classes=1), 1),
        (ALL, replace(RELEASED, going_classes=1), 1),  # a few of it stay
        (ALL, replace(RELEASED, forgets=200), None),  # the share itself is within
        (ALL, replace(RELEASED, forgets=201), 1),
        (ALL, replace(RELEASED, losses={"loss": 0.02}), None),
        (ALL, replace(RELEASED, losses={"loss": 0.021}), 1),
        (ALL, replace(RELEASED, losses={"loss": 0.0, "predicted": None}), 1),  # missing: no pass
        (ALL, replace(RELEASED, losses={"loss": float("nan")}), 1),
        # 300 of 1,000 are of a class that is 10 % of the data: three times as much, and no more
        (
            SKEW,
            replace(RELEASED, forgets=1000, training_set=9000, in_class=InClass(300, 900)),
            None,
        ),
        (SKEW, replace(OF_9000, forgets=1000, in_class=InClass(301, 900)), 1),
        (SKEW, replace(OF_9000, forgets=99, in_class=InClass(99, 900)), None),
        (SKEW, replace(OF_9000, forgets=100, in_class=InClass(100, 900)), 1),
        (SKEW, replace(RELEASED, forgets=0, in_class=None), None),
        # Of two classes as large none is three times its half; the other is less than a third of
        # its: 66 of 400 are 16.5 %, 67 are 16.75 %, and a sixth are 16.67 %.
        (SKEW, replace(OF_9000, forgets=400, in_class=InClass(334, 4500)), 1),
        (SKEW, replace(OF_9000, forgets=400, in_class=InClass(333, 4500)), None),
        (SKEW, replace(OF_9000, forgets=200, in_class=InClass(200, 4500)), 1),
        # Of a class that is 99 % of the data chance leaves out all others: two were to be expected.
        (SKEW, replace(OF_9000, forgets=200, in_class=InClass(200, 8910)), None),
        (ALL, HELD, 2),
        (replace(ALL, refused_retrain=False), HELD, None),
        (replace(ALL, refused_retrain=False), replace(HELD, whole_classes=1), None),
        (ALL, replace(HELD, held_back=False, whole_classes=1), None),  # nothing to approve
    ],
)
def test_who_is_asked(rules: Approval, facts: Facts, persons: int | None) -> None:
    asked = rules.question(facts)
    assert (asked.persons if asked else None) == persons
    assert asked is None or (asked.override is (persons == 2) and all(asked.reasons))


@pytest.mark.parametrize(
    ("outcomes", "exact", "held"),
    [
        ({"integrity": "PASSED", "utility": "FAILED", "forgetting": "PASSED"}, True, True),
        ({"integrity": "PASSED", "utility": "INCONCLUSIVE", "forgetting": "PASSED"}, True, True),
        # lineage stands in for a forgetting gate that cannot decide, never for one that failed
        ({"integrity": "PASSED", "utility": "FAILED", "forgetting": "INCONCLUSIVE"}, True, True),
        ({"integrity": "PASSED", "utility": "FAILED", "forgetting": "FAILED"}, True, False),
        ({"integrity": "FAILED", "utility": "FAILED", "forgetting": "PASSED"}, True, False),
        ({"integrity": "INCONCLUSIVE", "utility": "FAILED", "forgetting": "PASSED"}, True, False),
        ({"integrity": "PASSED", "utility": "PASSED", "forgetting": "FAILED"}, True, False),
        ({"integrity": "PASSED", "utility": "FAILED", "forgetting": "PASSED"}, False, False),
        ({"utility": "FAILED"}, True, False),
        ({}, True, False),
    ],
)
def test_the_utility_of_a_retrain_is_all_that_persons_may_override(
    outcomes: dict[str, str], exact: bool, held: bool
) -> None:
    assert held_back(outcomes, exact=exact) is held


def test_facts_are_of_the_last_attempt() -> None:
    verdicts = [
        {"gate": gate, "outcome": outcome}
        for gate, outcome in (("integrity", "PASSED"), ("utility", "FAILED"))
    ]
    row = {"name": "accuracy_drop", "value": 0.3, "low": 0.2, "high": 0.4, "n": 9}
    last = {"decision": "refused", "exact": True, "verdicts": verdicts, "measurements": [row]}
    forget_set = {"whole_classes": 0, "train": 5, "training_set": 50}
    found = facts_of(forget_set, [{"decision": "inconclusive"}, last], limits_hold=True)
    assert (found.released, found.held_back, found.forgets) == (False, True, 5)
    assert list(found.losses.values()) == [0.3, None]
    other = facts_of(forget_set, [last], limits_hold=False)
    assert not other.held_back  # the second opinion found something else


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"class": 1}, "approval.class: got 1, expected true or false"),
        ({"skew": {"times": 0.5, "examples": 9}}, "approval.skew.times: got 0.5, expected 1"),
        ({"skew": 3}, "expected the keys times, examples"),
        ({"share": 1.5}, "approval.share: got 1.5, expected 0"),
        ({"whole": True}, "unknown key 'whole', expected one of class, share"),
        ([], "expected the keys class, share, utility_loss, refused_retrain, skew"),
        (None, "expected the keys"),
    ],
)
def test_a_section_that_cannot_be_used_is_refused(section: Any, said: str) -> None:
    with pytest.raises(PolicyError, match=r"policy\.yaml: approval") as caught:
        build(Approval, section, "policy.yaml: approval", defaults=True)
    assert said in str(caught.value)


def test_a_policy_that_says_nothing_asks_nobody_and_the_shipped_one_asks(tmp_path: Path) -> None:
    shipped = load_policy(TEMPLATES / "policy.yaml")
    assert shipped.approval == Approval(True, share=0.2, skew=Skew(times=3, examples=100))
    tree = yaml.safe_load((TEMPLATES / "policy.yaml").read_text())
    del tree["approval"]
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(tree))
    without = load_policy(path)
    assert without.approval == Approval()
    assert changes(without, shipped) == [
        "approval.class: false -> true (stricter)",
        "approval.share: null -> 0.2",
        'approval.skew: null -> {"times": 3.0, "examples": 100}',
    ]


def test_the_reason_names_the_class_where_nothing_is_logged_and_counts_elsewhere() -> None:
    """80 of 100 are 80 %; 900 of 9,000 are 10 %: eight times as much."""
    rules = Approval(skew=Skew(times=3, examples=50))
    (told,) = rules.foreseen(0, 100, 9000, InClass(80, 900, "cat"))
    assert told == (
        "80 of 100 examples that are forgotten are of class cat (80.0%), which is 10.0% of the "
        "training examples: more than 3 times as much"
    )
    (logged,) = rules.foreseen(0, 100, 9000, InClass(80, 900))
    assert "of one class (80.0%)" in logged
    (half,) = rules.foreseen(0, 200, 9000, InClass(190, 4500))
    assert half.endswith("all others have less than their share by more than 3 times")


def test_of_a_class_that_goes_whole_is_asked_once() -> None:
    rules = Approval(whole_class=True, skew=Skew(times=3, examples=50))
    assert rules.foreseen(1, 900, 9000, InClass(900, 900)) == ("1 class(es) are forgotten whole",)
