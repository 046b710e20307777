"""Clipping: what it must reach, what it must leave, and what the others get wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.unit import toys
from tests.unit.unlearning.lipschitz.shapes import IMAGE, SHAPES, operator
from unlearning.errors import Diverged, UsageError
from unlearning.lipschitz import CLIPPERS
from unlearning.lipschitz.clipping import Clipping
from unlearning.lipschitz.fastclip import PUBLISHED, PUBLISHED_BN, PUBLISHED_DELAYED, FastClip
from unlearning.lipschitz.operators import Operator
from unlearning.lipschitz.spectrum import dense, followed, random_start

TARGET = 0.3


def settled(of: Operator, name: str = "fastclip", target: float = TARGET) -> Operator:
    clipper = CLIPPERS.create(name)
    clipper.settle(of, random_start(of, clipper.vectors, toys.generator()), target)
    return of


@pytest.mark.parametrize("kind", SHAPES)
def test_no_operator_stays_above_the_target(kind: str) -> None:
    of = operator(kind)
    assert dense(of)[0] > 1.2 * TARGET
    assert dense(settled(of))[0] <= 1.02 * TARGET


@pytest.mark.parametrize("kind", ["stride 1, zeros", "stride 2, zeros", "linear"])
def test_clips_again_and_again_reach_the_target(kind: str) -> None:
    of, clipper = operator(kind), FastClip()
    right = followed(of, random_start(of, 4, toys.generator()), 20)
    target = 0.8 * float(dense(of)[0])
    for _ in range(10):
        right = clipper.clip(of, right, target)
    assert dense(of)[0] <= 1.02 * target


def test_what_is_below_the_target_is_not_touched() -> None:
    of = operator("stride 2, zeros")
    before = of.weights[0].detach().clone()
    settled(of, target=1.1 * float(dense(of)[0]))
    assert torch.equal(of.weights[0], before)


def test_it_lowers_the_top_and_keeps_the_rest_which_division_does_not() -> None:
    """The median singular value, of one that is lowered by a quarter at its top."""
    medians = {}
    for name in ("fastclip", "gouk"):
        of = operator("stride 1, zeros")
        values = dense(of)
        after = dense(settled(of, name, 0.75 * float(values[0])))
        medians[name] = float(after[len(after) // 2] / values[len(values) // 2])
    assert medians["gouk"] == pytest.approx(0.75, abs=0.01)
    assert medians["fastclip"] > 0.85


def test_vectors_that_follow_a_kernel_turning_into_another_come_near_the_truth() -> None:
    """One iteration a step over 50 steps of SGD: 2.5 % off, more than in a training (2 %)."""
    of = operator("stride 1, zeros")
    optimiser = torch.optim.SGD(of.layers[0].parameters(), lr=0.02, momentum=0.9)
    rng, wanted = toys.generator(3), operator("stride 1, zeros", seed=1)
    right = followed(of, random_start(of, FastClip().vectors, rng), 100)
    for _ in range(50):
        x = torch.randn(16, *IMAGE, generator=rng)
        (of(x) - wanted(x).detach()).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        right = followed(of, right, 1)
    assert FastClip().norm(of, right) == pytest.approx(float(dense(of)[0]), rel=0.03)


def test_as_published_small_norms_are_raised() -> None:
    of = operator("stride 1, zeros")
    right, before = followed(of, random_start(of, 1, toys.generator()), 100), float(dense(of)[0])
    for _ in range(5):
        right = PUBLISHED.clip(of, right, 2 * before)
    assert dense(of)[0] > 1.05 * before


def test_by_five_long_steps_at_once_the_published_descent_leaves_the_numbers() -> None:
    """Step .35, 5 inner ones: safe are 1 / (2 x 3 x 3) here; the best step has no such limit."""
    of = operator("stride 1, zeros")
    with torch.no_grad():
        of.weights[0].mul_(3)
    right = followed(of, random_start(of, 1, toys.generator()), 100)
    wild = FastClip(step=0.35, inner=5, rounds=40, vectors=1)
    with pytest.raises(Diverged, match="no finite number"):
        wild.clip(of, right, 1.0)


@pytest.mark.parametrize("kind", ["circular", "circular, stride 2", "1 x 1"])
def test_senderovich_is_right_of_rings(kind: str) -> None:
    of = operator(kind)
    found = CLIPPERS.create("senderovich").norm(of, torch.empty(0))
    assert found == pytest.approx(float(dense(of)[0]), rel=1e-6)


def test_senderovich_is_wrong_of_zeros_and_miyato_of_both() -> None:
    """The ring's norm is above that with zeros; the matrix's is far below either."""
    for kind in ("stride 1, zeros", "stride 2, zeros"):
        of, true = operator(kind), float(dense(operator(kind))[0])
        ring, matrix = (
            CLIPPERS.create(name).norm(of, torch.empty(0)) for name in ("senderovich", "miyato")
        )
        assert ring > 1.01 * true
        assert matrix < 0.95 * true
        assert dense(settled(operator(kind), "miyato"))[0] > 1.05 * TARGET


def test_cutting_back_to_the_kernel_leaves_senderovich_above() -> None:
    of = settled(operator("circular"), "senderovich")
    assert dense(of)[0] > 1.02 * TARGET


def test_gouk_is_right_of_any_layer_and_holds_batch_norm_by_itself() -> None:
    assert dense(settled(operator("stride 2, zeros"), "gouk"))[0] == pytest.approx(TARGET, rel=1e-2)
    together = settled(operator("conv + batch norm"), "gouk")
    assert dense(together)[0] < TARGET**2 * 1.02


def test_a_weight_keeps_its_type_and_layout() -> None:
    conv = nn.Conv2d(4, 6, 3, padding=1).to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
    of = settled(Operator("conv", (conv,), IMAGE))
    assert conv.weight.dtype == torch.bfloat16
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert dense(of)[0] <= 1.02 * TARGET


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1 of each"):
        FastClip(rounds=0)


def test_the_published_settings_have_names() -> None:
    """Every 100 steps and one descent, 50 and five with batch norm; a delay of 500, or none."""
    found = [(of.every, of.inner, of.delay) for of in (PUBLISHED, PUBLISHED_BN, PUBLISHED_DELAYED)]
    assert found == [(100, 1, 0), (50, 5, 0), (100, 1, 500)]
    assert {of.step for of in (PUBLISHED, PUBLISHED_BN, PUBLISHED_DELAYED)} == {0.35}
    with pytest.raises(UsageError, match="delay -1"):
        FastClip(delay=-1)


def test_nothing_is_clipped_before_the_delay() -> None:
    """Two steps an interval: the first clip would be at 2, and with a delay of 3 is at 4."""
    network = nn.Sequential(nn.Conv2d(IMAGE[0], 4, 3))
    held = Clipping(network, torch.zeros(1, *IMAGE), 0.01, FastClip(every=2, delay=3))
    before = network[0].weight.detach().clone()
    for _ in range(3):
        held.step()
    assert torch.equal(network[0].weight, before)
    held.step()
    assert not torch.equal(network[0].weight, before)
