"""Orthogonalised ensembles: the penalty by hand, what it does, and what is measured of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.unit import toys
from unlearning import networks
from unlearning.ensembles.fitting import train_ensemble
from unlearning.ensembles.lotos import PUBLISHED, Layer, Lotos, layers_of
from unlearning.ensembles.transfer import Ensemble, Pgd, robustness, transfer_rate
from unlearning.errors import UsageError
from unlearning.lipschitz.operators import Operator
from unlearning.outputs import accuracy, logits_of

PICTURE = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)


def diagonal(*values: float) -> Operator:
    layer = nn.Linear(len(values), len(values), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor(values)))
    return Operator("linear", (layer,), (len(values),))


def pair() -> Layer:
    """diag(3, 1) and diag(0.5, 2): each one's leading vector is the other's axis."""
    x, y = torch.eye(2)
    return Layer([diagonal(3.0, 1.0), diagonal(0.5, 2.0)], [x[None], y[None]])


def test_the_penalty_by_hand() -> None:
    """|diag(3, 1) y| = 1 is .2 above .8; |diag(.5, 2) x| = .5 is below: sum .2, mean .1."""
    assert Lotos(reduction="sum").penalty([pair()]).item() == pytest.approx(0.2)
    assert Lotos().penalty([pair(), pair()]).item() == pytest.approx(0.1)


def test_further_vectors_count_less() -> None:
    """All of both: (1 and .99 times what lies above .8) / 2 a pair."""
    x, y = torch.eye(2)
    layer = Layer([diagonal(3.0, 1.0), diagonal(0.5, 2.0)], [torch.stack([x, y])] * 2)
    found = Lotos(vectors=2, reduction="sum").penalty([layer]).item()
    assert found == pytest.approx((2.2 + 0.99 * 0.2) / 2 + (0 + 0.99 * 1.2) / 2)


def test_the_gradient_lowers_what_the_other_stretches() -> None:
    layer = pair()
    Lotos().penalty([layer]).backward()  # type: ignore[no-untyped-call]
    gradient = layer.operators[0].weights[0].grad
    assert gradient is not None and gradient[1, 1] > 0 and gradient[0, 0] == 0


def members(count: int = 2) -> list[networks.Classifier]:
    return [networks.build(toys.RECIPE, toys.generator(seed)) for seed in range(count)]


def test_linear_layers_count_only_if_asked() -> None:
    sizes = [len(layers_of(members(), PICTURE, Lotos(linear=on), 0)) for on in (False, True)]
    assert sizes == [3, 5]


def test_the_penalty_falls_in_training_and_batch_statistics_are_left_alone() -> None:
    training = replace(toys.TRAINING, epochs=6)
    found = {}
    for weight in (0.0, 2.0):
        lotos = Lotos(weight=weight)
        made = train_ensemble(members(), toys.examples(48), training, toys.generator(), lotos=lotos)
        found[weight] = lotos.penalty(layers_of(made, PICTURE, lotos, 1)).item()
        assert accuracy(logits_of(made[0], toys.examples(30)), toys.examples(30).labels) > 0.9
    assert found[2.0] < 0.7 * found[0.0]


def test_without_a_penalty_members_are_what_each_would_be_alone() -> None:
    rng = toys.generator()
    both = train_ensemble(members(), toys.examples(32), toys.TRAINING, rng)
    (alone,) = train_ensemble(members(1), toys.examples(32), toys.TRAINING, toys.generator())
    one, other = (next(n.parameters()) for n in (both[0], alone))
    assert torch.allclose(one, other, atol=1e-6)


def test_the_public_code_leaves_steps_out_and_sums() -> None:
    assert PUBLISHED.reduction == "sum" and PUBLISHED.gaps
    with pytest.raises(UsageError, match=r"lotos\.reduction: got 'total'"):
        Lotos(reduction="total")


@pytest.mark.parametrize(
    "setting",
    [
        {"weight": float("nan")},
        {"allowance": float("inf")},
        {"decrement": -0.1},
        {"vectors": 0},
        {"vectors": 4, "decrement": 0.5},
    ],
)
def test_settings_without_a_meaning_are_refused(setting: dict[str, float]) -> None:
    """The fourth of four vectors would count -.5: what it stretches would be rewarded."""
    with pytest.raises(UsageError, match="lotos: got vectors"):
        Lotos(**setting)  # type: ignore[arg-type]


def test_transfer_by_hand() -> None:
    """0's attack flips three of the four that both know, two of them at 1 too; 1's flips one."""
    before = np.ones((2, 4), dtype=bool)
    after = np.ones((2, 2, 4), dtype=bool)
    after[0, 0, :3] = False
    after[0, 1, :2] = False
    after[1, 1, 3] = False
    assert transfer_rate(before, after) == pytest.approx((2 / 3 + 0) / 2)


def test_an_ensemble_answers_by_mean_probabilities() -> None:
    class Fixed(nn.Module):
        def __init__(self, *shares: float) -> None:
            super().__init__()
            self.logs = torch.tensor([shares]).log()

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.logs

    found = Ensemble([Fixed(0.9, 0.1), Fixed(0.3, 0.7)])(torch.empty(1)).exp()
    assert found[0].tolist() == pytest.approx([0.6, 0.4])


def test_attacks_stay_within_their_bound_and_mislead() -> None:
    network, part = toys.trained(), toys.examples(12)
    pixels = torch.from_numpy(part.images).float() / 255
    moved = Pgd(bound=0.3, steps=10)(network, pixels, torch.from_numpy(part.labels))
    assert float((moved - pixels).abs().max()) <= 0.3 + 1e-6
    assert float(moved.min()) >= 0 and float(moved.max()) <= 1
    found = robustness([network, toys.trained()], members(1)[0], part, Pgd(bound=0.3, steps=10))
    assert found.accuracy > 0.9 and found.single < 0.5
    assert found.rate > 0.9  # two networks that are one
