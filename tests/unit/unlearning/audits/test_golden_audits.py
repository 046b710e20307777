"""KLOM and MIA-NN against numbers worked by hand, and on answers whose right result is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.unit.toys import outputs
from unlearning.audits import AUDITS
from unlearning.audits.class_geometry import MiaNn, total_variation
from unlearning.audits.margins import Klom, binned_divergence, gaussian_divergence
from unlearning.domain import Group, Measurement, Outputs
from unlearning.errors import UsageError


def test_divergence_of_margins_by_hand() -> None:
    """Two bins over [0, 1], one column an example.

    Both models in the first bin, wanted one in each: ln 2. Equal: 0. All in the bin that the wanted
    ones leave empty, which counts as 1e-5 beside 1: ln(1 + 1e-5) - ln 1e-5. One value for all: 0.
    """
    found = np.array([[0.0, 0.0, 1.0, 7.0], [0.0, 1.0, 1.0, 7.0]])
    wanted = np.array([[0.0, 1.0, 0.0, 7.0], [1.0, 0.0, 0.0, 7.0]])
    expected = [math.log(2), 0.0, math.log1p(1e-5) - math.log(1e-5), 0.0]
    np.testing.assert_allclose(binned_divergence(found, wanted, bins=2), expected, atol=1e-12)


def test_divergence_of_normal_margins_by_hand() -> None:
    """(-1, 1): mean 0, variance 2; (0, 4): mean 2, variance 8. (ln 4 + (2 + 4) / 8 - 1) / 2."""
    found = gaussian_divergence(np.array([[-1.0], [1.0]]), np.array([[0.0], [4.0]]))
    assert found == pytest.approx([(math.log(4) + 6 / 8 - 1) / 2])


def by_name(measured: list[Measurement]) -> dict[str, Measurement]:
    assert len({m.name for m in measured}) == len(measured)
    return {m.name: m for m in measured}


@pytest.mark.parametrize("estimate", ["histogram", "gaussian"])
def test_klom_of_equals_is_its_null_and_of_others_is_not(estimate: str) -> None:
    rng, zero = np.random.default_rng(2), np.zeros(300, dtype=int)
    groups = [Group.FORGET] * 100 + [Group.TEST] * 200

    def models(count: int, shift: float) -> list[Outputs]:
        logits = rng.normal(size=(count, 300, 2))
        logits[:, :100, 0] += shift
        return [outputs(one, zero, groups) for one in logits]

    references = models(32, 0.0)
    audit = Klom(estimate=estimate)
    equal = by_name(audit.measure(models(16, 0.0), references, rng))
    other = by_name(audit.measure(models(16, 4.0), references, rng))
    assert equal["klom/forget"].low < equal["klom_null/forget"].value < equal["klom/forget"].high
    assert other["klom/forget"].low > 1.5 * other["klom_null/forget"].high
    assert other["klom/forget@0.95"].value > other["klom/forget"].value
    assert other["klom/test"].low < other["klom_null/test"].value < other["klom/test"].high


def geometry(rng: np.random.Generator, goes_to: int, *, n: int = 80) -> Outputs:
    """Class 3 is forgotten, a quarter of it in training: it looks like another class."""
    labels = np.tile(np.arange(4), n)
    looks = np.where(labels == 3, goes_to, labels)
    logits = 3 * np.eye(4)[looks] + rng.normal(0, 0.5, (4 * n, 4))
    trained = np.where(labels == 3, Group.FORGET, Group.RETAIN)
    groups = np.where(np.arange(4 * n) < n, trained, Group.TEST)
    return outputs(logits, labels, list(groups))


def test_a_forgotten_class_goes_where_retrained_models_send_it() -> None:
    """Retrained models take class 3 for class 0, and so does one candidate, the other for 1."""
    rng = np.random.default_rng(4)
    references = [geometry(rng, 0) for _ in range(4)]
    same = by_name(MiaNn().measure([geometry(rng, 0)], references, rng))
    other = by_name(MiaNn().measure([geometry(rng, 1)], references, rng))
    assert set(same) == {"mia_nn", *(f"mia_nn/{k}" for k in range(3)), "class_tv", "class_tv_null"}
    assert same["mia_nn"].low == 0.0 and same["mia_nn"].value < 0.1
    assert other["mia_nn"].low > 0.8 and other["mia_nn/0"].value < -0.8
    assert other["mia_nn/1"].value > 0.8
    assert same["class_tv"].value == pytest.approx(same["class_tv_null"].value, abs=0.03)
    assert other["class_tv"].low > 0.5


def test_total_variation_by_hand() -> None:
    assert total_variation(np.array([0.5, 0.5]), np.array([[1.0, 0.0], [0.5, 0.5]])).tolist() == [
        0.5,
        0.0,
    ]


def test_audits_refuse_what_they_cannot_measure(rng: np.random.Generator) -> None:
    one = geometry(rng, 0)
    with pytest.raises(UsageError, match="at least 3 models"):
        MiaNn().measure([one], [one] * 2, rng)
    with pytest.raises(UsageError, match="at least 2 and 4"):
        Klom().measure([one], [one] * 4, rng)
    with pytest.raises(UsageError, match="estimate"):
        Klom(estimate="median")
    assert list(AUDITS) == ["klom", "mia_nn", "ulira"]
