"""A small U-Net learns four digits, and forgets one: by its weights, not by their slow average."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from unlearning.domain import Examples, Handed
from unlearning.generation import FORGETTERS
from unlearning.generation.contract import Forgotten
from unlearning.generation.fitting import Fitting, fitted
from unlearning.generation.generators import Generator
from unlearning.generation.judge import judge_of
from unlearning.generation.measures import FA, RA, Bench
from unlearning.generation.recipe import GeneratorRecipe
from unlearning.training.loop import Training, silent

FORGOTTEN, CLASSES = 2, 4
RECIPE = GeneratorRecipe(network="unet", classes=CLASSES, channels=1, size=8, width=16)


@pytest.fixture(scope="module")
def digits() -> Examples:
    bunch = load_digits(n_class=CLASSES)
    images = (bunch.images * 255 / 16).round().astype(np.uint8)[:, None]
    names = np.arange(len(images)).astype(np.str_)
    return Examples(images, bunch.target.astype(np.int64), names, names)


@pytest.fixture(scope="module")
def sets(digits: Examples) -> Handed:
    own = digits.labels == FORGOTTEN
    return Handed(digits.take(own), digits.take(~own), CLASSES)


@pytest.fixture(scope="module")
def bench(digits: Examples, sets: Handed) -> Bench:
    rng, few = torch.Generator().manual_seed(1), Training(epochs=6, batch_size=64, precision="fp32")
    judge = judge_of(digits, CLASSES, rng, few)
    return Bench(
        judge=judge, real=sets.retain, label=FORGOTTEN, classes=CLASSES, pictures=50, each=20
    )


@pytest.fixture(scope="module")
def original(digits: Examples) -> Generator:
    fitting = Fitting(steps=250, batch_size=32, learning_rate=4e-3, ema=0.98)
    return fitted(RECIPE, digits, fitting, torch.Generator().manual_seed(0))[0]


@pytest.fixture(scope="module")
def forgotten(original: Generator, sets: Handed) -> Forgotten:
    method = FORGETTERS.create("salun", {"steps": 50, "batch_size": 32, "learning_rate": 2e-3})
    return method.forget(original, sets, torch.Generator().manual_seed(0), silent)


def test_it_draws_what_it_is_asked(original: Generator, bench: Bench) -> None:
    """Of 50 and of 60 pictures; chance alone would give a quarter."""
    found = bench.measured(original).measured
    assert found[FA].value > 0.85 and found[RA].value > 0.85


def test_it_forgets_and_draws_the_rest(forgotten: Forgotten, bench: Bench) -> None:
    found = bench.measured(forgotten.network).measured
    assert found[FA].value < 0.1 and found[RA].value > 0.8


def test_its_slow_average_forgot_nothing(forgotten: Forgotten, bench: Bench) -> None:
    """.9999 after 50 steps holds half a per cent of the change."""
    assert bench.measured(forgotten.average).measured[FA].value > 0.85
