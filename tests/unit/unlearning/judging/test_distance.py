"""The distance from passing: what the gates read, as one number that 0 divides as they do."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.toys import measurement
from unlearning.domain import Measurement, Outcome
from unlearning.gates.forgetting import DOORS, Forgetting
from unlearning.gates.integrity import Integrity
from unlearning.gates.utility import Utility
from unlearning.judging.distance import Distance, distance
from unlearning.statistics.intervals import FPRS

ROW = {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05}
GATES = (Integrity(), Utility(margin=0.05), Forgetting(limits_by_size=(ROW,)))


def measured(**other: Measurement) -> dict[str, Measurement]:
    """A candidate like a perfect retrain, but for what is given; the champion is at .8."""
    tails = {
        f"forget_tail_{side}@{fpr}": measurement(f"forget_tail_{side}@{fpr}", fpr, 0.0)
        for side in ("high", "low")
        for fpr in FPRS
    }
    found = {
        "finite_outputs": 1.0,
        "answered_classes": 10.0,
        "forget_auc": 0.5,
        **{f"door/{name}": 0.5 for name in DOORS},
        "memorised_auc": 0.5,
        "champion_auc": 0.8,
        "holdout_examples": 5000.0,
        "forget_subjects": 500.0,
        "holdout_learned": 0.0,
        "accuracy_drop": 0.0,
        "predicted_drop": 0.0,
        "seed_spread": 0.0,
        "test_classes": 0.0,
    }
    plain = {name: measurement(name, value) for name, value in found.items()}
    null = {"null_auc": measurement("null_auc", 0.5, 0.02, 16)}
    return {**plain, **tails, **null, **other}


def test_what_is_farthest_counts_in_units_of_what_its_limit_allows() -> None:
    """An AUC of .75 is .15 outside of .6, which allows .1; a drop of .2 is .15 outside of .05."""
    auc = measurement("forget_auc", 0.75)
    drop = measurement("accuracy_drop", 0.2)
    assert distance(measured(forget_auc=auc), GATES) == Distance("forget_auc", pytest.approx(1.5))
    both = measured(forget_auc=auc, accuracy_drop=drop)
    assert distance(both, GATES) == Distance("accuracy_drop", pytest.approx(3.0))


def test_a_perfect_candidate_is_inside_by_all_that_is_allowed() -> None:
    assert distance(measured(), GATES).value == pytest.approx(-1.0)


def test_both_sides_of_an_auc_count_and_the_end_of_the_interval() -> None:
    avoided = measured(forget_auc=measurement("forget_auc", 0.35, 0.02))
    assert distance(avoided, GATES) == Distance("forget_auc", pytest.approx(0.7))
    door = measured(**{"door/relearned": measurement("door/relearned", 0.62, 0.03)})
    assert distance(door, GATES) == Distance("door/relearned", pytest.approx(0.5))


def test_no_door_brings_a_candidate_nearer() -> None:
    """What is pruned by its answers alone could not have been the nearest."""
    forgetting = GATES[2]
    assert isinstance(forgetting, Forgetting)
    answers = (*GATES[:2], forgetting.by_answers())
    found = measured(forget_auc=measurement("forget_auc", 0.61))
    opened = found | {"door/refitted": measurement("door/refitted", 0.7)}
    assert distance(found, answers).value <= distance(opened, GATES).value
    shut = {k: v for k, v in found.items() if k not in NETWORK}
    assert distance(shut, answers) == distance(found, answers)


def test_missing_evidence_is_infinitely_far() -> None:
    lacking = {k: v for k, v in measured().items() if k != "door/moved"}
    assert distance(lacking, GATES) == Distance("door/moved", inf)
    broken = measured(forget_auc=Measurement("forget_auc", nan, 0, 1, 500))
    assert distance(broken, GATES).value == inf
    infinite = measured(finite_outputs=measurement("finite_outputs", 0.9))
    assert distance(infinite, GATES) == Distance("finite_outputs", inf)


def test_who_is_not_told_apart_from_the_champion_is_not_near() -> None:
    """A champion at .55 is inside the limits itself: the gate says that the test has no power."""
    weak = measured(
        forget_auc=measurement("forget_auc", 0.55), champion_auc=measurement("champion_auc", 0.55)
    )
    found = distance(weak, GATES)
    assert found == Distance("champion_auc", pytest.approx(0.0))
    assert GATES[2].judge(weak).outcome is Outcome.INCONCLUSIVE


NETWORK = ("door/refitted", "door/relearned", "door/moved")
intervals = st.tuples(st.floats(0.3, 0.75), st.floats(0.0, 0.1))


@given(
    st.fixed_dictionaries(
        {
            "forget_auc": intervals,
            "door/refitted": intervals,
            "door/relearned": intervals,
            "memorised_auc": intervals,
        }
    ),
    st.floats(0.0, 0.2),
    st.floats(0.0, 0.1),
)
def test_below_nothing_every_gate_passes(
    drawn: dict[str, tuple[float, float]], tail: float, drop: float
) -> None:
    """And above it one does not: it fails or cannot decide."""
    other = {name: measurement(name, *values) for name, values in drawn.items()}
    high, lost = "forget_tail_high@0.05", "accuracy_drop"
    found = measured(**other, **{high: measurement(high, tail), lost: measurement(lost, drop)})
    passed = all(gate.judge(found).outcome is Outcome.PASSED for gate in GATES)
    far = distance(found, GATES)
    if far.value < 0:
        assert passed
    elif far.value > 0 and far.worst != "memorised_auc":  # whose error the gate shares with doors
        assert not passed


def test_a_bank_that_cannot_judge_the_tenth_is_no_candidates_fault() -> None:
    nobody = measured(memorised_auc=Measurement("memorised_auc", nan, 0, 1, 50))
    assert distance(nobody, GATES).value == pytest.approx(-1.0)


def test_a_few_people_are_as_far_as_their_mean_score_is() -> None:
    """Unseen at 0 -+ .3; who saw half begins at .35 - .3 = .05, so .30 is .25 / .05 beyond it."""
    ranges = {"unseen": (0.0, 0.3), "half": (0.35, 0.3), "spread_unseen": (0.5, 0.2)}
    one = {f"mean_score_{k}": measurement(f"mean_score_{k}", *of, 32) for k, of in ranges.items()}
    one["forget_subjects"] = measurement("forget_subjects", 1.0)
    for name, value in (("", 0.3), ("/refitted", 0.0), ("/relearned", -0.1), ("_spread", 0.5)):
        one[f"mean_score{name}"] = measurement(f"mean_score{name}", value)
    one["mean_score_champion"] = measurement("mean_score_champion", 0.7)
    found = distance(measured(**one), GATES)
    assert found == Distance("mean_score", pytest.approx(5.0))
    without = {k: m for k, m in one.items() if k != "mean_score_unseen"}
    assert distance(measured(**without), GATES).value == inf
