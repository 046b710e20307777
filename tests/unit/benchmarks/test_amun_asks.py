"""Other adversarial examples than the forget set's own: what each source keeps and changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.amun.elsewhere import SOURCES, Known, Taught
from benchmarks.amun.originals import HARDENED, HELD, PLAIN, made
from tests.unit import toys
from unlearning.lipschitz.bounds import norm
from unlearning.lipschitz.operators import operators_of
from unlearning.methods.amun import Amun
from unlearning.outputs import accuracy, logits_of
from unlearning.training.loop import silent

SETTINGS = Amun(epochs=1, attack_steps=10, precision="fp32")


@pytest.fixture
def known() -> Known:
    split = toys.split()
    return Known(SETTINGS, toys.trained(), toys.trained(toys.split(forget=8)), split, rng())


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def pixels(known: Known) -> np.ndarray:
    return known.split.forget.images.astype(np.float32) / 255


def test_a_random_direction_goes_as_far_and_is_answered_by_the_original(known: Known) -> None:
    own, random = SOURCES["its own, PGD"](known), SOURCES["as far in a random direction"](known)
    moved = np.sqrt(((random.images - pixels(known)) ** 2).sum((1, 2, 3)))
    assert (moved <= own.l2 + 1e-4).all() and moved.mean() > 0.5 * own.l2.mean()  # clipped to 0..1
    with torch.inference_mode():
        answers = known.original(torch.from_numpy(random.images)).argmax(1).numpy()
    assert np.array_equal(random.labels, answers)


def test_the_same_wrong_labels_come_without_a_perturbation(known: Known) -> None:
    own, plain = (
        SOURCES["its own, PGD"](known),
        SOURCES["no perturbation, the same wrong labels"](known),
    )
    assert np.array_equal(plain.labels, own.labels) and np.allclose(plain.images, pixels(known))


def test_a_random_direction_may_carry_the_wrong_labels(known: Known) -> None:
    own = SOURCES["its own, PGD"](known)
    found = SOURCES["as far in a random direction, the same wrong labels"](known)
    assert (found.labels == own.labels).all()
    assert not np.allclose(found.images, own.images, atol=0.01)


def test_what_another_network_is_fooled_by_has_its_answers(known: Known) -> None:
    found = SOURCES["its own, found on another network"](known)
    with torch.inference_mode():
        answers = known.other(torch.from_numpy(found.images)).argmax(1).numpy()
    assert np.array_equal(found.labels[found.found], answers[found.found])


def test_what_is_given_is_what_is_learned(known: Known) -> None:
    """Nothing given is AMUN itself; nothing found is training on the rest."""
    plain = SETTINGS.unlearn(known.original, known.split, toys.generator(), silent)
    settings = vars(SETTINGS)
    same = Taught(**settings).unlearn(known.original, known.split, toys.generator(), silent)
    own = SOURCES["its own, PGD"](known)
    nothing = replace(own, found=np.zeros_like(own.found))
    none = Taught(**settings, given=nothing)
    other = none.unlearn(known.original, known.split, toys.generator(), silent)
    for key, value in plain.state_dict().items():
        assert torch.equal(value, same.state_dict()[key])
    assert any(not torch.equal(v, other.state_dict()[k]) for k, v in plain.state_dict().items())


@pytest.mark.parametrize("kind", [PLAIN, HELD, HARDENED])
def test_every_kind_of_original_learns(kind: str) -> None:
    examples = toys.examples(60, seed=1)
    training = replace(toys.TRAINING, epochs=6)
    network = made(kind, toys.RECIPE, examples, training, seed=0)
    assert accuracy(logits_of(network, examples), examples.labels) > 0.9
    if kind == HELD:
        picture = torch.zeros(1, 1, 8, 8)
        assert all(norm(one) < 2.1 for one in operators_of(network, picture))
