"""A batch of people who go together is told from a random draw, by the network's features."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit import toys
from unlearning import networks
from unlearning.domain import BoolArray, Examples, IntArray, Split
from unlearning.gates.groups import group
from unlearning.judging.mates import erased_mates
from unlearning.networks import Classifier

PEOPLE, EACH, SESSIONS = 120, 4, 12


@pytest.fixture(scope="module")
def album() -> tuple[Examples, IntArray]:
    """480 pictures of 120 people, ten people a session, each session with a light of its own."""
    n = PEOPLE * EACH
    found, rng = toys.examples(n, seed=5), np.random.default_rng(6)
    person = np.arange(n) // EACH
    light = rng.integers(0, 90, (SESSIONS, 1, 8, 8))[person % SESSIONS]
    images = np.clip(found.images.astype(int) + light, 0, 255).astype(np.uint8)
    subjects = np.array([f"s{p}" for p in person])
    return Examples(images, found.labels, found.ids, subjects), person


@pytest.fixture(scope="module")
def network(album: tuple[Examples, IntArray]) -> Classifier:
    parts = Split(album[0], *[album[0].take(np.arange(0))] * 3, classes=3)
    return toys.trained(parts)


def split_by(found: Examples, forgets: BoolArray, holdout: BoolArray) -> Split:
    parts = found.take(forgets & ~holdout), found.take(~forgets & ~holdout), found.take(holdout)
    return Split(*parts, test=found.take(holdout), classes=3)


def strangers(person: IntArray) -> BoolArray:
    """Every fifth person was never trained on, of whatever session."""
    return np.asarray(person // SESSIONS % 5 == 4)


def test_who_was_photographed_together_is_a_group(
    album: tuple[Examples, IntArray], network: Classifier
) -> None:
    """Most of their mates go with them; strangers have theirs in all twelve sessions."""
    found, person = album
    together = erased_mates(network, split_by(found, person % SESSIONS == 3, strangers(person)))
    assert together.low > 0.2
    assert group({together.name: together})


def test_a_random_draw_of_as_many_is_none(
    album: tuple[Examples, IntArray], network: Classifier
) -> None:
    found, person = album
    chosen = np.isin(person, np.random.default_rng(7).choice(PEOPLE, 10, replace=False))
    drawn = erased_mates(network, split_by(found, chosen, strangers(person)))
    assert drawn.low < 0.05
    assert abs(drawn.value) < 0.1
    assert not group({drawn.name: drawn})


def test_a_class_is_none_as_its_strangers_lose_their_mates_too(
    album: tuple[Examples, IntArray], network: Classifier
) -> None:
    found, person = album
    whole = erased_mates(network, split_by(found, found.labels == 1, strangers(person)))
    assert abs(whole.value) < 0.1


def test_one_person_alone_has_no_mates_to_lose(
    album: tuple[Examples, IntArray], network: Classifier
) -> None:
    found, person = album
    one = erased_mates(network, split_by(found, person == 5, strangers(person)))
    assert np.isnan(one.value)
    assert not group({one.name: one})


@pytest.mark.parametrize("name", ["conv-medium", "resnet20", "vit-digits"])
def test_any_network_has_a_middle(name: str, album: tuple[Examples, IntArray]) -> None:
    found, person = album
    recipe = networks.Recipe(network=name, classes=3, channels=1, size=8, mean=(0.5,), std=(0.25,))
    untrained = networks.build(recipe, toys.generator())
    asked = erased_mates(untrained, split_by(found, person % SESSIONS == 3, strangers(person)))
    assert asked.low <= asked.value <= asked.high
