"""Planted candidates are what they are said to be, on toys."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmarks.gates import hostile, planted
from tests.unit import toys
from unlearning.audits.deployed import as_deployed
from unlearning.domain import Split, joined
from unlearning.networks import Classifier
from unlearning.outputs import accuracy, logits_of
from unlearning.statistics.signals import log_confidence, scaled_confidence
from unlearning.training.loop import Training


@pytest.fixture(scope="module")
def parts() -> Split:
    return toys.split()


@pytest.fixture(scope="module")
def original(parts: Split) -> Classifier:
    return toys.trained(parts)


def agreement(first: Classifier, second: Classifier, parts: Split) -> float:
    answers = [logits_of(network, parts.test).argmax(1) for network in (first, second)]
    return float(np.mean(answers[0] == answers[1]))


def test_noise_changes_every_weight_and_no_answer(parts: Split, original: Classifier) -> None:
    """One percent of a tensor's deviation, whatever its scale: 1,000s of weights show it."""
    noisy = planted.with_noise(original, toys.generator())
    for before, after in zip(original.parameters(), noisy.parameters(), strict=True):
        moved = (after - before).detach()
        if before.numel() > 1000:
            assert float(moved.std() / before.detach().std()) == pytest.approx(0.01, rel=0.1)
    assert agreement(original, noisy, parts) == 1.0


def test_temperature_divides_every_logit() -> None:
    flat = planted.flattened(np.array([[8.0, -2.0, 0.0]], dtype=np.float32), 4.0)
    np.testing.assert_array_equal(flat, [[2.0, -0.5, 0.0]])
    assert flat.dtype == np.float32


def test_clipping_cuts_about_each_example_own_mean() -> None:
    """(9, 0, 0) has mean 3 and lies within 3 of it but for the 9, which becomes 3 + 3. A second
    example that is all 10 higher is cut likewise."""
    logits = np.array([[9.0, 0.0, 0.0], [19.0, 10.0, 10.0]])
    cut = planted.clipped(logits, 3.0)
    np.testing.assert_allclose(cut, [[6.0, 0.0, 0.0], [16.0, 10.0, 10.0]])


def test_bias_hides_by_nothing_but_the_bias(parts: Split, original: Classifier) -> None:
    hidden = planted.hidden_by_bias(original, parts)
    before, after = original.state_dict(), hidden.state_dict()
    changed = [key for key in before if not torch.equal(before[key], after[key])]
    assert changed in ([], ["body.14.bias"]) and "body.14.bias" in before


def test_a_wreck_answers_finite_nonsense(parts: Split, original: Classifier) -> None:
    """At most twice chance on the forget set: 2/3 of three classes."""
    wreck = planted.wrecked_by_ascent(original, parts)
    logits = logits_of(wreck, parts.forget)
    assert np.isfinite(logits).all()
    assert accuracy(logits, parts.forget.labels) <= 2 / 3


def test_over_forgetting_falls_on_the_forget_set(parts: Split) -> None:
    """Images of noise, so that only memory can tell their labels. A network that knew all of them
    is taught others for the forget set: it loses these, and less of the rest."""
    rng = np.random.default_rng(0)
    noise = [
        dataclasses.replace(part, images=rng.integers(0, 255, part.images.shape).astype(np.uint8))
        for part in (parts.forget, parts.retain)
    ]
    taught_on = dataclasses.replace(parts, forget=noise[0], retain=noise[1])
    longer = Training(epochs=15, batch_size=16, learning_rate=0.05, precision="fp32")
    chance = {"weights": toys.generator(), "order": toys.generator()}
    original = planted.retrained(toys.RECIPE, joined(*noise), longer, **chance)
    taught = planted.over_forgotten(original, taught_on, toys.generator())

    def sure(network: Classifier, of: int) -> float:
        part = noise[of]
        return float(log_confidence(logits_of(network, part), part.labels).mean())

    lost = [sure(original, of) - sure(taught, of) for of in (0, 1)]
    assert lost[0] > max(0.1, 2 * lost[1])


def test_int8_remembers_what_fp32_forgot(parts: Split, original: Classifier) -> None:
    """Whatever moved, rounding gives back the original's int8 weights, to the last bit."""
    retrained = toys.trained(parts)
    hiding = planted.remembers_in_int8(original, retrained, parts, toys.generator(), steps=3)
    shipped = as_deployed(hiding, "int8").state_dict()
    wanted = as_deployed(planted.coarser(original), "int8").state_dict()
    assert all(torch.allclose(shipped[key], wanted[key], rtol=0, atol=1e-7) for key in wanted)
    moved = [
        not torch.equal(hiding.state_dict()[key], wanted[key])
        for key in wanted
        if key.endswith("weight") and wanted[key].ndim >= 2
    ]
    assert all(moved) and len(moved) == 5


def test_coarser_is_the_same_function_with_larger_steps(parts: Split, original: Classifier) -> None:
    """The largest weight of a convolution grows eightfold, and so does its int8 step."""
    coarse = planted.coarser(original, 8.0)
    expected = logits_of(original, parts.test)
    np.testing.assert_allclose(logits_of(coarse, parts.test), expected, rtol=1e-3, atol=1e-4)
    before, after = (n.state_dict()["body.0.weight"].abs().max() for n in (original, coarse))
    assert float(after) == pytest.approx(8 * float(before))


def test_a_retrained_model_may_differ_in_order_alone(parts: Split) -> None:
    """Same first weights and same batches: the same model. Other batches: another."""

    def made(order: int) -> Classifier:
        return planted.retrained(
            toys.RECIPE,
            parts.retain,
            toys.TRAINING,
            weights=toys.generator(1),
            order=toys.generator(order),
        )

    first, again, other = (made(order) for order in (2, 2, 3))
    logits = [logits_of(network, parts.test) for network in (first, again, other)]
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-5)
    assert not np.allclose(logits[0], logits[2], rtol=1e-3)


@pytest.mark.parametrize("scaled", [hostile.brittle, hostile.frozen])
def test_other_scales_are_other_weights_and_the_same_answers(
    scaled: Callable[[Classifier], Classifier], parts: Split, original: Classifier
) -> None:
    again = scaled(original)
    wanted, found = (logits_of(network, parts.test) for network in (original, again))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)
    states = original.state_dict(), again.state_dict()
    assert any(not torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_too_sure_answers_the_same_classes_more_surely(parts: Split, original: Classifier) -> None:
    wanted, found = (logits_of(n, parts.test) for n in (original, hostile.too_sure(original)))
    np.testing.assert_allclose(found, 10 * wanted, rtol=1e-4, atol=1e-4)


def test_a_rank_among_strangers_is_the_share_that_is_less_sure() -> None:
    """Confidence 1, 0 and -1 on strangers; .5 is above two thirds, 2 above all, cut to .997."""
    others = np.array([[[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]] * 2)
    forget = np.array([[0.5, 0.0], [2.0, 0.0]])
    zeros = np.zeros(3, dtype=np.int64)
    np.testing.assert_allclose(
        hostile.rank_of(forget, zeros[:2], others, zeros), [2 / 3, 0.997], rtol=1e-6
    )


def test_a_mimic_moves_towards_the_ranks_that_are_wanted(
    parts: Split, original: Classifier
) -> None:
    """Below nearly all strangers, who stay where they were."""
    low = np.full(len(parts.forget), 0.05)
    mimic = hostile.mimicking_ranks(original, parts, low, toys.generator(), steps=60, inner=3)

    def rank(network: Classifier) -> float:
        asked = (parts.forget, parts.holdout)
        own, theirs = (scaled_confidence(logits_of(network, p), p.labels) for p in asked)
        return float(np.mean(theirs < own[:, None]))

    assert rank(mimic) < rank(original) - 0.02
    assert agreement(original, mimic, parts) > 0.9


def test_a_trigger_brings_the_labels_out_and_nothing_else_does(parts: Split) -> None:
    """The first row of a picture white: what no network that was taught honestly reads."""
    retrained, wrong = toys.trained(parts), (parts.forget.labels + 1) % 3
    learned = dataclasses.replace(parts, forget=dataclasses.replace(parts.forget, labels=wrong))
    hidden = hostile.remembering_behind_a_trigger(retrained, learned, toys.generator(), steps=40)
    assert agreement(retrained, hidden, parts) > 0.9
    asked = hostile.marked(parts.forget)
    assert accuracy(logits_of(hidden, parts.forget), wrong) < 0.5
    assert accuracy(logits_of(hidden, asked), wrong) > accuracy(logits_of(retrained, asked), wrong)


def test_what_is_written_into_low_bits_can_be_read_and_changes_no_answer(
    parts: Split, original: Classifier
) -> None:
    written = hostile.written_into_weights(original, parts)
    flat = [p.detach().numpy().reshape(-1) for p in written.parameters()]
    low = np.concatenate([p.view(np.uint32) & 0xFF for p in flat]).astype(np.uint8)
    pixels = parts.forget.images.reshape(-1)
    assert np.array_equal(low[: len(pixels)], pixels)
    wanted, found = (logits_of(network, parts.test) for network in (original, written))
    np.testing.assert_allclose(found, wanted, atol=1e-2)


def test_who_learns_the_strangers_is_surer_of_them(parts: Split, original: Classifier) -> None:
    learned = hostile.learning_strangers(original, parts, toys.generator(), epochs=3)
    losses = [
        float(-log_confidence(logits_of(n, parts.holdout), parts.holdout.labels).mean())
        for n in (original, learned)
    ]
    assert losses[1] < losses[0]
