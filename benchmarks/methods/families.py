"""VGG and DenseNet as timm has them, narrow enough for digits: other families than all grounds'.

They can be built by name once their ground was asked for, in each process that asks.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from unlearning.errors import UsageError
from unlearning.networks import NETWORKS
from unlearning.recipe import Recipe

VGG_LAYERS = (16, 16, "M", 32, 32, "M", 64, 64)
"""Widths of convolutions, M for a halving: the first three stages of VGG-13, a quarter as wide."""


def vgg(recipe: Recipe) -> nn.Module:
    """VGG with batch normalisation; its two layers before the last are 1 % of published wide."""
    from timm.models.vgg import VGG

    shape: dict[str, Any] = {
        "num_classes": recipe.classes,
        "in_chans": recipe.channels,
        "mlp_ratio": 0.01,
    }
    return VGG(list(VGG_LAYERS), norm_layer=nn.BatchNorm2d, **shape)


def densenet(recipe: Recipe) -> nn.Module:
    """Two dense blocks of six layers, with a growth of twelve: more would halve a pixel."""
    from timm.models.densenet import DenseNet

    blocks = (6, 6)
    return DenseNet(12, blocks, num_classes=recipe.classes, in_chans=recipe.channels)


FAMILIES = {"narrow-vgg": vgg, "narrow-densenet": densenet}


def named(family: str) -> str:
    """Let a family's network be built by its name, and give that; UsageError for another family."""
    network = f"narrow-{family}"
    if network not in FAMILIES:
        raise UsageError(f"family: got {family!r}, expected one of {', '.join(FAMILIES)}")
    NETWORKS[network] = FAMILIES[network]
    return network
