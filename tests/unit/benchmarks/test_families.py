"""Grounds with networks of other families: built by name, of timm's own layers, on digits' size."""

from __future__ import annotations

import pytest
import torch
from timm.models.densenet import DenseNet
from timm.models.vgg import VGG

from benchmarks.methods import families
from benchmarks.methods.grounds import digits, digits_of
from unlearning import networks
from unlearning.errors import UsageError


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is named here be known here alone."""
    monkeypatch.setattr(networks, "NETWORKS", dict(networks.NETWORKS))
    monkeypatch.setattr(families, "NETWORKS", networks.NETWORKS)


@pytest.mark.parametrize(("family", "kind"), [("vgg", VGG), ("densenet", DenseNet)])
def test_a_ground_has_the_familys_own_network(family: str, kind: type) -> None:
    on, plain = digits_of(family).setting, digits().setting
    network = networks.build(on.recipe).eval()
    assert isinstance(network.body, kind)
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert (on.train.ids == plain.train.ids).all() and on.training == plain.training


def test_a_family_that_nobody_wrote_is_refused() -> None:
    with pytest.raises(UsageError, match="expected one of narrow-vgg, narrow-densenet"):
        digits_of("inception")
