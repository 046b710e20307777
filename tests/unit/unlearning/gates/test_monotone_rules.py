"""Knowing less, or asking for more, never helps a candidate: the gates and the decision together.

Every rule is tried on measurements around those of an honest retrain, near enough to all limits
that about as many are released as are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.toys import measurement
from unlearning.domain import Decision, Measurement, Outcome
from unlearning.errors import PolicyError
from unlearning.gates.forgetting import DOORS, Forgetting
from unlearning.judging.verdicts import decide, gates_of, judge
from unlearning.statistics.intervals import FPRS

Measured = dict[str, Measurement]
Rules = dict[str, Any]

POLICY: Rules = {
    "integrity": {"classes": 2},
    "utility": {"margin": 0.02, "class_margin": 0.10, "class_examples": 200},
    "forgetting": {
        "smallest_bank": 8,
        "limits_by_size": [
            {"examples": 500, "holdout": 2000, "auc": 0.55, "tail": 0.05, "fpr": 0.01},
            {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05},
        ],
    },
    "geometry": {"models": 3, "tolerance": 0.10},
}
UTILITY, FORGETTING = POLICY["utility"], POLICY["forgetting"]
ROWS = FORGETTING["limits_by_size"]
TAILS = tuple(f"forget_tail_{side}@{fpr}" for side in ("high", "low") for fpr in FPRS)

# What is measured, around which value, within which reach of it, and with which interval at most.
AROUND: dict[str, tuple[float, float, float]] = {
    "finite_outputs": (1.0, 0.0, 0.0),
    "answered_classes": (3.0, 2.0, 0.0),
    "forget_auc": (0.5, 0.08, 0.05),
    **{name: (float(name[-4:]), 0.02, 0.04) for name in TAILS},
    **{f"door/{name}": (0.5, 0.06, 0.05) for name in DOORS},
    "memorised_auc": (0.5, 0.3, 0.2),
    "champion_auc": (0.60, 0.10, 0.05),
    "null_auc": (0.5, 0.06, 0.08),
    "holdout_examples": (2000.0, 1800.0, 0.0),
    "forget_subjects": (300.0, 299.0, 0.0),
    "bank_shadows": (10.0, 6.0, 0.0),
    "holdout_learned": (0.0, 0.12, 0.05),
    "accuracy_drop": (0.01, 0.03, 0.02),
    "predicted_drop": (0.008, 0.01, 0.005),
    "seed_spread": (0.004, 0.004, 0.0),
    "test_classes": (2.0, 0.0, 0.0),
    "class_drop/0": (0.02, 0.1, 0.06),
    "class_drop/1": (0.02, 0.1, 0.06),
    "forgotten_classes": (1.0, 0.0, 0.0),
    "class_out_models": (4.0, 2.0, 0.0),
    "mia_nn": (0.05, 0.05, 0.05),
    "class_tv": (0.25, 0.06, 0.04),
    "class_tv_null": (0.22, 0.04, 0.04),
}
NAMES = tuple(AROUND)
NEAR = (
    *("forget_auc", "champion_auc", "null_auc", "accuracy_drop", "class_drop/0", TAILS[0]),
    *("mia_nn", "class_tv", "class_tv_null"),
)
"""Those whose neighbourhood decides most often."""

eighths = st.integers(-8, 8).map(lambda k: k / 8)


def rate(m: Measurement) -> Measurement:
    """Keep a true-positive rate and its interval above 0."""
    value, low, high = (max(end, 0.0) for end in (m.value, m.low, m.high))
    return Measurement(m.name, value, low, high, m.n) if m.name in TAILS else m


def measured_at(name: str, far: float, wide: float) -> Measurement:
    """Give a measurement so far from its middle (-1 to 1), with so wide an interval (0 to 1)."""
    value, away, reach = AROUND[name]
    n = {"null_auc": 16, "class_drop/1": 150}.get(name, 250)
    return rate(measurement(name, value + far * away, reach * wide, n))


@st.composite
def candidates(draw: st.DrawFn, always: str | None = None) -> Measured:
    """Draw the measurements of a candidate, all harmless but for three at most."""
    found = {name: measured_at(name, 0.0, 0.5) for name in NAMES}
    first = st.just(always) if always else st.sampled_from(NEAR)
    for name in draw(st.tuples(first, st.sampled_from(NEAR), st.sampled_from(NAMES))):
        found[name] = measured_at(name, draw(eighths), abs(draw(eighths)))
    examples = draw(st.sampled_from([600, 600, 150, 150, 90]))
    scored = draw(st.sampled_from([16, 16, 16, 7]))
    for name in ("forget_auc", *TAILS):
        found[name] = replace(found[name], n=examples)
    return {**found, "null_auc": replace(found["null_auc"], n=scored)}


def decision(measured: Mapping[str, Measurement], rules: Rules, *, exact: bool) -> Decision:
    return decide(judge(measured, gates_of(rules)), exact=exact)


def released(measured: Mapping[str, Measurement], rules: Rules = POLICY) -> bool:
    return decision(measured, rules, exact=False) is Decision.RELEASED


def wider(m: Measurement, by: float, side: str) -> Measurement:
    low, high = (by if side in (end, "both") else 0.0 for end in ("low", "high"))
    return replace(m, low=m.low - low, high=m.high + high)


UNKNOWN: dict[str, Callable[[Measurement], Measurement]] = {
    "value": lambda m: replace(m, value=math.nan),
    "low": lambda m: replace(m, low=math.nan),
    "high": lambda m: replace(m, high=math.nan),
    "all": lambda m: replace(m, value=math.nan, low=math.nan, high=math.nan),
    "infinite": lambda m: replace(m, high=math.inf),
}


def harmless() -> Measured:
    """Give a candidate in the middle of everything, every class with enough test examples."""
    found = {name: replace(measured_at(name, 0.0, 0.5), n=600) for name in NAMES}
    return {**found, "null_auc": replace(found["null_auc"], n=16)}


some = st.sets(st.sampled_from(NAMES), min_size=1, max_size=3)


@pytest.mark.parametrize("name", NEAR)
@settings(max_examples=250)
@given(
    data=st.data(),
    others=some,
    by=st.integers(0, 16).map(lambda k: k / 64),
    side=st.sampled_from(["low", "high", "both"]),
)
def test_wider_intervals_release_nothing_more(
    name: str, data: st.DataObject, others: set[str], by: float, side: str
) -> None:
    measured = data.draw(candidates(name))
    for wide in ({name}, {name} | others):
        doubtful = {n: wider(m, by, side) if n in wide else m for n, m in measured.items()}
        assert released(measured) or not released(doubtful)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_released_without_all_measurements(name: str) -> None:
    assert released(harmless())
    assert not released({n: m for n, m in harmless().items() if n != name})


@pytest.mark.parametrize("how", UNKNOWN)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_released_on_what_is_not_a_number(name: str, how: str) -> None:
    measured = harmless()
    assert not released({**measured, name: UNKNOWN[how](measured[name])})


@given(measured=candidates(), names=some, how=st.sampled_from(["drop", *UNKNOWN]))
def test_knowing_less_releases_nothing_more(measured: Measured, names: set[str], how: str) -> None:
    """Nor does it where a class, for its few test examples, is reported and not gated."""
    if how == "drop":
        less = {n: m for n, m in measured.items() if n not in names}
    else:
        less = {n: UNKNOWN[how](m) if n in names else m for n, m in measured.items()}
    assert released(measured) or not released(less)


def tightened(place: str, by: float) -> Rules:
    """Ask for more in one place: move its limit by so much (0 to 1) of the way that there is."""
    if place == "class_examples":
        return {**POLICY, "utility": {**UTILITY, place: round(UTILITY[place] * (1 - by))}}
    if place in ("margin", "class_margin"):
        return {**POLICY, "utility": {**UTILITY, place: UTILITY[place] * (1 - by)}}
    if place == "tolerance":
        return {**POLICY, "geometry": {"models": 3, place: 0.10 - 0.099 * by}}
    if place == "models":
        return {**POLICY, "geometry": {"tolerance": 0.10, place: 3 + round(3 * by)}}
    if place == "classes":
        return {**POLICY, "integrity": {"classes": 2 + round(2 * by)}}
    if place == "smallest_bank":
        return {**POLICY, "forgetting": {**FORGETTING, place: 8 + round(8 * by)}}
    key, row = place.split()
    rows = [dict(row) for row in ROWS]
    least = 0.501 if key == "auc" else 1.01 * rows[int(row)]["fpr"]
    rows[int(row)][key] -= by * (rows[int(row)][key] - least)
    return {**POLICY, "forgetting": {**FORGETTING, "limits_by_size": rows}}


PLACES = (
    *("classes", "margin", "class_margin", "class_examples", "smallest_bank"),
    *("auc 0", "auc 1", "tail 0", "tail 1", "tolerance", "models"),
)


@pytest.mark.parametrize("place", PLACES)
@given(measured=candidates(), by=eighths.map(abs))
def test_a_tighter_limit_releases_nothing_more_and_lets_no_gate_pass(
    place: str, measured: Measured, by: float
) -> None:
    """A limit that ends up stricter for fewer examples than for many makes no policy at all."""
    try:
        gates = gates_of(tightened(place, by))
    except PolicyError as refusal:
        assert place.endswith("1") and "limits_by_size" in str(refusal)
        return
    verdicts = judge(measured, gates)
    before = {v.gate: v.outcome for v in judge(measured, gates_of(POLICY))}
    passed = [v.gate for v in verdicts if v.outcome is Outcome.PASSED]
    assert [gate for gate in passed if before[gate] is not Outcome.PASSED] == []
    strict = decide(verdicts, exact=False) is Decision.RELEASED
    assert released(measured) or not strict


@given(measured=candidates(), names=some, dropped=st.booleans())
def test_an_exact_method_needs_the_smallest_bank(
    measured: Measured, names: set[str], dropped: bool
) -> None:
    """Lineage excuses it from the forgetting gate, not from having been tested at all."""
    known = {n: m for n, m in measured.items() if not (dropped and n in names)}
    exact = decision(known, POLICY, exact=True)
    if exact is Decision.RELEASED:
        assert known["bank_shadows"].value >= FORGETTING["smallest_bank"]
    assert exact is Decision.RELEASED or not released(known)


def test_seven_shadows_are_too_few_for_an_exact_method_too() -> None:
    """Without `null_auc` the forgetting gate is undecided, which alone lineage excuses."""
    untested = {n: m for n, m in harmless().items() if n != "null_auc"}
    assert decision(untested, POLICY, exact=True) is Decision.RELEASED
    seven = {**untested, "bank_shadows": measurement("bank_shadows", 7)}
    assert decision(seven, POLICY, exact=True) is Decision.INCONCLUSIVE
    del untested["bank_shadows"]
    assert decision(untested, POLICY, exact=True) is Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    "change", [{"auc": 0.54}, {"tail": 0.04, "fpr": 0.02}, {"examples": 600}, {"holdout": 3000}]
)
def test_limits_must_not_be_stricter_for_fewer_examples(change: dict[str, float]) -> None:
    """Else tightening the second AUC to .54 would hand 500 examples over to its looser tail."""
    large, small = ROWS
    if "examples" in change:  # then it is the first row, and the other must not be looser
        small = {**small, "auc": 0.65}
    with pytest.raises(PolicyError, match="expected each to ask for no more"):
        Forgetting(limits_by_size=[large, {**small, **change}])
