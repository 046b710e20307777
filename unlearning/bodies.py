"""The networks that are built here: convolutional ones, CIFAR ResNets, a small transformer.

A body takes normalised images (n, channels, size, size) and gives logits (n, classes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

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
