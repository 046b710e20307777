"""What a classifier says of drawn pictures, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.unit.unlearning.generation import small
from unlearning.domain import Examples
from unlearning.generation import generators
from unlearning.generation.measures import (
    ENTROPY,
    FA,
    FD,
    PROBABILITY,
    RA,
    TV,
    Bench,
    class_measures,
    distance,
    frechet,
    histogram,
    total_variation,
    variation,
)
from unlearning.generation.recovery import Recovery
from unlearning.generation.sampling import Sampler


def test_measures_of_the_class_by_hand() -> None:
    """Two pictures, even and sure of class 1: FA 1 of 2, p (.5 + 1) / 2, entropy (ln 2 + 0) / 2."""
    logits = np.array([[0.0, -1e-9], [-50.0, 50.0]])
    found = class_measures(logits, label=1)
    assert found[FA].value == 0.5 and found[FA].n == 2
    assert found[PROBABILITY].value == pytest.approx(0.75)
    assert found[ENTROPY].value == pytest.approx(np.log(2) / 2)
    assert histogram(logits).tolist() == [1, 1]


def test_no_picture_of_a_hundred_may_still_be_three_in_a_hundred() -> None:
    found = class_measures(np.tile([5.0, 0.0], (100, 1)), label=1)[FA]
    assert found.value == 0 and found.high == pytest.approx(1 - 0.025 ** (1 / 100))


def test_means_and_histograms_at_an_end_are_no_surer_than_shares(rng: np.random.Generator) -> None:
    """Of a hundred pictures, all surely of one class: three in a hundred may still be others."""
    logits = np.tile([50.0, 0.0], (100, 1))
    found, high = class_measures(logits, label=1), 1 - 0.025 ** (1 / 100)
    assert found[PROBABILITY].high == pytest.approx(high, abs=1e-6)
    assert found[ENTROPY].high == pytest.approx(np.log(2) * high, abs=1e-6)
    alone = histogram(logits)
    assert variation(alone, [alone], rng).high == pytest.approx(high)


def test_the_distance_of_shifted_features_is_the_shifts(rng: np.random.Generator) -> None:
    """Same covariance, means 3 apart along one axis: 9."""
    features = rng.normal(size=(500, 4))
    shifted = features + np.array([3.0, 0, 0, 0])
    assert frechet(features, features) == pytest.approx(0, abs=1e-9)
    assert frechet(shifted, features) == pytest.approx(9)
    assert frechet(2 * features, features) == pytest.approx(
        float(np.sum(features.mean(0) ** 2)) + np.trace(np.cov(features, rowvar=False))
    )  # (2 - 1)^2 of every variance, and of the mean
    assert distance(shifted, features, rng).low < 9 < distance(shifted, features, rng).high


def test_total_variation_by_hand(rng: np.random.Generator) -> None:
    """Half of |.5 - 1| + |.5 - 0|, and of |.5 - .5| twice: .5 and 0, their mean .25."""
    one, others = np.array([5, 5]), [np.array([8, 0]), np.array([3, 3])]
    assert total_variation(one, others) == pytest.approx(0.25)
    found = variation(one, others, rng)
    assert found.name == TV and found.low < 0.25 < found.high


class ByLight(torch.nn.Module):
    """Takes dark pictures for class 0 and bright ones for class 2."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Linear(1, 3)
        with torch.no_grad():
            self.last.weight.copy_(torch.tensor([[-50.0], [0.0], [50.0]]))
            self.last.bias.copy_(torch.tensor([25.0, 5.0, -25.0]))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        values = pixels / 255 if pixels.dtype == torch.uint8 else pixels
        answers: torch.Tensor = self.last(values.mean((1, 2, 3))[:, None])
        return answers


def bench() -> Bench:
    real: Examples = small.sets().retain
    sampler = Sampler(steps=3)
    return Bench(
        judge=ByLight(), real=real, label=1, classes=3, sampler=sampler, pictures=5, each=4
    )


def test_recovery_tells_every_attack_by_name() -> None:
    few = Recovery(
        tuning_steps=2, shots=2, shot_steps=(1, 2), guidances=(1.0, 3.0), row_steps=2, batch_size=4
    )
    network = small.generator()
    found = few.recovered(network, small.sets(), bench())
    assert tuple(found) == few.names
    assert few.names == (
        "retain alone",
        "2 pictures, 1 steps",
        "2 pictures, 2 steps",
        "label row",
        "guidance 1",
        "guidance 3",
    )
    assert small.states_equal(network, small.generator())
    assert all(m.n == 5 and 0 <= m.value <= 1 for m in found.values())


def test_an_attack_after_which_nothing_is_drawn_measured_nothing() -> None:
    """That a copy broke while it was tuned is no sign that the class does not come back."""
    few = Recovery(tuning_steps=1, shots=2, shot_steps=(1,), guidances=(1.0,), row_steps=1)
    assert few.recovered(small.overflowing(), small.sets(), bench()) == {}


def test_the_search_for_a_row_moves_that_row_alone() -> None:
    network = small.generator()
    made = Recovery(row_steps=3, batch_size=4).with_found_row(
        network, small.sets().forget, small.chance()
    )
    rows = (made.table.weight != network.table.weight).any(1)
    assert rows.tolist() == [False, True, False, False]  # neither the others' nor the null label's
    others = [(n, p) for n, p in made.named_parameters() if p is not made.table.weight]
    before = dict(network.named_parameters())
    assert all(torch.equal(p, before[name]) for name, p in others)


def test_a_generator_is_measured_whole() -> None:
    network = generators.build(small.RECIPE, small.chance())
    judge = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(16, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)
    )

    class Judge(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = judge

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            answers: torch.Tensor = self.inside(pixels / 255)
            return answers

    real = small.sets().retain
    found = Bench(
        judge=Judge(), real=real, label=1, classes=3, sampler=Sampler(steps=2), pictures=6, each=4
    ).measured(network)
    assert set(found.measured) == {FA, PROBABILITY, ENTROPY, RA, FD}
    assert found.histogram.sum() == 6 and found.measured[RA].n == 8
