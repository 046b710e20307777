"""What the benchmarks of spectra, clipping and ensembles compute, on toys."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from benchmarks.lipschitz import grounds, spectra, theorem, tracking
from benchmarks.lipschitz.trained import FREE, cells, largest
from benchmarks.methods.grounds import HELD, Choice
from benchmarks.pages import lipschitz as pages
from benchmarks.pages.lipschitz import _mean
from tests.unit import toys
from unlearning.domain import Examples
from unlearning.errors import UsageError
from unlearning.lipschitz import CLIPPERS


def test_half_a_picture_has_the_mean_of_four_pixels() -> None:
    images = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    some = Examples(images, np.zeros(1, np.int64), np.array(["a"]), np.array(["a"]))
    assert grounds.halved(some).images[0, 0].tolist() == [[2, 4], [10, 12]]  # 2.5 goes to 2


def test_every_clipper_is_beside_none() -> None:
    found = list(cells((1.0, 2.0)))
    assert found[0] == (FREE, None) and len(found) == 1 + 2 * len(list(CLIPPERS))


def test_a_convolution_stretches_less_with_its_batch_norm_or_more() -> None:
    found = largest(toys.trained())
    assert found["deployed"] > 1 and found["kernels"] > 0.5


def test_errors_are_shares_of_the_true_norm() -> None:
    kind, operator = next(iter(spectra.operators(0)))
    found = dict(spectra._errors(operator, 1e9, 0))
    assert kind == "stride 1" and found["PowerQR, 50"] == pytest.approx(-1, abs=1e-6)


def test_gouks_norm_is_measured_beside_the_others() -> None:
    """Of a kernel alone it is the same iteration; with batch norm a product, above the truth."""
    kinds = dict(spectra.operators(0))
    alone, both = kinds["stride 1"], kinds["with batch norm"]
    found = dict(spectra._errors(alone, float(spectra.dense(alone)[0]), 0))
    assert found["gouk, 50"] == pytest.approx(found["PowerQR, 50"], abs=1e-3)
    assert dict(spectra._errors(both, float(spectra.dense(both)[0]), 0))["gouk, 50"] > 0.02


def test_four_vectors_follow_a_training_within_two_per_cent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After 50 steps of SGD on digits, every layer, by one iteration a step."""
    monkeypatch.setattr(tracking, "VECTORS", (4,))
    monkeypatch.setattr(tracking, "EVERY", tracking.STEPS)
    found = list(tracking.trained(0))
    assert len(found) > 1 and all(abs(row["end"]) <= 0.02 for row in found)


def test_the_page_names_the_theorem() -> None:
    assert "Theorem 4.4.1" in pages.theorem("lipschitz-theorem")


def test_the_terms_of_the_bound_where_nothing_is_between_original_and_retrained() -> None:
    """Before, the distance is 0; one step of length 1 / beta then moves away from it."""
    original = toys.trained().eval()
    found = theorem.terms(original, deepcopy(original), toys.split())
    assert found["distance before"] == 0 < found["distance after"]
    assert found["L measured"] <= found["L"]
    assert found["transfer"] == 1  # the same network, so that all its examples mislead it


def test_where_networks_are_absent_it_says_what_to_run(tmp_path: object) -> None:
    with pytest.raises(UsageError, match=r"benchmarks\.methods --data digits"):
        next(theorem.measured(tmp_path, 1))  # type: ignore[arg-type]


def test_digits_that_are_held_are_digits_with_a_bound() -> None:
    held, free = (Choice(name).ground.setting for name in ("digits-held", "digits"))
    assert held.training.lipschitz == HELD and free.training.lipschitz is None
    assert held.train is not free.train and torch.equal(
        torch.from_numpy(held.train.labels), torch.from_numpy(free.train.labels)
    )


def test_a_share_is_shown_within_0_and_1() -> None:
    rows = [{"x": value} for value in (0.9, 1.0, 1.0)]
    assert _mean(rows, "x") == "0.967 (0.823 to 1.000)"
    assert _mean(rows[:1], "x") == "0.900"
