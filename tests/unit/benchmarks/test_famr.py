"""The trials of FAMR's benchmark are apart, and its intervals can be worked by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.famr import anchors, clusters, study, sweep, trials
from benchmarks.famr.trials import TUNING, Trial
from benchmarks.pages import famr
from tests.unit.reported import EVIDENCE


def test_settings_are_chosen_on_what_no_other_trial_forgets() -> None:
    for task in trials.TASKS:
        chosen_on = set(trials.split_of(Trial(task, TUNING)).forget.ids)
        for seed in range(TUNING):
            assert not chosen_on & set(trials.split_of(Trial(task, seed)).forget.ids)


def test_a_split_is_the_training_set_and_nothing_of_the_test_set() -> None:
    everything, test = trials.digits()
    for task in trials.TASKS:
        split = trials.split_of(Trial(task, 0))
        assert set(split.forget.ids) | set(split.retain.ids) == set(everything.ids)
        assert not set(everything.ids) & set(test.ids)


def test_the_class_that_is_forgotten_does_not_count_as_staying() -> None:
    trial = Trial("class", 1)
    labels = trials.digits()[1].labels
    assert set(labels[~trials.stays(trial)]) == {trials.class_of(trial)}
    assert trials.stays(Trial("sample", 1)).all()


def test_divergence_by_hand() -> None:
    """p = (3/4, 1/4), q = (1/2, 1/2): .75 ln 1.5 + .25 ln .5."""
    before, now = np.log([[3.0, 1.0]]), np.zeros((1, 2))
    expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    np.testing.assert_allclose(trials.divergence(before, now), expected, rtol=1e-12)


def test_no_hits_in_any_seed_are_still_no_proof_of_none() -> None:
    """0 of 100 in all: at most 1 - .025^(1/100) = 3.6 %, though the seeds do not spread."""
    low, high = trials.interval(np.zeros(5), 100)
    np.testing.assert_allclose([low, high], [0.0, 1 - 0.025 ** (1 / 100)], rtol=1e-9)


def test_seeds_that_spread_widen_the_interval() -> None:
    """.4 and .6: mean .5, sd .1 sqrt 2, t(.975, 1) = tan(.475 pi); 10,000 examples spread less."""
    reach = np.tan(0.475 * np.pi) * 0.1
    found = trials.interval(np.array([0.4, 0.6]), 10_000)
    np.testing.assert_allclose(found, [0.5 - reach, 0.5 + reach], rtol=1e-9)


def test_a_share_is_never_reported_beyond_0_and_1() -> None:
    row = {"Ret": 0.9, "For": 0.4, "CE": 1.0, "Ent": 1.0, "KL": 1.0}
    rows = [row, {**row, "For": 0.6}]
    found = trials.summary("FAMR", rows, {"Ret": 100, "For": 100})
    assert (found["For"]["low"], found["For"]["high"]) == (0.0, 1.0)
    assert found["CE"]["low"] == found["CE"]["high"] == 1.0


def test_curves_are_read_off_rows_by_seed_and_epoch() -> None:
    row = {"KL": 1.0, "Ent": 2.0, "For": 3.0, "Ret": 4.0}
    runs = [[row, {**row, "KL": 5.0}], [{**row, "KL": 6.0}, row]]
    found = study.curves_of("FAMR", runs)
    assert found.divergence.tolist() == [[1.0, 5.0], [6.0, 1.0]]
    assert found.retain_accuracy.shape == (2, 2) and found.retain_accuracy[0, 0] == 4.0


def test_evidence_is_read_back_as_it_was_written() -> None:
    found = replace(EVIDENCE, training=replace(EVIDENCE.training, low=3.25))
    written = json.loads(json.dumps(study.told(found)))
    assert study.read_back(written) == found
    assert written["bounds"]["Eq. 9"]["value"] == 0.1 / 3.25**2 * 2.0


def test_one_cloud_is_not_apart_and_two_are() -> None:
    """Two clouds of deviation 1 in the plane, 10 apart: 100 over 2."""
    rng = np.random.default_rng(0)
    cloud, forgotten = rng.normal(size=(4000, 2)), np.arange(4000) < 2000
    moved = cloud + 10.0 * forgotten[:, None] * np.array([1.0, 0.0])
    assert sweep.separation(cloud, forgotten) < 0.01
    assert sweep.separation(moved, forgotten) == pytest.approx(50.0, rel=0.1)


def test_purity_counts_neighbours_and_not_oneself() -> None:
    """Eleven of the class at one end of a line and eleven others at the other; then in turn."""
    places = np.arange(22.0)[:, None]
    apart = np.r_[np.zeros(11), np.full(11, 1000.0)][:, None] + places
    assert clusters.purity(apart, np.arange(22) < 11) == 1.0
    assert clusters.purity(apart, np.arange(22) == 0) == 0.0


def test_the_plane_keeps_the_distances_of_what_lies_in_a_plane() -> None:
    at = np.random.default_rng(0).normal(size=(20, 2))
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 2)))[0]
    drawn = clusters.plane(at @ axes.T + 3)
    far = np.linalg.norm(at[:, None] - at[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(drawn[:, None] - drawn[None], axis=2), far)


def test_a_network_of_any_width_is_the_same_when_it_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "TRAINING", replace(trials.TRAINING, epochs=1))
    few = trials.digits()[0].take(np.arange(64))
    for width in (16, trials.WIDTH):
        path = tmp_path / f"{width}.safetensors"
        first, second = (trials._kept(path, few, 0, width) for _ in range(2))
        images = torch.from_numpy(few.images)
        assert torch.equal(first(images), second(images))
        assert first.last_layer.in_features == width


def traded(task: str, ret: float, of: float, **asked: object) -> dict[str, Any]:
    """A row of the anchors' study, of seeds that do not spread."""
    values = {"Ret": ret, "For": of, "Ent": 1.0}
    found = {k: {"mean": v, "low": v - 0.1, "high": v + 0.1} for k, v in values.items()}
    return {"task": task, "row": "FAMR", **asked, **found}


def test_the_curve_of_the_anchor_has_both_rates_and_where_retraining_lies(tmp_path: Path) -> None:
    rows = [traded("class", 0.9, 0.6, rate=r, anchor=a, distance=0.1) for r, a in anchors.PAIRS]
    rows += [traded("class", 0.92, 0.0) | {"row": name} for name in anchors.CONTROLS]
    anchors.draw(rows, tmp_path / "curve.svg")
    drawn = (tmp_path / "curve.svg").read_text()
    for word in ("rate 1e-04", "rate 1e-05", "retrained", "original", "For", "10000"):
        assert word in drawn
    across, up, above, _ = anchors._at(rows[-1:])
    assert (across, up) == ([0.92], [0.0]) and above == [[pytest.approx(0.1)], [pytest.approx(0.1)]]


def test_seeds_are_told_by_an_interval_from_three_on() -> None:
    assert famr.over_seeds([1.0, 2.0], 1) == "1.0 to 2.0"
    assert famr.over_seeds([1.0, 2.0, 3.0], 2) == "2.00 (-0.48 to 4.48)"


def test_the_page_has_the_retrained_row_and_the_curve() -> None:
    page = famr.anchors("famr-anchors")
    assert "| retrained |" in page and "famr-anchors.svg" in page
