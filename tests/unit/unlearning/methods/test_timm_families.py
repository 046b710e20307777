"""Every method on the families of timm that papers use: VGG and DenseNet, narrow, two batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from timm.models.densenet import DenseNet
from timm.models.vgg import VGG
from torch import nn

from tests.unit import toys
from tests.unit.unlearning.methods.test_methods import SETTINGS
from unlearning import networks
from unlearning.domain import Split, joined
from unlearning.heads.fitting import fitted
from unlearning.methods import METHODS
from unlearning.networks import Classifier
from unlearning.recipe import Head, Recipe
from unlearning.training.loop import silent


def vgg(recipe: Recipe) -> nn.Module:
    """VGG with batch normalisation, as timm has it, but for its widths."""
    shape = {"num_classes": recipe.classes, "in_chans": recipe.channels, "mlp_ratio": 0.01}
    return VGG([4, "M", 8, 8, "M"], norm_layer=nn.BatchNorm2d, **shape)


def densenet(recipe: Recipe) -> nn.Module:
    """Two dense blocks of two layers; the stem of small pictures, which loses no pixel at once."""
    return DenseNet(4, (2, 2), num_classes=recipe.classes, in_chans=recipe.channels)


FAMILIES = {"vgg": vgg, "densenet": densenet}
EPOCH = {"epochs": 1, "batch_size": 32}


@pytest.fixture(params=FAMILIES)
def recipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    name = f"narrow-{request.param}"
    monkeypatch.setitem(networks.NETWORKS, name, FAMILIES[request.param])
    return replace(toys.RECIPE, network=name)


def original(recipe: Recipe, name: str, split: Split) -> Classifier:
    """Give fresh weights, which any method may move; a frozen backbone where a method needs one."""
    if name != "head_downdate":
        return networks.build(recipe, toys.generator())
    frozen = replace(recipe, head=Head(backbone="0" * 64, loss="ridge"))
    return fitted(networks.build(frozen).eval(), joined(split.forget, split.retain))[0]


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_gives_a_network_that_answers(recipe: Recipe, name: str) -> None:
    split = toys.split()
    bases = [networks.build(recipe, toys.generator(seed)) for seed in range(3)]
    handed = split.handed(tuple(bases)) if "bases" in METHODS[name].needs else split
    known = {key: EPOCH.get(key, value) for key, value in SETTINGS[name].items()}
    if "training" in known:
        known["training"] = replace(toys.TRAINING, epochs=1)
    start = original(recipe, name, split)
    candidate = METHODS.create(name, known).unlearn(start, handed, toys.generator(1), silent)
    logits = candidate.eval()(torch.from_numpy(split.test.images))
    assert logits.shape == (len(split.test), 3) and bool(torch.isfinite(logits).all())
