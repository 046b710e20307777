"""Two processes that unlearn one network together make what one makes alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from systems.compute.producing import make_method, unlearn
from tests.unit import toys
from unlearning import networks
from unlearning.errors import AttemptFailed
from unlearning.lipschitz.operators import operators_of
from unlearning.lipschitz.spectrum import dense
from unlearning.networks import Recipe
from unlearning.training.loop import Training

VIT = Recipe(network="vit-digits", classes=3, channels=1, size=8, mean=(0.5,), std=(0.25,))
TRAINING = Training(epochs=2, batch_size=16, learning_rate=0.01, precision="fp32")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "original.safetensors"
    networks.save(networks.build(VIT, toys.generator()), path)
    return path


def weights(path: Path) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in networks.load(path).parameters()])


@pytest.mark.parametrize("name", ["retrain", "scrub"])
def test_two_processes_make_what_one_makes(name: str, original: Path, tmp_path: Path) -> None:
    """A vision transformer, which normalises no batches: the same step but for rounding."""
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 16, "learning_rate": 0.002}
    method = make_method(name, {} if name == "retrain" else settings, TRAINING)
    told: list[int] = []
    made = [
        unlearn(
            *(original, toys.split(), method, 3, tmp_path / f"{n}.safetensors"),
            progress=lambda done, total, loss: told.append(done),
            processes=n,
        )
        for n in (1, 2)
    ]
    alone, both = (weights(tmp_path / f"{n}.safetensors") for n in (1, 2))
    assert torch.allclose(alone, both, atol=1e-4), float((alone - both).abs().max())
    assert not torch.allclose(alone, weights(original), atol=1e-3)
    assert np.allclose(made[0].losses, made[1].losses, atol=1e-3)
    assert told == [1, 2, 1, 2]


def test_two_processes_are_held_to_a_bound_as_one_is(original: Path, tmp_path: Path) -> None:
    method = make_method("retrain", {}, replace(TRAINING, epochs=1, lipschitz=1.0))
    for n in (1, 2):
        unlearn(original, toys.split(), method, 3, tmp_path / f"{n}.safetensors", processes=n)
    alone, both = (weights(tmp_path / f"{n}.safetensors") for n in (1, 2))
    apart = float((alone - both).norm() / alone.norm())
    assert apart < 0.01, apart  # whether a value is above the bound may hang on rounding
    operators = operators_of(networks.load(tmp_path / "2.safetensors"), torch.zeros(1, 1, 8, 8))
    assert max(float(dense(of)[0]) for of in operators) <= 1.02


def test_what_one_of_them_raises_ends_all(original: Path, tmp_path: Path) -> None:
    training = Training(epochs=2, batch_size=16, learning_rate=1e20, precision="fp32")
    method = make_method("retrain", {}, training)
    with pytest.raises(AttemptFailed, match="diverged"):
        unlearn(original, toys.split(), method, 3, tmp_path / "x.safetensors", processes=2)
    assert not (tmp_path / "x.safetensors").exists()
