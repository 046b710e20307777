"""Training as published: its rates by hand, plain momentum, and going on after a stop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.methods.published_training import (
    Checkpoint,
    PublishedTraining,
    record_path,
    train_to,
)
from tests.unit import toys
from unlearning.errors import Diverged, UsageError
from unlearning.training.loop import silent

SHORT = PublishedTraining(epochs=5, batch_size=16, learning_rate=0.05, precision="fp32")


def test_the_rates_by_hand() -> None:
    """Cosine: 1, (1 + cos 45)/2, 1/2, (1 - cos 45)/2. Steps of ten epochs: a tenth every second."""
    cosine, steps = PublishedTraining(epochs=4), PublishedTraining(epochs=10, schedule="steps")
    half = 0.5**0.5 / 2
    expected = [0.1, 0.1 * (0.5 + half), 0.05, 0.1 * (0.5 - half)]
    assert [cosine.rate(epoch) for epoch in range(4)] == pytest.approx(expected)
    assert [steps.rate(epoch) for epoch in (0, 1, 2, 3, 9)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 0.00001]
    )


def test_momentum_is_plain() -> None:
    """Gradient 1: steps of .1 and then .1 (1 + .9). Nesterov's first step would be .19."""
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(1.0)
    optimiser = replace(SHORT, learning_rate=0.1, weight_decay=0.0).optimiser(network)
    found = []
    for _ in range(2):
        network.weight.grad = torch.ones(1, 1)
        optimiser.step()
        found.append(network.weight.item())
    assert found == pytest.approx([0.9, 0.71])


class Killed(Exception):
    """The time of a call has run out."""


def train(path: Path, *, stop_after: int = 100) -> dict:
    def tell(done: int, total: int, loss: float) -> None:
        if done == stop_after:
            raise Killed

    return train_to(path, toys.RECIPE, toys.examples(48), SHORT, 7, tell)


def test_what_goes_on_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """Killed after 3 epochs with a state of 2, then after 4 with a state of 4, then not."""
    whole = train(tmp_path / "whole.safetensors")
    path = tmp_path / "parts.safetensors"
    for stop, kept in ((3, 2), (4, 4)):
        with pytest.raises(Killed):
            train(path, stop_after=stop)
        assert not path.exists()
        assert [p.name for p in path.with_suffix("").iterdir()] == [f"epoch-000{kept}"]
    parts = train(path)
    assert parts["sha256"] == whole["sha256"]
    assert (parts["epochs"], parts["passes"]) == (5, 240)
    assert json.loads(record_path(path).read_text()) == parts
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("parts.json", "parts.safetensors", "whole.json", "whole.safetensors")
    ]


def test_a_half_written_state_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "epoch-0004.part").mkdir()
    assert Checkpoint(tmp_path).newest() is None
    for epoch in (2, 10):
        (tmp_path / f"epoch-{epoch:04d}").mkdir()
    newest = Checkpoint(tmp_path).newest()
    assert newest is not None and newest.name == "epoch-0010"


def test_training_learns_and_says_when_it_does_not(tmp_path: Path) -> None:
    losses: list[float] = []
    parts = tmp_path / "a.safetensors", toys.RECIPE, toys.examples(48)
    train_to(*parts, SHORT, 0, lambda done, total, loss: losses.append(loss))
    assert losses[-1] < 0.8 * losses[0]
    with pytest.raises(Diverged, match="in epoch"):
        train_to(*parts, replace(SHORT, learning_rate=1e30), 0, silent)
    with pytest.raises(UsageError, match="got 0 epochs of 'cosine'"):
        replace(SHORT, epochs=0)
