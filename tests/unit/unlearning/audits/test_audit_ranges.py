"""Audits beside retrained models in the candidate's place, by numbers worked by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import pytest
import torch

from tests.unit import toys
from unlearning import networks
from unlearning.audits.moved import Moved
from unlearning.audits.ranges import (
    CONTROL,
    UNKNOWN,
    Audited,
    audited,
    placed,
    range_of,
    ranges_of,
)
from unlearning.audits.running import RUNS, Ground, cut, ground_of
from unlearning.bank.shadows import BankPlan, build_bank, load_bank
from unlearning.domain import Examples, Group, Measurement, Split, joined
from unlearning.errors import UsageError
from unlearning.features import head_of
from unlearning.networks import Classifier
from unlearning.training.loop import train


def test_a_range_by_hand() -> None:
    """Mean .3, deviation .1: Student's t 4.3027 with 2 degrees, sqrt(4/3) of it."""
    low, high = range_of([0.2, 0.3, 0.4])
    reach = 4.3026527 * 0.1 * np.sqrt(4 / 3)
    assert (low, high) == pytest.approx((0.3 - reach, 0.3 + reach))


def test_two_models_show_no_range() -> None:
    assert np.isnan(range_of([0.2, 0.4])).all()


@pytest.mark.parametrize(
    ("value", "reach", "words"),
    [
        (0.5, 0.1, "inside"),
        (0.5, 0.4, "inside, its interval reaches beyond"),
        (0.9, 0.1, "above"),
        (0.9, 0.4, "above, its interval reaches inside"),
        (0.1, 0.1, "below"),
        (0.1, 0.2, "below, its interval reaches inside"),
        (float("nan"), 0.1, "not known"),
    ],
)
def test_where_a_measurement_lies_in_words(value: float, reach: float, words: str) -> None:
    assert placed(toys.measurement("m", value, reach), (0.25, 0.75)) == words


def test_without_a_range_nothing_is_said_to_be_inside() -> None:
    assert placed(toys.measurement("m", 0.5, 0.1), UNKNOWN) == "not known"


def test_a_cut_keeps_an_example_of_every_class() -> None:
    """A class that the retain set lacks counts as forgotten: 2 drawn, of 3 classes."""
    small = cut(toys.split(), 2, 2)
    assert set(small.retain.labels) == {0, 1, 2}
    assert [len(part) for part in (small.forget, small.holdout, small.test)] == [2, 2, 2]
    again = cut(toys.split(), 2, 2)
    np.testing.assert_array_equal(again.retain.ids, small.retain.ids)


def distances(candidate: Classifier, original: Classifier) -> dict[str, Measurement]:
    return {m.name: m for m in Moved().measure(candidate, original)}


def test_a_doubled_last_layer_has_moved_by_its_own_length_and_the_body_not_at_all() -> None:
    original = networks.build(toys.RECIPE, toys.generator())
    candidate = deepcopy(original)
    with torch.no_grad():
        for parameter in head_of(candidate).parameters():
            parameter.mul_(2)
    found = distances(candidate, original)
    assert found["moved/body"].value == 0.0
    assert found["moved/head"].value == pytest.approx(1.0)


def test_weights_of_another_network_are_no_distance_away() -> None:
    original = networks.build(toys.RECIPE, toys.generator())
    wider = networks.build(dataclasses.replace(toys.RECIPE, classes=4), toys.generator())
    with pytest.raises(UsageError, match="same shapes"):
        distances(wider, original)


def class_split() -> Split:
    """Forget class 2 whole."""
    parts = toys.split()
    both = joined(parts.forget, parts.retain)
    ids = np.array([f"t{k}" for k in range(len(both))])
    both = Examples(both.images, both.labels, ids, both.subjects)
    gone = both.labels == 2
    return dataclasses.replace(parts, forget=both.take(gone), retain=both.take(~gone))


def fit(examples: Examples, seed: int) -> Classifier:
    rng = toys.generator(seed)
    network = networks.build(toys.RECIPE, rng)
    train(network, examples, toys.TRAINING, rng)
    return network


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    split = class_split()
    both = joined(split.forget, split.retain)
    plan = BankPlan(data_version="v", recipe=toys.RECIPE, training=toys.TRAINING, shadows=6, seed=0)
    folder = build_bank(
        plan,
        (both, split.holdout, split.test),
        tmp_path_factory.mktemp("bank"),
        workers=1,
        progress=lambda done, total: None,
    )
    retrained = [fit(split.retain, seed) for seed in (1, 2, 3)]
    return ground_of(split, fit(both, 0), retrained, load_bank(folder))


def lies(rows: Sequence[Audited], name: str) -> str:
    return next(m.inside for row in rows for m in row.measurements if m.measurement.name == name)


@pytest.fixture(scope="module")
def untouched(ground: Ground) -> dict[str, Audited]:
    left: list[int] = []
    found = audited(ground, ground.original, lambda done, total: left.append(total - done))
    assert left[-1] == 0
    assert len({row.audit for row in found}) == len(found)
    return {row.audit: row for row in found}


def test_every_audit_has_measurements_or_a_reason(untouched: dict[str, Audited]) -> None:
    assert set(untouched) == {*RUNS, CONTROL}
    for row in untouched.values():
        assert bool(row.measurements) is (row.not_measured is None)
    assert "at least 2 and 4" in str(untouched["klom"].not_measured)
    assert [name for name, row in untouched.items() if row.not_measured] == ["klom"]


def test_the_untouched_original_lies_outside(untouched: dict[str, Audited]) -> None:
    """It answers the class that retrained models never answer, and its body has not moved."""
    every = list(untouched.values())
    assert lies(every, "accuracy/forget").startswith("above")
    assert lies(every, "moved/body").startswith("below")
    assert lies(every, "class_tv").startswith("above")


def test_a_head_only_edit_is_held_to_the_same_range_as_the_probes(
    untouched: dict[str, Audited],
) -> None:
    """The original's own features: audited as the candidate, it is its own control."""
    assert untouched[CONTROL].measurements == untouched["probes"].measurements


def test_another_retrained_model_answers_inside(ground: Ground) -> None:
    honest = ground.model(fit(class_split().retain, 4))
    for audit, name in (("accuracy", "accuracy/forget"), ("class_geometry", "class_tv")):
        ranges = ranges_of(RUNS[audit], ground)
        (found,) = (m for m in RUNS[audit](ground, honest) if m.name == name)
        assert placed(found, ranges[name]).startswith("inside")


def test_an_audit_that_does_not_apply_says_so(ground: Ground) -> None:
    parts = toys.split()
    other = dataclasses.replace(ground, large=parts, small=parts, gone=parts.forgotten_classes)
    before = Ground.model(other, ground.original.network)
    other = dataclasses.replace(other, original=before)
    with pytest.raises(UsageError, match="no class is forgotten whole"):
        RUNS["class_geometry"](other, before)


def test_a_class_of_which_one_example_stays_is_looked_at_as_the_gate_looks_at_it(
    ground: Ground,
) -> None:
    """By the outputs, in which one of it is retained, no class was forgotten whole."""
    groups = ground.original.seen.outputs.groups.copy()
    groups[np.flatnonzero(groups == Group.FORGET)[0]] = Group.RETAIN
    seen = ground.original.seen
    kept = dataclasses.replace(seen.outputs, groups=groups)
    one = dataclasses.replace(ground.original, seen=dataclasses.replace(seen, outputs=kept))
    assert {m.name for m in RUNS["class_geometry"](ground, one)} >= {"mia_nn", "class_tv"}
    tested = seen.outputs.labels[seen.outputs.of(Group.TEST)]
    assert RUNS["probes"](ground, one)[0].n == np.isin(tested, ground.gone).sum()
