"""The gates: what passes, what fails, and what cannot be decided."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.toys import measurement
from unlearning.contracts import Gate
from unlearning.domain import Decision, Measurement, Outcome, Verdict
from unlearning.errors import PolicyError, UsageError
from unlearning.gates import GATES
from unlearning.gates.bank import Bank
from unlearning.gates.deployed import Deployed, DeployedForgetting, marked
from unlearning.gates.forgetting import DOORS, Forgetting
from unlearning.gates.generated import Concept, GeneratedUtility, Recovered
from unlearning.gates.geometry import Geometry
from unlearning.gates.integrity import Integrity
from unlearning.gates.utility import Utility
from unlearning.judging.verdicts import (
    assurance,
    controls_of,
    decide,
    decide_run,
    gates_of,
    judge,
)
from unlearning.statistics.intervals import FPRS

LARGE = {"examples": 500, "holdout": 2000, "auc": 0.55, "tail": 0.05, "fpr": 0.01}
SMALL = {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05}
FORGETTING = Forgetting(limits_by_size=(LARGE, SMALL), smallest_bank=8)
GATES_BY_NAME: dict[str, Gate] = {
    "integrity": Integrity(),
    "utility": Utility(),
    "forgetting": FORGETTING,
    "bank": Bank(),
    "geometry": Geometry(),
    "concept": Concept(),
    "generated_utility": GeneratedUtility(),
    "recovery": Recovered(),
    "deployed": Deployed(forms=("int8",), gates=(Integrity(), Utility())),
    "deployed_forgetting": DeployedForgetting(forms=("int8",), gates=(FORGETTING,)),
}


def as_one(n: int) -> list[Measurement]:
    """The mean score of 1 person, as 32 shadows see it: 0 -+ .3 unseen, .7 -+ .3 seen."""
    return [
        measurement("mean_score", 0.02, 0, n),
        measurement("mean_score/refitted", 0.0, 0, n),
        measurement("mean_score/relearned", -0.05, 0, n),
        measurement("mean_score_spread", 0.5, 0, n),
        measurement("mean_score_champion", 0.68, 0, n),
        measurement("mean_score_unseen", 0.0, 0.3, 32),
        measurement("mean_score_half", 0.35, 0.3, 32),
        measurement("mean_score_seen", 0.7, 0.3, 32),
        measurement("mean_score_spread_unseen", 0.5, 0.2, 32),
        measurement("mean_score_odds", 2.0, 0, n),
        measurement("by_lineage", 0, 0, 1),
    ]


def generated() -> list[Measurement]:
    """What a generator measures that was trained without the class, beside three others."""
    found = [
        measurement("generated/FA/original", 0.99, 0.01, 100),
        measurement("generated/RA", 0.99, 0.01, 270),
        measurement("generated/RA/models", 0.99, 0.03, 3),
    ]
    drawn = [f"generated/{name}" for name in ("FA", "p", "entropy", "TV", "FD")]
    for name in (*drawn, *(f"generated/recovered/{attack}" for attack in Recovered().attacks)):
        found += [measurement(name, 0.2, 0.1, 100), measurement(f"{name}/models", 0.2, 0.3, 3)]
    return found


def good(n: int = 500, holdout: int = 5000) -> dict[str, Measurement]:
    """What an honest retrain of CIFAR-10 measures; the champion is far outside."""
    tails = [
        measurement(f"forget_tail_{side}@{fpr}", fpr, 0.01, n)
        for side in ("high", "low")
        for fpr in FPRS
    ]
    found = [
        measurement("finite_outputs", 1.0),
        measurement("answered_classes", 10),
        measurement("forget_auc", 0.505, 0.026, n),
        *tails,
        *(measurement(f"door/{name}", 0.505, 0.026, n) for name in DOORS),
        *as_one(n),
        measurement("memorised_auc", 0.51, 0.06, n // 10),
        measurement("champion_auc", 0.67, 0.026, n),
        measurement("null_auc", 0.50, 0.03, 16),
        measurement("bank_shadows", 16),
        measurement("holdout_examples", holdout),
        measurement("forget_subjects", n),
        measurement("holdout_learned", 0.01, 0.02, holdout),
        measurement("accuracy_drop", 0.01, 0.01, 5000),
        measurement("predicted_drop", 0.008, 0.001, 16),
        measurement("seed_spread", 0.004, 0, 16),
        measurement("test_classes", 2),
        measurement("class_drop/0", 0.01, 0.03, 500),
        measurement("class_drop/1", 0.02, 0.03, 500),
        measurement("forgotten_classes", 1, 0, 1000),
        measurement("class_out_models", 3, 0, 1000),
        measurement("mia_nn", 0.03, 0.03, 1000),
        measurement("class_tv", 0.26, 0.02, 1000),
        measurement("class_tv_null", 0.25, 0.02, 1000),
        *generated(),
    ]
    plain = {m.name: m for m in found}
    return plain | marked(plain, "int8")


def one_person(n: int = 12) -> dict[str, Measurement]:
    """The same of one person's pictures; no class is forgotten whole."""
    return good(n) | {
        "forget_subjects": measurement("forget_subjects", 1),
        "forgotten_classes": measurement("forgotten_classes", 0),
    }


def changed(name: str, value: float, reach: float = 0.0, **more: int) -> dict[str, Measurement]:
    measured = good(**more)
    return {**measured, name: measurement(name, value, reach, measured[name].n)}


def outcome(gate: str, measured: Mapping[str, Measurement]) -> Outcome:
    (verdict,) = judge(measured, [GATES_BY_NAME[gate]])
    return verdict.outcome


@pytest.mark.parametrize("gate", list(GATES))
def test_an_honest_retrain_passes(gate: str) -> None:
    assert outcome(gate, good()) is Outcome.PASSED


@pytest.mark.parametrize("gate", list(GATES))
def test_missing_or_unusable_evidence_is_never_a_pass(gate: str) -> None:
    for name in GATES_BY_NAME[gate].needs:
        missing = {k: m for k, m in good().items() if k != name}
        assert outcome(gate, missing) is Outcome.INCONCLUSIVE
        for bad in (math.nan, math.inf):
            assert outcome(gate, changed(name, bad)) is not Outcome.PASSED


@pytest.mark.parametrize(
    ("value", "reach", "expected"),
    [
        (0.505, 0.026, Outcome.PASSED),
        (0.54, 0.026, Outcome.INCONCLUSIVE),
        (0.60, 0.026, Outcome.FAILED),
        (0.46, 0.026, Outcome.INCONCLUSIVE),
        (0.40, 0.026, Outcome.FAILED),
    ],
)
def test_the_forgetting_gate_is_two_sided_and_decides_on_the_interval(
    value: float, reach: float, expected: Outcome
) -> None:
    assert outcome("forgetting", changed("forget_auc", value, reach)) is expected


@pytest.mark.parametrize("side", ["high", "low"])
def test_either_tail_alone_can_fail(side: str) -> None:
    assert outcome("forgetting", changed(f"forget_tail_{side}@0.01", 0.2, 0.03)) is Outcome.FAILED
    assert (
        outcome("forgetting", changed(f"forget_tail_{side}@0.01", 0.04, 0.03))
        is Outcome.INCONCLUSIVE
    )


def test_the_untouched_champion_never_passes_its_own_control() -> None:
    """Whatever it measures: were its AUC inside the limits, the test would have no power."""
    for auc in (0.50, 0.53, 0.56, 0.60, 0.70):
        measured = changed("champion_auc", auc, 0.02)
        measured["forget_auc"] = replace(measured["champion_auc"], name="forget_auc")
        assert outcome("forgetting", measured) is not Outcome.PASSED


def test_shadows_that_fail_themselves_make_the_test_void() -> None:
    measured = changed("null_auc", 0.62, 0.03)
    assert outcome("forgetting", measured) is Outcome.INCONCLUSIVE
    assert controls_of(measured, [FORGETTING])[1].kept is False


def test_too_small_a_bank_decides_nothing() -> None:
    measured = good()
    measured["null_auc"] = replace(measured["null_auc"], n=6)
    assert outcome("forgetting", measured) is Outcome.INCONCLUSIVE


def test_limits_follow_from_the_number_of_examples() -> None:
    assert FORGETTING.limit_for(500, 5000)[0].auc == 0.55
    assert FORGETTING.limit_for(500, 400)[0].auc == 0.60
    assert FORGETTING.limit_for(12, 5000)[1] is False


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("mean_score", 0.02, Outcome.PASSED),
        ("mean_score", 0.10, Outcome.INCONCLUSIVE),  # who saw half begins at .35 - .3
        ("mean_score", 0.68, Outcome.FAILED),
        ("mean_score", -0.35, Outcome.INCONCLUSIVE),
        ("mean_score", -0.68, Outcome.INCONCLUSIVE),  # avoided: no pass, and no proof
        ("mean_score/refitted", 0.68, Outcome.FAILED),
        ("mean_score/relearned", 0.2, Outcome.INCONCLUSIVE),
        ("mean_score_spread", 0.1, Outcome.PASSED),
        ("mean_score_spread", 1.2, Outcome.INCONCLUSIVE),  # half are surely mistaken, on average 0
        ("mean_score_champion", 0.2, Outcome.INCONCLUSIVE),  # no power
        ("mean_score_unseen", math.nan, Outcome.INCONCLUSIVE),
        ("forget_auc", 0.9, Outcome.PASSED),  # a single person's AUC says nothing
    ],
)
def test_one_person_is_judged_by_models(name: str, value: float, expected: Outcome) -> None:
    one = one_person()
    reach = 0.3 if name == "mean_score_unseen" else 0.0
    one |= {name: measurement(name, value, reach, one[name].n)}
    assert outcome("forgetting", one) is expected


@pytest.mark.parametrize("name", ["mean_score", "mean_score/refitted", "mean_score/relearned"])
@pytest.mark.parametrize(
    ("even", "score", "expected"),
    [
        (1.0, 0.5, Outcome.INCONCLUSIVE),  # beyond who saw nothing, far below who saw half
        (1.0, 0.99, Outcome.INCONCLUSIVE),
        (1.0, 1.01, Outcome.FAILED),
        (0.05, 0.3, Outcome.INCONCLUSIVE),  # not surely beyond who saw nothing
        (0.05, 0.5, Outcome.FAILED),
        (None, 0.5, Outcome.FAILED),  # evidence of before is judged as it was
    ],
)
def test_a_few_are_refused_only_where_half_is_nearer_than_nothing(
    name: str, even: float | None, score: float, expected: Outcome
) -> None:
    """Who saw nothing lies at 0 -+ .3; an exact retraining may lie beyond that by chance."""
    one = one_person() | {name: measurement(name, score, 0, 12)}
    one |= {"mean_score_champion": measurement("mean_score_champion", 2.0)}
    if even is not None:
        one |= {"mean_score_even": measurement("mean_score_even", even)}
    assert outcome("forgetting", one) is expected


@pytest.mark.parametrize(("n", "name"), [(12, "mean_score/refitted"), (500, "door/refitted")])
def test_of_a_network_that_broke_behind_a_door_it_is_said_so(n: int, name: str) -> None:
    found = (one_person() if n == 12 else good()) | {name: measurement(name, math.nan)}
    said = FORGETTING.judge(found)
    assert said.outcome is Outcome.INCONCLUSIVE
    assert f"{name} is no number: on the strangers" in said.reason


def test_who_saw_half_is_let_through_at_the_runs_share_of_the_error() -> None:
    """Three attempts share 5 %: the half's range widens from -+ .3 by 2.394 / 1.960."""
    one = one_person() | {"forget_level": measurement("forget_level", 1 - 0.05 / 3)}
    assert FORGETTING.limits(one)["mean_score"][1] == pytest.approx(0.35 - 0.3 * 2.394 / 1.96, 1e-3)


@pytest.mark.parametrize("name", ["mean_score", "mean_score/refitted", "mean_score/relearned"])
@pytest.mark.parametrize(
    ("score", "known", "expected"),
    [
        (-0.35, True, Outcome.PASSED),  # three lower ends hold together: -.3 times 2.394 / 1.960
        (-0.37, True, Outcome.INCONCLUSIVE),
        (-0.35, False, Outcome.INCONCLUSIVE),  # evidence of before is judged as it was
    ],
)
def test_lower_ends_hold_together_since_nobody_remembers_beyond_them(
    name: str, score: float, known: bool, expected: Outcome
) -> None:
    one = one_person() | {name: measurement(name, score, 0, 12)}
    one |= {"mean_score_even": measurement("mean_score_even", 0.17)} if known else {}
    assert outcome("forgetting", one) is expected


def test_a_class_that_is_forgotten_whole_is_not_judged_as_one() -> None:
    """Shadows saw half of it: who saw none of it is not foretold by them."""
    whole = good(n=12) | {"forgotten_classes": measurement("forgotten_classes", 1.0)}
    assert outcome("forgetting", whole) is Outcome.INCONCLUSIVE
    assert not FORGETTING.few(whole)


def test_seven_shadows_decide_about_nobody() -> None:
    one = one_person() | {"mean_score_unseen": measurement("mean_score_unseen", 0.0, 0.3, 7)}
    assert outcome("forgetting", one) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("n", [12, 500])
@pytest.mark.parametrize("why", ["by_lineage", "erased_mates"])
def test_being_avoided_proves_nothing_of_a_retraining_or_of_a_group(n: int, why: str) -> None:
    """Who remembers is refused all the same."""
    excused = {why: measurement(why, 1.0, 0.1), "forgotten_classes": measurement("none", 0.0)}
    low = changed("forget_auc", 0.35, 0.02, n=n) | {
        "forgotten_classes": measurement("forgotten_classes", 0.0),
        "mean_score": measurement("mean_score", -0.9, 0, n),
        "forget_tail_low@0.01": measurement("forget_tail_low@0.01", 0.5, 0.02, n),
        "door/relearned": measurement("door/relearned", 0.2, 0.02, n),
    }
    assert outcome("forgetting", low) is (Outcome.FAILED if n == 500 else Outcome.INCONCLUSIVE)
    assert outcome("forgetting", low | excused) is Outcome.INCONCLUSIVE
    high = changed("forget_auc", 0.65, 0.02, n=n) | {
        "forgotten_classes": measurement("forgotten_classes", 0.0),
        "mean_score": measurement("mean_score", 0.9, 0, n),
    }
    assert outcome("forgetting", high | excused) is Outcome.FAILED


def test_nobody_passes_who_forgot_a_batch_of_people_who_go_together() -> None:
    assert outcome("forgetting", good()) is Outcome.PASSED
    group = good() | {"erased_mates": measurement("erased_mates", 0.4, 0.05)}
    assert outcome("forgetting", group) is Outcome.INCONCLUSIVE


def test_a_network_that_answers_one_class_or_nan_fails_integrity() -> None:
    assert outcome("integrity", changed("answered_classes", 1)) is Outcome.FAILED
    assert outcome("integrity", changed("finite_outputs", 0.999)) is Outcome.FAILED


def test_where_one_of_two_classes_goes_an_honest_retrain_answers_the_other() -> None:
    """It was refused, exact or not, so that nobody could be forgotten with the class."""
    one = {name: measurement(name, 1) for name in ("answered_classes", "test_classes")}
    goes, stays = (measurement("forgotten_classes", k) for k in (1, 0))
    measured = one | {"finite_outputs": measurement("finite_outputs", 1)}
    gate = Integrity(classes=2)
    assert gate.judge(measured | {"forgotten_classes": goes}).outcome is Outcome.PASSED
    assert gate.judge(measured | {"forgotten_classes": stays}).outcome is Outcome.FAILED
    assert gate.limits(measured | {"forgotten_classes": goes})["answered_classes"][0] == 1
    two = {"test_classes": measurement("test_classes", 2)}
    assert gate.judge(measured | two | {"forgotten_classes": goes}).outcome is Outcome.FAILED


def test_utility_allows_what_an_honest_retrain_loses() -> None:
    """Limit: predicted .008 + 2 sqrt 2 x .004 + margin .01 = .0293."""
    limits = Utility().limits(good())
    assert limits["accuracy_drop"][1] == pytest.approx(0.008 + 2 * math.sqrt(2) * 0.004 + 0.01)
    assert outcome("utility", changed("accuracy_drop", 0.05, 0.01)) is Outcome.FAILED
    assert outcome("utility", changed("accuracy_drop", 0.025, 0.01)) is Outcome.INCONCLUSIVE
    assert outcome("utility", changed("accuracy_drop", -0.05, 0.01)) is Outcome.PASSED


def test_one_lost_class_fails_even_when_the_average_is_fine() -> None:
    assert outcome("utility", changed("class_drop/1", 0.4, 0.05)) is Outcome.FAILED


def test_small_classes_are_reported_not_gated_and_dropped_ones_noticed() -> None:
    measured = good()
    measured["class_drop/1"] = measurement("class_drop/1", 0.4, 0.3, n=30)
    assert outcome("utility", measured) is Outcome.PASSED
    del measured["class_drop/1"]
    assert outcome("utility", measured) is Outcome.INCONCLUSIVE


widths = st.floats(0, 0.3)


@given(value=st.floats(0.2, 0.8), reach=widths, wider=widths, tighter=st.floats(0.501, 0.55))
def test_wider_intervals_and_tighter_limits_never_help(
    value: float, reach: float, wider: float, tighter: float
) -> None:
    """Neither turns another outcome into PASSED, and tightening never leaves FAILED for PASSED."""
    plain = outcome("forgetting", changed("forget_auc", value, reach))
    wide = outcome("forgetting", changed("forget_auc", value, reach + wider))
    assert not (wide is Outcome.PASSED and plain is not Outcome.PASSED)
    strict = Forgetting(limits_by_size=({**LARGE, "auc": tighter}, SMALL))
    (verdict,) = judge(changed("forget_auc", value, reach), [strict])
    if plain is Outcome.FAILED:
        assert verdict.outcome is not Outcome.PASSED
    if verdict.outcome is Outcome.PASSED:
        assert plain is Outcome.PASSED


def verdicts(*outcomes: Outcome) -> list[Verdict]:
    names = ("integrity", "utility", "forgetting")
    return [Verdict(name, o, "") for name, o in zip(names, outcomes, strict=True)]


P, F, U = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("outcomes", "approximate", "exact"),
    [
        ((P, P, P), Decision.RELEASED, Decision.RELEASED),
        ((P, P, U), Decision.INCONCLUSIVE, Decision.RELEASED),
        ((P, P, F), Decision.REFUSED, Decision.REFUSED),
        ((P, U, P), Decision.INCONCLUSIVE, Decision.INCONCLUSIVE),
        ((P, F, U), Decision.REFUSED, Decision.REFUSED),
        ((U, P, P), Decision.INCONCLUSIVE, Decision.INCONCLUSIVE),
    ],
)
def test_lineage_excuses_an_undecided_forgetting_gate_and_nothing_else(
    outcomes: tuple[Outcome, ...], approximate: Decision, exact: Decision
) -> None:
    assert decide(verdicts(*outcomes), exact=False) is approximate
    assert decide(verdicts(*outcomes), exact=True) is exact


def test_no_verdicts_release_nothing() -> None:
    assert decide([], exact=True) is Decision.INCONCLUSIVE
    with pytest.raises(PolicyError, match="no gates"):
        judge(good(), [])


def test_a_policy_without_a_required_gate_is_refused() -> None:
    with pytest.raises(PolicyError, match="gates has no utility"):
        gates_of({"integrity": {}, "forgetting": {}})
    with pytest.raises(PolicyError, match="got none"):
        gates_of({"integrity": {}, "utility": {}, "forgetting": {"limits_by_size": []}})
    with pytest.raises(UsageError, match="no setting"):
        gates_of({"integrity": {"strength": 1}, "utility": {}, "forgetting": {}})


def test_meaningless_limits_are_refused() -> None:
    with pytest.raises(PolicyError, match=r"0\.5 < auc"):
        Forgetting(limits_by_size=[{**LARGE, "auc": 0.5}])
    with pytest.raises(PolicyError, match="expected"):
        Forgetting(limits_by_size=[{"auc": 0.6}])


RELEASED, REFUSED, OPEN = Decision.RELEASED, Decision.REFUSED, Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    ("attempts", "limits_hold", "decision"),
    [
        ([], False, Decision.PURGE),
        ([RELEASED], True, RELEASED),
        ([RELEASED], False, REFUSED),
        ([REFUSED, OPEN, RELEASED], True, RELEASED),
        ([OPEN, RELEASED], False, OPEN),
        ([RELEASED, REFUSED], True, REFUSED),
        ([RELEASED, OPEN], True, OPEN),
        ([OPEN, REFUSED], True, OPEN),
        ([REFUSED, REFUSED], True, REFUSED),
    ],
)
def test_a_run_is_released_by_its_last_attempt_and_a_second_opinion(
    attempts: list[Decision], limits_hold: bool, decision: Decision
) -> None:
    assert decide_run(attempts, limits_hold=limits_hold) is decision


def test_only_what_is_released_assures_anything() -> None:
    assert [assurance(d, exact=True) for d in Decision] == ["A3", *["A0"] * (len(Decision) - 1)]
    assert assurance(RELEASED, exact=False) == "A2"


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("few", [False, True])
def test_who_learned_the_strangers_is_refused_whoever_he_is(exact: bool, few: bool) -> None:
    """By more than the forget set may stand out: .05 with 500 examples, .10 with a few."""
    measured = one_person() if few else good()
    for value, reach, wanted in ((0.2, 0.05, Outcome.FAILED), (0.0, 0.02, Outcome.PASSED)):
        measured["holdout_learned"] = measurement("holdout_learned", value, reach)
        measured["by_lineage"] = measurement("by_lineage", float(exact))
        verdicts = judge(measured, [FORGETTING, Integrity()])
        assert verdicts[0].outcome is wanted
        decision = decide(verdicts, exact=exact)
        assert (decision is Decision.REFUSED) == (wanted is Outcome.FAILED)


def test_who_may_have_learned_the_strangers_is_not_let_pass() -> None:
    assert outcome("forgetting", changed("holdout_learned", 0.04, 0.02)) is Outcome.INCONCLUSIVE
    few = one_person() | {"holdout_learned": measurement("holdout_learned", 0.09, 0.02)}
    assert outcome("forgetting", few) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("value", "reach", "said"),
    [
        (0.80, 0.15, Outcome.FAILED),
        (0.60, 0.05, Outcome.INCONCLUSIVE),
        (0.60, 0.15, Outcome.PASSED),
        (0.30, 0.05, Outcome.PASSED),
        (math.nan, 0.05, Outcome.INCONCLUSIVE),
    ],
)
def test_a_few_whom_training_lifts_above_strangers_do_not_pass(
    value: float, reach: float, said: Outcome
) -> None:
    """To who never saw them they are strangers, so that .5 is where they lie; .6 is the limit."""
    moved = {"door/moved": measurement("door/moved", value, reach)}
    assert outcome("forgetting", {**one_person(), **moved}) is said


@pytest.mark.parametrize("odd", ["int8", [], 3, None, ["fp4"], [["int8"]], [{"int8": 1}]])
def test_forms_that_are_none_are_told_in_one_line(odd: Any) -> None:
    with pytest.raises(PolicyError, match=r"deployed\.forms: got .*, expected some of"):
        Deployed(forms=odd)
