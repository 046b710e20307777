"""The search for adversarial examples: distances that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.unit import toys
from unlearning.domain import Examples
from unlearning.errors import UsageError
from unlearning.outputs import logits_of
from unlearning.training import keyed
from unlearning.training.adversarial import (
    Adversarial,
    EpsilonSearch,
    cross_entropy,
    fgsm,
    frozen_copy,
    lost_margin,
)
from unlearning.training.epsilon_search import adversarial_examples

EXACT = EpsilonSearch(precision="fp32")
PUBLISHED = replace(EXACT, start="eps_init", refinements=0)
PUBLIC_CODE = replace(PUBLISHED, restart="from_iterate")


class Plane(nn.Module):
    """Logits (z, 0) with z = w x + b: the distance to the boundary is |z| / ||w||."""

    def __init__(self, weight: list[float], bias: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        z = pixels.flatten(1) @ self.weight + self.bias
        return torch.stack([z, torch.zeros_like(z)], dim=1)


def images(values: list[list[int]], labels: list[int]) -> Examples:
    pixels = np.array(values, dtype=np.uint8)[:, None, None, :]
    names = np.arange(len(labels)).astype(np.str_)
    return Examples(pixels, np.array(labels, dtype=np.int64), names, names)


def search(network: nn.Module, part: Examples, settings: EpsilonSearch) -> Adversarial:
    keyed.clear()
    return adversarial_examples(network, part, settings)


# w = (3, 4): z = 3 * .4 + 4 * .6 - 3 = .6 and the distance .12; z = 1.4 and .28; z = .06 and .012.
PLANE = Plane([3.0, 4.0], -3.0)
POINTS = images([[102, 153], [170, 153], [48, 153]], [0, 0, 0])
EXPECTED = np.array([0.6, 1.4, 3 * 48 / 255 + 2.4 - 3.0]) / 5


def test_the_hand_worked_distances_are_those_of_the_plane() -> None:
    margins = PLANE(torch.from_numpy(POINTS.images).float() / 255)[:, 0]
    np.testing.assert_allclose(margins.detach() / 5, [*EXPECTED[:2], -0.0070588], 1e-3)


@pytest.mark.parametrize("settings", [PUBLISHED, PUBLIC_CODE, EXACT])
def test_no_example_is_nearer_than_the_boundary_nor_farther_than_two_steps(
    settings: EpsilonSearch,
) -> None:
    part = POINTS.take(np.array([0, 1]))
    found = search(PLANE, part, settings)
    assert found.found.all() and (found.labels == 1).all()
    assert (found.attempts == 1).all()
    assert (found.l2 >= EXPECTED[:2] * (1 - 1e-5)).all()
    assert (found.l2 <= EXPECTED[:2] + 0.1 * found.eps + 1e-6).all()


@pytest.mark.parametrize("settings", [PUBLISHED, PUBLIC_CODE, EXACT])
def test_epsilon_is_the_first_doubling_that_holds_the_boundary(settings: EpsilonSearch) -> None:
    """.04, .08, .16 for a distance of .12; one more, .32, for .28."""
    found = search(PLANE, POINTS.take(np.array([0, 1])), settings)
    np.testing.assert_allclose(found.eps, [0.16, 0.32], rtol=1e-6)


def test_the_published_searches_count_as_by_hand() -> None:
    """A distance of .12: epsilon .04 and .08 take 50 steps and a last look, 51 passes each.

    At .16 a step is .016. From the original the eighth, .128, is across: 9 looks. From where it
    was, .08 away, the third is: 4 looks, at the same place.
    """
    part = POINTS.take(np.array([0]))
    found = [search(PLANE, part, settings) for settings in (PUBLISHED, PUBLIC_CODE)]
    assert [each.passes for each in found] == [111, 106]
    np.testing.assert_allclose([each.l2[0] for each in found], 0.128, rtol=1e-4)


def test_bisection_comes_as_near_as_it_is_asked_to() -> None:
    """It begins between .8 of the distance and where the ascent stopped, a step beyond at most."""
    part = POINTS.take(np.array([0, 1]))
    for halvings in (1, 4, 12):
        found = search(PLANE, part, replace(EXACT, refinements=1, halvings=halvings))
        width = (0.2 * EXPECTED[:2] + 0.1 * found.eps) / 2**halvings
        assert (found.l2 >= EXPECTED[:2] * (1 - 1e-5)).all()
        assert (found.l2 <= EXPECTED[:2] + width + 1e-6).all()


class Valley(nn.Module):
    """Class 1 wins where x0 > .7, class 2 where x1 > .75, class 0 elsewhere."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        first, second = pixels.flatten(1).unbind(1)
        return torch.stack([0 * first, 3 * (first - 0.7), 3 * (second - 0.75)], dim=1)


def test_refinements_turn_towards_the_nearest_boundary() -> None:
    """From (.4, .4) it is .3 away; cross-entropy goes for both at once and comes out near .39."""
    part = images([[102, 102]], [0])
    farther, nearer = (
        search(Valley(), part, replace(EXACT, refinements=n, halvings=8)) for n in (0, 4)
    )
    assert farther.l2[0] > 0.36
    assert 0.3 <= nearer.l2[0] < 0.303
    assert nearer.labels.tolist() == [1]
    np.testing.assert_allclose([farther.eps[0], nearer.eps[0]], [0.64, 0.32], rtol=1e-6)


def test_what_is_wrong_already_is_its_own_adversarial_example() -> None:
    """48/255, 153/255 lies .007 beyond the boundary: the network says 1 where the label is 0."""
    found = search(PLANE, POINTS, EXACT)
    assert (found.l2[2], found.labels[2], found.attempts[2]) == (0.0, 1, 0)
    assert found.found[2]
    np.testing.assert_array_equal(found.images[2, 0, 0] * 255, [48, 153])


def test_an_example_at_the_cap_is_a_failure_and_the_others_are_not() -> None:
    """Epsilon .04, .08, .16 reach a distance of .12 and not .28."""
    found = search(PLANE, POINTS, replace(EXACT, doublings=2, start="eps_init"))
    assert found.found.tolist() == [True, False, True]
    assert (found.labels[1], found.attempts[1]) == (0, 3)
    assert found.eps.max() == pytest.approx(0.16)


def test_an_answer_that_no_image_changes_ends_as_a_failure() -> None:
    """With a bias of 100 every image in the box is of class 0."""
    found = search(Plane([3.0, 4.0], 100.0), POINTS, EXACT)
    assert not found.found.any()
    assert (found.labels == 0).all()
    assert ((found.images >= 0) & (found.images <= 1)).all()


def test_a_saturated_softmax_falls_back_on_the_margin() -> None:
    """Logits times 10,000: cross-entropy's gradient is exactly 0, the boundary where it was."""
    steep, part = Plane([3e4, 4e4], -3e4), POINTS.take(np.array([0, 1]))
    pixels = (torch.from_numpy(part.images).float() / 255).requires_grad_()
    logits, labels = steep(pixels), torch.from_numpy(part.labels)
    (flat,) = torch.autograd.grad(cross_entropy(logits, labels).sum(), pixels)
    assert (flat == 0).all()
    found = search(steep, part, EXACT)
    assert (found.attempts == 2).all() and found.found.all()
    np.testing.assert_allclose(found.l2, EXPECTED[:2], rtol=0.03)


class Corner(nn.Module):
    """z = (1 - x0) + 1e-6 (1/2 - x1): the answer changes only where x0 = 1 and x1 > 1/2."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        first, second = pixels.flatten(1).unbind(1)
        z = (1 - first) + 1e-6 * (0.5 - second)
        return torch.stack([z, torch.zeros_like(z)], dim=1)


def test_a_signed_step_finds_what_no_ascent_does() -> None:
    """Ascent goes along x0, whose gradient is a million times larger, and stops at the edge."""
    found = search(Corner(), images([[102, 51]], [0]), EXACT)
    assert found.found.all()
    assert found.attempts.tolist() == [3]


def test_the_linearised_distance_skips_what_is_too_small() -> None:
    """For .28 the first epsilon is .32: one pass to see it, 9 steps of .032 and a last look."""
    part = POINTS.take(np.array([1]))
    slow, quick = (
        search(PLANE, part, replace(PUBLISHED, start=start)) for start in ("eps_init", "linear")
    )
    assert (slow.passes, quick.passes) == (3 * 51 + 10, 1 + 10)
    np.testing.assert_allclose([slow.l2[0], quick.l2[0]], 9 * 0.032, rtol=1e-4)


def test_examples_do_not_influence_each_other() -> None:
    network, part = toys.trained(), toys.examples(9, seed=5)
    together = search(network, part, EXACT)
    for row in range(len(part)):
        alone = search(network, part.take(np.array([row])), EXACT)
        np.testing.assert_allclose(alone.l2[0], together.l2[row], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_found_holds_for_a_real_network(precision: str) -> None:
    """Labels are the full-precision answers, distances those of the images, inside ball and box."""
    network, part = toys.trained(), toys.examples(30, seed=5)
    found = search(network, part, EpsilonSearch(precision=precision))
    with torch.no_grad():
        answers = network(torch.from_numpy(found.images)).argmax(1).numpy()
    assert found.found.all()
    assert (found.labels == answers).mean() >= 0.95  # one lies within rounding of the boundary
    assert (found.labels != part.labels).all()
    apart = np.sqrt(((found.images - part.images / 255.0) ** 2).sum((1, 2, 3)))
    np.testing.assert_allclose(found.l2, apart, rtol=1e-4, atol=1e-6)
    assert (found.l2 <= found.eps * (1 + 1e-5)).all()
    assert found.images.min() >= 0 and found.images.max() <= 1


def test_the_network_is_left_as_it_was() -> None:
    network = toys.trained().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    search(network, toys.examples(6, seed=5), EXACT)
    assert network.training and all(p.requires_grad for p in network.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_search_is_done_once_for_the_same_weights_examples_and_settings() -> None:
    network, part = toys.trained(), toys.examples(6, seed=5)
    first = search(network, part, EXACT)
    assert adversarial_examples(network, part, EXACT) is first
    assert adversarial_examples(network, part, replace(EXACT, halvings=0)) is not first
    assert adversarial_examples(network, part.take(np.arange(5)), EXACT) is not first
    with torch.no_grad():
        next(network.parameters()).add_(1e-3)
    assert adversarial_examples(network, part, EXACT) is not first


def test_margin_and_signed_step_by_hand() -> None:
    """Logits (1, 3, 2) of class 1: the margin 3 - 2 is lost by 1. A step against w = (3, -4)."""
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    assert lost_margin(logits, torch.tensor([1])).tolist() == [-1.0]
    assert lost_margin(logits, torch.tensor([0])).tolist() == [2.0]
    pixels = torch.tensor([[[[0.5, 0.95]]]])
    stepped = fgsm(frozen_copy(Plane([3.0, -4.0], 0.0)), pixels, torch.tensor([0]), 0.1)
    np.testing.assert_allclose(stepped.flatten(), [0.4, 1.0], rtol=1e-6)


def test_ffgsm_bounds_every_pixel_and_lands_on_corners() -> None:
    """From anywhere within the bound, 1.25 bounds along the sign end on it or short of it by 3/4.

    A pixel starts within +-1 bound, moves by 1.25 and is cut at 1: it ends between .25 and 1.
    """
    pixels = torch.full((50, 1, 1, 2), 0.5)
    network, labels = frozen_copy(Plane([3.0, -4.0], 0.0)), torch.zeros(50, dtype=torch.int64)
    moved = fgsm(network, pixels, labels, 0.1, rng=toys.generator()) - pixels
    signs = torch.tensor([-1.0, 1.0])
    assert (moved.abs() <= 0.1 + 1e-6).all()
    assert (moved * signs >= 0.025 - 1e-6).all()
    assert moved.std() > 0


def test_ffgsm_doubles_until_the_answer_changes() -> None:
    """A bound b lowers z = .6 by at most 7 b and at least 7 b / 4: .08 cannot, .64 must."""
    settings = replace(EXACT, attack="ffgsm")
    found = search(PLANE, POINTS.take(np.array([0])), settings)
    again = search(PLANE, POINTS.take(np.array([0])), settings)
    assert found.found.all() and found.attempts.tolist() == [1]
    assert 0.15 < found.eps[0] < 0.65
    np.testing.assert_array_equal(found.images, again.images)
    np.testing.assert_array_less(
        np.abs(found.images * 255 - [[[[102, 153]]]]), 255 * found.eps[0] + 1e-3
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"attack": "jsma"}, "attack: got 'jsma', expected one of"),
        ({"restart": "sometimes"}, "restart"),
        ({"start": "now"}, "start"),
        ({"eps_init": 0.0}, "expected sizes above 0"),
        ({"doublings": -1}, "expected none below 0"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EpsilonSearch(**settings)  # type: ignore[arg-type]


def test_the_answers_of_found_examples_are_those_of_the_inference_pass() -> None:
    """The one inference pass of everything else sees the same clean answers as the search."""
    network, part = toys.trained(), toys.examples(12, seed=8)
    wrong = replace(part, labels=(logits_of(network, part).argmax(1) + 1) % 3)
    found = search(network, wrong, EXACT)
    assert (found.attempts == 0).all() and (found.l2 == 0).all()
