"""Facts that hold for every registered method, and each method's own arithmetic."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.unit import toys
from unlearning import networks
from unlearning.contracts import Method
from unlearning.domain import Examples, Split, TrainingSets
from unlearning.errors import Diverged, UnknownName, UsageError
from unlearning.methods import METHODS
from unlearning.methods.famr import Famr
from unlearning.methods.finetune import FineTune
from unlearning.methods.retrain import Retrain
from unlearning.training import keyed
from unlearning.training.distillation import kl_from
from unlearning.training.loop import silent

QUICK: dict[str, object] = {"epochs": 2, "batch_size": 16, "precision": "fp32"}
SETTINGS: dict[str, dict[str, object]] = {
    "amun": QUICK,
    "amun_forget_only": QUICK,
    "bad_teacher": {**QUICK, "retain_share": 0.5},
    "boundary_shrink": {**QUICK, "learning_rate": 0.01},
    "conv_transpose": QUICK,
    "famr": {"learning_rate": 0.01, "epochs": 2},
    "finetune": {"epochs": 1, "precision": "fp32"},
    "gradient_ascent": QUICK,
    "head_downdate": {},
    "l1_sparse": QUICK,
    "masked_small_gradients": QUICK,
    "neg_grad_plus": QUICK,
    "random_label": QUICK,
    "retrain": {"training": toys.TRAINING},
    "salun": QUICK,
    "scrub": QUICK,
    "scrub_rewind": QUICK,
    "sfr_on": {"steps": 6, "batch_size": 16, "precision": "fp32", "outer_beta": 0.5},
    "shrink_distil": {**QUICK, "retain_share": 0.5},
    "ssd": {"selection": 1.0, "gradients": "batches"},
    "trw": QUICK,
    "warm_retrain": {"training": toys.TRAINING, "share": 0.7, "teaching": 0.5},
}


def method(name: str) -> Method:
    return METHODS.create(name, SETTINGS[name])


def original_for(name: str, parts: Split | None = None) -> networks.Classifier:
    """The network that a method works on: one with a frozen backbone where it needs one."""
    return toys.frozen(parts) if name == "head_downdate" else toys.trained(parts)


def sets(name: str, split: Split) -> TrainingSets:
    """Give what a method sees: stored networks too, for those that begin from them."""
    return split.handed(toys.bases()) if "bases" in METHODS[name].needs else split


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([t.flatten().double() for t in network.state_dict().values()])


def spoiled(part: Examples) -> Examples:
    """The same examples with other pixels: whoever reads them is found out."""
    return replace(part, images=255 - part.images)


def test_every_method_has_contract_settings() -> None:
    assert set(METHODS) == set(SETTINGS)


@pytest.mark.parametrize("name", list(METHODS))
def test_the_original_is_untouched_and_the_candidate_differs(name: str) -> None:
    original = original_for(name)
    before = weights(original)
    candidate = method(name).unlearn(original, sets(name, toys.split()), toys.generator(1), silent)
    assert torch.equal(weights(original), before)
    assert not torch.equal(weights(candidate), before)


@pytest.mark.parametrize("name", list(METHODS))
def test_the_examples_are_untouched(name: str) -> None:
    """A method that relabels or shifts images does so on its own copy."""
    split, same = toys.split(), toys.split()
    method(name).unlearn(original_for(name), sets(name, split), toys.generator(1), silent)
    for part in ("forget", "retain", "holdout", "test"):
        after, before = getattr(split, part), getattr(same, part)
        np.testing.assert_array_equal(after.labels, before.labels)
        np.testing.assert_array_equal(after.images, before.images)


@pytest.mark.parametrize("name", list(METHODS))
def test_the_same_seed_gives_the_same_candidate(name: str) -> None:
    original, split = original_for(name), toys.split()
    twice = [
        method(name).unlearn(original, sets(name, split), toys.generator(5), silent)
        for _ in range(2)
    ]
    assert torch.equal(weights(twice[0]), weights(twice[1]))


@pytest.mark.parametrize("name", list(METHODS))
def test_a_forget_set_of_one_is_enough(name: str) -> None:
    split = toys.split(forget=1)
    candidate = method(name).unlearn(
        original_for(name, split), sets(name, split), toys.generator(), silent
    )
    assert torch.isfinite(weights(candidate)).all()


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("training", [True, False])
def test_type_device_and_mode_are_kept(name: str, training: bool) -> None:
    original = original_for(name).train(training)
    candidate = method(name).unlearn(original, sets(name, toys.split()), toys.generator(), silent)
    for old, new in zip(original.parameters(), candidate.parameters(), strict=True):
        assert (old.dtype, old.device, old.requires_grad) == (
            new.dtype,
            new.device,
            new.requires_grad,
        )
    assert candidate.training == training


@pytest.mark.parametrize("name", list(METHODS))
def test_what_is_not_declared_is_not_read(name: str) -> None:
    """Holdout and test examples never, forget and retain ones only if `needs` says so."""
    original, split = original_for(name), toys.split()
    hidden = {"forget", "retain", "holdout", "test"} - method(name).needs
    other = replace(split, **{part: spoiled(getattr(split, part)) for part in hidden})
    plain = method(name).unlearn(original, sets(name, split), toys.generator(), silent)
    blind = method(name).unlearn(original, sets(name, other), toys.generator(), silent)
    assert torch.equal(weights(plain), weights(blind))


def test_no_method_is_handed_what_judges_it() -> None:
    """A run hands over forget and retain examples; there is no holdout and no test set in it."""
    handed = toys.split().handed()
    assert {field.name for field in fields(handed)} == {"forget", "retain", "classes", "bases"}
    assert all(METHODS[name].needs <= {"forget", "retain", "bases"} for name in METHODS)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_works_with_what_it_is_handed(name: str) -> None:
    original, split = original_for(name), toys.split()
    given = [
        method(name).unlearn(original, parts, toys.generator(1), silent)
        for parts in (sets(name, split), split.handed(toys.bases()))
    ]
    assert torch.equal(*map(weights, given))
    method(name).report(original, given[1], split.handed())


@pytest.mark.parametrize("name", list(METHODS))
def test_chance_comes_from_the_generator_alone(name: str) -> None:
    original, split, results = original_for(name), toys.split(), []
    for noise in (1, 2):
        torch.manual_seed(noise)
        np.random.default_rng(noise)
        before = torch.random.get_rng_state()
        results.append(method(name).unlearn(original, sets(name, split), toys.generator(3), silent))
        assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(weights(results[0]), weights(results[1]))


ESTIMATED = ("amun", "amun_forget_only", "head_downdate", "scrub_rewind")
"""Methods whose passes depend on what is searched, on how many images people have, or on how full
a batch of one size is."""


@pytest.mark.parametrize("name", sorted(set(METHODS) - set(ESTIMATED)))
def test_passes_are_what_is_passed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images for which gradients are kept, and a third of the others."""
    original, split = original_for(name), toys.split()
    counted, plain = {True: 0, False: 0}, networks.Classifier.forward

    def forward(self: networks.Classifier, pixels: torch.Tensor) -> torch.Tensor:
        counted[torch.is_grad_enabled()] += len(pixels)
        return plain(self, pixels)

    monkeypatch.setattr(networks.Classifier, "forward", forward)
    keyed.clear()
    method(name).unlearn(original, sets(name, split), toys.generator(), silent)
    passed = counted[True] + round(counted[False] / 3)
    assert method(name).passes(len(split.forget), len(split.retain)) == passed


@pytest.mark.parametrize("name", list(METHODS))
def test_the_report_is_finite_numbers(name: str) -> None:
    original, split = original_for(name), toys.split()
    candidate = method(name).unlearn(original, sets(name, split), toys.generator(), silent)
    assert all(math.isfinite(v) for v in method(name).report(original, candidate, split).values())


def test_what_is_exact() -> None:
    """Whoever begins afresh, or from what never saw the forget set, or finds the one optimum."""
    assert [name for name in METHODS if METHODS[name].exact] == [
        "head_downdate",
        "retrain",
        "warm_retrain",
    ]


def test_retrain_reads_nothing_of_the_original_weights() -> None:
    split = toys.split()
    one, other = toys.trained(), networks.build(toys.RECIPE, toys.generator(99))
    results = [
        Retrain(training=toys.TRAINING).unlearn(model, split, toys.generator(4), silent)
        for model in (one, other.eval())
    ]
    assert torch.equal(weights(results[0]), weights(results[1]))


def test_the_divergence_from_uniform_by_hand() -> None:
    """FAMR, Eq. 2: 0 at (1/2, 1/2), -ln 2 - (ln .75 + ln .25) / 2 = .1438 nats at (3/4, 1/4)."""
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]], dtype=torch.float64)
    expected = [0.0, -math.log(2) - (math.log(0.75) + math.log(0.25)) / 2]
    found = kl_from(torch.full_like(logits, 0.5), logits)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


class Line(nn.Module):
    """One weight per class on one pixel: small enough to step by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0], [0.0]]))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.flatten(1).float() @ self.weight.T


def one_pixel(n: int) -> Split:
    part = Examples(
        np.ones((n, 1, 1, 1), dtype=np.uint8),
        np.zeros(n, dtype=np.int64),
        np.arange(n).astype(np.str_),
        np.arange(n).astype(np.str_),
    )
    return Split(part, part, part, part, 2)


def test_one_step_of_famr_by_hand() -> None:
    """At w = (1, 0), x = 1: dKL/dw = p - u = (sigma(1) - 1/2) (1, -1); the anchor's term is 0."""
    candidate = Famr(epochs=1, learning_rate=0.5).unlearn(
        Line(), one_pixel(1), toys.generator(), silent
    )
    push = 1 / (1 + math.exp(-1.0)) - 0.5
    expected = [[1 - 0.5 * push], [0.5 * push]]
    np.testing.assert_allclose(candidate.weight.detach(), expected, rtol=1e-6)


def test_two_steps_of_famr_feel_the_anchor() -> None:
    """The second step adds rho (theta - theta0) to the gradient."""
    eta, rho = 0.5, 2.0
    candidate = Famr(epochs=2, learning_rate=eta, anchor=rho).unlearn(
        Line(), one_pixel(1), toys.generator(), silent
    )
    w = np.array([1.0, 0.0])
    for _ in range(2):
        push = 1 / (1 + np.exp(-(w[0] - w[1]))) - 0.5
        w = w - eta * (np.array([push, -push]) + rho * (w - np.array([1.0, 0.0])))
    np.testing.assert_allclose(candidate.weight.detach()[:, 0], w, rtol=1e-6)


def test_sum_over_n_is_mean_with_rate_and_anchor_rescaled() -> None:
    """Loss times n, rho times n and rate over n is the same trajectory (METHODS, critic 9)."""
    n = 4
    summed = Famr(epochs=5, learning_rate=0.1 / n, anchor=0.3 * n, reduction="sum")
    averaged = Famr(epochs=5, learning_rate=0.1, anchor=0.3, reduction="mean")
    results = [
        m.unlearn(Line(), one_pixel(n), toys.generator(), silent) for m in (summed, averaged)
    ]
    np.testing.assert_allclose(results[0].weight.detach(), results[1].weight.detach(), rtol=1e-6)


def test_famr_reaches_its_stationary_point() -> None:
    """After many steps Eq. 6's residual is nearly 0; after one it is not."""
    split = one_pixel(1)
    residuals = []
    for epochs in (1, 400):
        famr = Famr(epochs=epochs, learning_rate=0.2)
        candidate = famr.unlearn(Line(), split, toys.generator(), silent)
        residuals.append(famr.report(Line(), candidate, split)["stationarity_residual"])
    assert residuals[0] > 0.5
    assert residuals[1] < 1e-3


def test_famr_leaves_batch_norm_statistics_alone() -> None:
    original = toys.trained()
    candidate = Famr(learning_rate=0.01).unlearn(original, toys.split(), toys.generator(), silent)
    after = dict(candidate.named_buffers())
    assert all(torch.equal(after[name], buffer) for name, buffer in original.named_buffers())


def test_divergence_is_said_and_not_returned() -> None:
    with pytest.raises(Diverged, match="learning_rate"):
        Famr(learning_rate=1e20, epochs=5).unlearn(
            toys.trained(), toys.split(), toys.generator(), silent
        )


def test_unknown_methods_and_settings_are_named() -> None:
    with pytest.raises(UnknownName, match=r"known are .*finetune, gradient_ascent"):
        METHODS.create("amnesia")
    with pytest.raises(UsageError, match="has no setting 'speed'; it has"):
        METHODS.create("finetune", {"speed": 1})
    with pytest.raises(UsageError, match="reduction"):
        METHODS.create("famr", {"reduction": "median"})


def test_a_duplicate_name_raises() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        METHODS.register(FineTune)


def test_an_untrained_copy_is_what_deepcopy_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract test finds a method that trains the caller's network in place."""

    class InPlace(FineTune):
        def unlearn(self, original, split, rng, progress):  # type: ignore[no-untyped-def]
            monkeypatch.setattr("unlearning.methods.finetune.deepcopy", lambda network: network)
            return super().unlearn(original, split, rng, progress)

    original = toys.trained()
    before = weights(deepcopy(original))
    InPlace(epochs=1).unlearn(original, toys.split(), toys.generator(), silent)
    assert not torch.equal(weights(original), before)
