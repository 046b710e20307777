"""The networks that are built here: convolutional ones, CIFAR ResNets, a small transformer.

A body takes normalised images (n, channels, size, size) and gives logits (n, classes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.training.team import mean_over

Shortcut = Callable[[int, int], nn.Module]
"""Makes the way past a block that halves the image, from its channels before and after."""


class Padded(nn.Module):
    """Every second pixel, with zeros for the new channels (He et al. 2015, option A)."""

    def __init__(self, before: int, width: int) -> None:
        """Pad from `before` to `width` channels."""
        super().__init__()
        self.missing = (width - before) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Halve the image and pad its channels."""
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.missing, self.missing))


def projected(before: int, width: int) -> nn.Module:
    """Give a 1x1 convolution of stride 2 with batch norm (He et al. 2015, option B)."""
    return nn.Sequential(nn.Conv2d(before, width, 1, 2, bias=False), nn.BatchNorm2d(width))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a way past them; where the width grows, the image is halved."""

    def __init__(self, before: int, width: int, shortcut: Shortcut) -> None:
        """Make a block from `before` to `width` channels."""
        super().__init__()
        grows = before != width
        self.conv1 = nn.Conv2d(before, width, 3, 2 if grows else 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut(before, width) if grows else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return functional.relu(out + self.shortcut(x))


class CifarResNet(nn.Module):
    """A ResNet for small images: a 3x3 stem of stride 1 and no pooling but the last mean.

    Layers have the names of the public CIFAR networks, so that their weights can be read.
    """

    def __init__(
        self, channels: int, classes: int, widths: Sequence[int], blocks: int, shortcut: Shortcut
    ) -> None:
        """Make a stage of `blocks` blocks for each width."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = [f"layer{number}" for number in range(1, len(widths) + 1)]
        for name, (before, width) in zip(self.stages, pairwise((widths[0], *widths)), strict=True):
            wide = (BasicBlock(width, width, shortcut) for _ in range(blocks - 1))
            self.add_module(name, nn.Sequential(BasicBlock(before, width, shortcut), *wide))
        self.linear = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Give logits for normalised images."""
        out = functional.relu(self.bn1(self.conv1(x)))
        for name in self.stages:
            out = self.get_submodule(name)(out)
        logits: Tensor = self.linear(out.mean((2, 3)))
        return logits


def thin_resnet(channels: int, classes: int, blocks: int) -> nn.Module:
    """Give the CIFAR ResNet of depth 6 blocks + 2 (He et al. 2015, section 4.2) and its start."""
    network = CifarResNet(channels, classes, (16, 32, 64), blocks, Padded)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return network


def wide_resnet18(channels: int, classes: int) -> nn.Module:
    """Give the ResNet-18 of the unlearning papers (SFR-on, SalUn, AMUN): torch's own start."""
    return CifarResNet(channels, classes, (64, 128, 256, 512), 2, projected)


def _stage(before: int, width: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(width), nn.ReLU()]


def conv_small(channels: int, classes: int) -> nn.Module:
    """Give three convolutions for images of 8 to 16 pixels."""
    return nn.Sequential(
        *_stage(channels, 32),
        *_stage(32, 64),
        nn.MaxPool2d(2),
        *_stage(64, 64),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )


def conv_medium(channels: int, classes: int) -> nn.Module:
    """Give three convolutions, two of them strided, for images of 28 to 64 pixels.

    A training step costs a twelfth of ResNet-20's on a processor without a GPU.
    """
    return nn.Sequential(
        *_stage(channels, 32, 2),
        *_stage(32, 64, 2),
        *_stage(64, 64),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(1024, classes),
    )


class Whitening(nn.Module):
    """Patches of 2 x 2 pixels along their principal axes, each of unit variance, with both signs.

    The axes are those of the first batch that it trains on, and stay as they are: so the layers
    behind need not learn them (Jordan, 94% on CIFAR-10 in 3.29 Seconds, 2024, section 3.1).
    """

    EPS = 5e-4
    """Added to the variance of each axis, on normalised pixels."""

    def __init__(self, channels: int) -> None:
        """Begin with axes drawn at random."""
        super().__init__()
        axes = nn.init.orthogonal_(torch.empty(4 * channels, 4 * channels))
        self.weight: Tensor
        self.fitted: Tensor
        self.register_buffer("weight", self._both(axes, channels))
        self.register_buffer("fitted", torch.tensor(False))

    def forward(self, x: Tensor) -> Tensor:
        """Give (n, 8 channels, size - 1, size - 1) for normalised images."""
        if self.training and not self.fitted:
            self._fit(x)
        return functional.conv2d(x, self.weight)

    @torch.no_grad()
    def _fit(self, x: Tensor) -> None:
        patches = functional.unfold(x.float(), 2).transpose(1, 2).flatten(0, 1).double()
        variances, axes = torch.linalg.eigh(mean_over(patches.T @ patches / len(patches)))
        scaled = (axes / torch.sqrt(variances + self.EPS)).T.flip(0)
        self.weight.copy_(self._both(scaled, x.shape[1]))
        self.fitted.fill_(True)

    @staticmethod
    def _both(axes: Tensor, channels: int) -> Tensor:
        kernels = axes.reshape(-1, channels, 2, 2)
        return torch.cat([kernels, -kernels]).float()


def conv_whitened(channels: int, classes: int) -> nn.Module:
    """Give six convolutions behind a whitened layer, for photographs of 24 to 64 pixels.

    Laid out as the fastest public networks for CIFAR-10 are (airbench94), a quarter as wide; each
    convolution begins as the identity as far as it can.
    """
    body = nn.Sequential(
        Whitening(channels),
        nn.GELU(),
        *_halved(8 * channels, 32),
        *_halved(32, 64),
        *_halved(64, 64),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight.data[: module.in_channels])
    return body


def _halved(before: int, width: int) -> list[nn.Module]:
    first = nn.Conv2d(before, width, 3, padding=1, bias=False)
    second = nn.Conv2d(width, width, 3, padding=1, bias=False)
    known = (nn.BatchNorm2d(width), nn.GELU())
    return [first, nn.MaxPool2d(2), *known, second, nn.BatchNorm2d(width), nn.GELU()]


def vit_digits(channels: int, classes: int, size: int) -> nn.Module:
    """Give a four-layer vision transformer for images of a few pixels (patches of 2)."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=size,
        patch_size=2,
        in_chans=channels,
        num_classes=classes,
        embed_dim=64,
        depth=4,
        num_heads=4,
    )
