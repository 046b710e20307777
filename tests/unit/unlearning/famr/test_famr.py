"""FAMR beyond its plain form: style, targets, the control, and what its theory says by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.unit import toys
from unlearning.domain import Examples, Split
from unlearning.errors import UsageError
from unlearning.famr.bounds import convergence_bound, distance_bound, output_bound
from unlearning.famr.evidence import evidence
from unlearning.famr.hessian import Curvature
from unlearning.famr.loss import classes_left, gram, grey, mean_grams, uniform_over
from unlearning.features import features_of, head_of
from unlearning.methods.famr import Famr
from unlearning.outputs import logits_of
from unlearning.training.loop import silent


def test_gram_of_two_channels_by_hand() -> None:
    """phi = [[1, 2], [3, 4]]: G = [[1+4, 3+8], [3+8, 9+16]]."""
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    assert gram(features).tolist() == [[[5.0, 11.0], [11.0, 25.0]]]


def test_gram_of_tokens_and_of_plain_vectors() -> None:
    """Tokens (1, 3) and (2, 4) are the same two channels over two positions; a vector has one."""
    assert gram(torch.tensor([[[1.0, 3.0], [2.0, 4.0]]])).tolist() == [[[5.0, 11.0], [11.0, 25.0]]]
    assert gram(torch.tensor([[2.0, 3.0]])).tolist() == [[[4.0, 6.0], [6.0, 9.0]]]


class Mixer(nn.Module):
    """Pixels are the features phi, times one weight a channel; a linear head reads their sums."""

    def __init__(self) -> None:
        super().__init__()
        self.phi = nn.Conv2d(2, 2, 1, groups=2, bias=False)
        self.head = nn.Linear(2, 2, bias=False)
        self.phi.weight.data.fill_(1.0)
        self.head.weight.data = torch.tensor([[0.5, 0.0], [0.0, -0.5]])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.phi(pixels.float()).sum((2, 3)))


def one_pixel(*pixels: tuple[int, int], labels: tuple[int, ...]) -> Examples:
    images = np.array(pixels, dtype=np.uint8).reshape(-1, 2, 1, 1)
    ids = np.arange(len(pixels)).astype(np.str_)
    return Examples(images, np.array(labels, dtype=np.int64), ids, ids)


def split_of(forget: Examples, retain: Examples) -> Split:
    return Split(forget, retain, retain, retain, 2)


FORGET = one_pixel((3, 1), labels=(0,))
RETAIN = one_pixel((2, 2), (0, 4), (1, 1), labels=(0, 0, 1))


def style_loss(famr: Famr) -> float:
    network = Mixer().eval()
    loss = famr.forget_loss(network, split_of(FORGET, RETAIN))
    return float(loss(network, torch.tensor([0])).detach())


def test_style_loss_against_grey_by_hand() -> None:
    """phi = (3, 1): G = [[9, 3], [3, 1]]; grey (2, 2): all 4. 25 + 1 + 1 + 9 = 36."""
    famr = Famr(kl_weight=0.0, style_weight=1.0, style_layer="phi")
    assert style_loss(famr) == 36.0


def test_style_loss_against_the_retain_set_and_the_class_by_hand() -> None:
    """Grams of retain: all 4; [[0, 0], [0, 16]]; all 1.

    Of class 0: their mean [[2, 2], [2, 10]], so 49 + 1 + 1 + 81 = 132. Of all:
    [[5, 5], [5, 21]] / 3, so (22^2 + 2 * 4^2 + 18^2) / 9.
    """
    famr = Famr(kl_weight=0.0, style_weight=1.0, style_layer="phi", neutral="class")
    assert style_loss(famr) == 132.0
    expected = (22**2 + 2 * 4**2 + 18**2) / 9
    np.testing.assert_allclose(style_loss(replace(famr, neutral="retain")), expected, rtol=1e-5)


def test_a_relative_style_loss_is_that_over_the_neutral_s_own_size() -> None:
    """Grey is all 4, so ||G_target||^2 = 64: 36 / 64."""
    famr = Famr(kl_weight=0.0, style_weight=1.0, style_layer="phi", style_scale="relative")
    assert style_loss(famr) == 36 / 64


def test_the_combined_loss_is_weighted() -> None:
    """Eq. 5: alpha KL + beta style; both alone are tested elsewhere."""
    kl, style = style_loss(Famr()), 36.0
    both = Famr(kl_weight=3.0, style_weight=0.5, style_layer="phi")
    np.testing.assert_allclose(style_loss(both), 3 * kl + 0.5 * style, rtol=1e-6)


def test_one_style_step_by_hand() -> None:
    """G = (3a, b)(3a, b)^T. d/da of the loss at a = b = 1: 2*5*18 + 2*2*(-1)*3 = 168; d/db: -24.

    Entries of G - 4: 5, -1, -1, -3. dG/da: 18, 3, 3, 0; dG/db: 0, 3, 3, 2. 2 * (-1 * 3 * 2 - 3 * 2)
    = -24. The head takes no part.
    """
    famr = Famr(epochs=1, learning_rate=1e-3, kl_weight=0.0, style_weight=1.0, style_layer="phi")
    candidate = famr.unlearn(Mixer(), split_of(FORGET, RETAIN), toys.generator(), silent)
    moved = candidate.phi.weight.detach().flatten()
    np.testing.assert_allclose(moved, [1 - 0.168, 1 + 0.024], rtol=1e-6)
    assert torch.equal(candidate.head.weight, Mixer().head.weight)


def test_grey_is_the_mean_over_channels() -> None:
    images = torch.tensor([[[[10]], [[20]], [[60]]]], dtype=torch.uint8)
    assert grey(images).flatten().tolist() == [30, 30, 30]
    assert grey(images).dtype == torch.uint8


def test_a_class_without_retain_examples_takes_the_mean_over_all() -> None:
    """Groups 0, 0, 2 of pixels (1, 0), (3, 0), (5, 0): means 5, 35/3 and 25 of phi^2."""
    images = torch.tensor([[1, 0], [3, 0], [5, 0]]).reshape(3, 2, 1, 1)
    found = mean_grams(Mixer(), "phi", images, torch.tensor([0, 0, 2]), 3)
    np.testing.assert_allclose(found[:, 0, 0], [5.0, 35 / 3, 25.0], rtol=1e-6)


def test_uniform_over_the_classes_that_remain() -> None:
    """Classes 0 and 2 of three still have examples."""
    retain = one_pixel((0, 0), (0, 0), labels=(0, 2))
    assert classes_left(retain, 3).tolist() == [True, False, True]
    assert uniform_over(classes_left(retain, 3), 2).tolist() == [[0.5, 0.0, 0.5]] * 2
    with pytest.raises(UsageError, match="no class is left"):
        uniform_over(torch.zeros(3), 2)


def test_a_uniform_retain_step_by_hand() -> None:
    """Only class 1 remains, so the target is (0, 1): the head moves by (p - (0, 1)) (3, 1)^T."""
    retain = one_pixel((1, 1), labels=(1,))
    famr = Famr(epochs=1, learning_rate=0.1, target="uniform_retain", head_only=True)
    candidate = famr.unlearn(Mixer(), split_of(FORGET, retain), toys.generator(), silent)
    p = 1 / (1 + math.exp(-(1.5 + 0.5)))
    step = -0.1 * np.outer([p, -p], [3.0, 1.0])
    np.testing.assert_allclose(
        candidate.head.weight.detach(), Mixer().head.weight.detach().numpy() + step, rtol=1e-5
    )


def test_a_tilted_target_without_tilt_is_the_rest_of_the_original_s_answer() -> None:
    """Its own class removed, p_j / (1 - p_own)."""
    original, split = toys.trained(), toys.split()
    target = Famr(target="trw", tilt=0.0).forget_loss(original, split).target.numpy()
    p = torch.from_numpy(logits_of(original, split.forget)).softmax(1).numpy()
    own = np.eye(3)[split.forget.labels]
    rest = p * (1 - own)
    np.testing.assert_allclose(target, rest / rest.sum(1, keepdims=True), rtol=1e-5, atol=1e-7)


def test_head_only_leaves_the_features_as_they_were() -> None:
    original, split = toys.trained(), toys.split()
    shallow, deep = (
        Famr(learning_rate=0.01, head_only=head_only).unlearn(
            original, split, toys.generator(), silent
        )
        for head_only in (True, False)
    )
    before = features_of(original, split.test)
    np.testing.assert_array_equal(features_of(shallow, split.test), before)
    assert not np.array_equal(features_of(deep, split.test), before)
    assert not torch.equal(head_of(shallow).weight, head_of(original).weight)


@pytest.mark.parametrize(
    ("settings", "reads"),
    [
        ({}, False),
        ({"style_weight": 1e-6, "style_layer": "body.2"}, False),
        ({"style_weight": 1e-6, "style_layer": "body.2", "neutral": "class"}, True),
        ({"target": "uniform_retain"}, True),
        ({"retain_weight": 1.0}, True),
    ],
)
def test_retain_examples_are_read_only_where_a_setting_asks(settings, reads) -> None:
    """Other retain pixels and labels change the candidate, or, forget-only, nothing at all."""
    original, split = toys.trained(), toys.split()
    images, labels = 255 - split.retain.images, np.zeros_like(split.retain.labels)
    other = replace(split, retain=replace(split.retain, images=images, labels=labels))
    famr = Famr(learning_rate=0.01, epochs=1, **settings)
    found = [
        torch.cat(
            [p.flatten() for p in famr.unlearn(original, s, toys.generator(), silent).parameters()]
        )
        for s in (split, other)
    ]
    assert torch.equal(*found) != reads


def test_the_trajectory_ends_where_unlearn_does() -> None:
    original, split = toys.trained(), toys.split()
    famr = Famr(learning_rate=0.01, epochs=3)
    heads = [
        head_of(epoch.network).weight.detach().clone()
        for epoch in famr.trajectory(original, split, toys.generator(2))
    ]
    last = famr.unlearn(original, split, toys.generator(2), silent)
    assert len(heads) == 3 and not torch.equal(heads[0], heads[1])
    assert torch.equal(heads[-1], head_of(last).weight)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"target": "uniform"}, "famr.target: got 'uniform', expected one of uniform_all"),
        ({"neutral": "white"}, "famr.neutral"),
        ({"kl_weight": 0.0}, "kl_weight 0.0 and style_weight 0.0"),
        ({"style_weight": 1.0}, "needs the name of a module"),
        (
            {"kl_weight": 0.0, "style_weight": 1.0, "style_layer": "x", "head_only": True},
            "does not depend on the head",
        ),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, said) -> None:
    with pytest.raises(UsageError, match=said):
        Famr(**settings)


def test_the_report_has_eigenvalues_only_if_asked() -> None:
    """J's Hessian is that of the loss plus rho: with a larger rho both extremes rise by as much."""
    original, split = toys.trained(), toys.split()
    candidate = Famr(learning_rate=1e-3).unlearn(original, split, toys.generator(), silent)
    plain, *curved = (
        Famr(hessian_steps=steps, anchor=anchor).report(original, candidate, split)
        for steps, anchor in ((0, 0.1), (4, 0.1), (4, 5.1))
    )
    assert "hessian_low" not in plain
    for end in ("hessian_low", "hessian_high"):
        np.testing.assert_allclose(curved[1][end] - curved[0][end], 5.0, rtol=1e-2)


def curve(low: float, high: float) -> Curvature:
    return Curvature(low=low, high=high, error=0.0, near_zero=0.0, steps=10, probes=1)


@pytest.fixture(scope="module")
def measured():
    original, split = toys.trained(), toys.split()
    famr = Famr(learning_rate=1e-3)
    candidate = famr.unlearn(original, split, toys.generator(), silent)
    return evidence(
        famr, original, candidate, split, toys.generator(), steps=5, probes=1, examples=20
    )


def test_evidence_is_what_the_report_says_and_finite(measured) -> None:
    original, split = toys.trained(), toys.split()
    famr = Famr(learning_rate=1e-3)
    candidate = famr.unlearn(original, split, toys.generator(), silent)
    report = famr.report(original, candidate, split)
    for name in ("stationarity_residual", "uniform_gap_max", "uniform_gap_mean"):
        np.testing.assert_allclose(getattr(measured, name), report[name], rtol=1e-5)
    assert 0 <= measured.uniform_gap_mean <= measured.uniform_gap_max < 2
    assert math.isfinite(measured.lipschitz) and measured.mismatch > 0.01


def test_the_uniform_gap_by_hand() -> None:
    """Logits (1.5, -.5), p = sigma(2) = .8808: ||p - u||_1 = 2 (p - 1/2)."""
    famr = Famr(learning_rate=1e-12)
    split = split_of(FORGET, RETAIN)
    found = famr.report(Mixer(), Mixer(), split)
    np.testing.assert_allclose(
        found["uniform_gap_max"], 2 * (1 / (1 + math.exp(-2.0)) - 0.5), rtol=1e-6
    )


def test_the_jacobian_of_a_linear_head_by_hand() -> None:
    """Logits W x with x = (3, 1): dz_i/dW_i = x, so the spectral norm is |x| = sqrt(10)."""
    famr = Famr(head_only=True)
    found = evidence(
        famr, Mixer(), Mixer(), split_of(FORGET, RETAIN), toys.generator(), steps=2, probes=1
    )
    np.testing.assert_allclose(found.lipschitz, math.sqrt(10), rtol=1e-6)


def test_the_training_gradient_and_its_mismatch_by_hand() -> None:
    """grad l = (p - y) x^T = (q, -q)^T (3, 1) with q = .8808 - 1; FAMR's has p - 1/2 for q.

    They differ by half of x: mismatch .5 / (.8808 - .5); norm sqrt(2) |q| sqrt(10).
    """
    found = evidence(
        Famr(head_only=True),
        Mixer(),
        Mixer(),
        split_of(FORGET, RETAIN),
        toys.generator(),
        steps=2,
        probes=1,
    )
    p = 1 / (1 + math.exp(-2.0))
    np.testing.assert_allclose(found.training_gradient, math.sqrt(20) * (1 - p), rtol=1e-5)
    np.testing.assert_allclose(found.mismatch, 0.5 / (p - 0.5), rtol=1e-5)


def test_a_distance_bound_has_its_value_and_every_failed_condition(measured) -> None:
    """rho / lambda_min^2 * ||sum grad|| = .1 / 4 * 8 = .2."""
    held = replace(
        measured,
        training=curve(2.0, 9.0),
        training_gradient=8.0,
        anchor=0.1,
        mismatch=0.0,
        stationarity_residual=0.0,
    )
    bound = distance_bound(held)
    np.testing.assert_allclose(bound.value, 0.2, rtol=1e-12)
    assert len(bound.obstacles) == 1 and "other sign" in bound.words
    failed = replace(held, training=curve(-3.0, 9.0), mismatch=1.2, stationarity_residual=0.4)
    bound = distance_bound(failed)
    assert bound.value is None
    for said in ("eigenvalue -3", "120%", "residual is 0.4"):
        assert said in bound.words


def test_an_output_bound_multiplies_by_the_lipschitz_constant(measured) -> None:
    held = replace(
        measured, training=curve(2.0, 9.0), training_gradient=8.0, anchor=0.1, lipschitz=5.0
    )
    bound = output_bound(held)
    np.testing.assert_allclose(bound.value, 1.0, rtol=1e-12)
    assert "at the candidate only" in bound.words


def test_the_published_contraction_is_vacuous(measured) -> None:
    """(1 - 1e-4 * .1)^40 = .9996."""
    published = replace(
        measured, rate=1e-4, decay=0.1, steps=40, whole=True, objective=curve(0.2, 5.0)
    )
    bound = convergence_bound(published)
    np.testing.assert_allclose(bound.value, (1 - 1e-5) ** 40, rtol=1e-9)
    assert (
        bound.words
        == "does not apply, because it is vacuous: 99.96% of the squared distance may remain"
    )


def test_a_convex_and_patient_run_has_a_bound_that_applies(measured) -> None:
    """eta rho = .02, 100 steps: .98^100 = .1326."""
    held = replace(measured, rate=0.1, decay=0.2, steps=100, whole=True, objective=curve(0.3, 5.0))
    bound = convergence_bound(held)
    assert bound.applies and bound.words.startswith("applies, if no eigenvalue lies outside")
    unsure = replace(held, objective=replace(held.objective, error=1e3))
    assert "may not be convex" in convergence_bound(unsure).words
    np.testing.assert_allclose(bound.value, 0.98**100, rtol=1e-9)
    for changed, said in (
        ({"objective": curve(0.1, 5.0)}, "not convex"),
        ({"objective": curve(0.3, 50.0)}, "steps are too long"),
        ({"whole": False}, "batches"),
    ):
        assert said in convergence_bound(replace(held, **changed)).words
