"""What forgetting by the last layer alone hides, and what training for a moment brings back."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch

from tests.unit import toys
from unlearning.features import head_of
from unlearning.judging.doors import OPENED, refitted, relearned
from unlearning.outputs import accuracy, logits_of


def broken() -> torch.nn.Module:
    """A trained network whose last layer says the opposite of what its features do."""
    network = deepcopy(toys.trained())
    with torch.no_grad():
        head_of(network).weight.mul_(-0.2)
    return network


def test_a_last_layer_fitted_anew_undoes_what_was_done_to_it_alone() -> None:
    network, held = broken(), toys.examples(60, seed=7)
    again = refitted(network, toys.split().retain)
    assert accuracy(logits_of(network, held), held.labels) < 0.7
    assert accuracy(logits_of(again, held), held.labels) > 0.9


def test_a_moment_of_training_brings_a_broken_network_back() -> None:
    network, held = broken(), toys.examples(60, seed=7)
    again = relearned(network, toys.split().retain)
    assert accuracy(logits_of(again, held), held.labels) > 0.9


def test_no_door_touches_the_candidate_and_all_repeat_themselves() -> None:
    network, retain = toys.trained(), toys.split().retain
    before = {name: p.clone() for name, p in network.state_dict().items()}
    for opens in OPENED.values():
        first, second = (logits_of(opens(network, retain), retain) for _ in range(2))
        assert np.array_equal(first, second)
    assert all(torch.equal(p, before[name]) for name, p in network.state_dict().items())
