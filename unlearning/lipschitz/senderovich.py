"""Senderovich et al.: clip a convolution frequency by frequency, as if pictures were rings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from unlearning.lipschitz import CLIPPERS
from unlearning.lipschitz.operators import Operator


@CLIPPERS.register
@dataclass(frozen=True, kw_only=True)
class Senderovich:
    """Take the kernel's Fourier transform, clip each frequency's singular values, and go back.

    Exact where the padding is circular and the stride divides the picture, with s^2 frequencies
    that fall together at stride s. With any other padding the spectrum is another operator's; and
    what comes back is as large as the picture, so that cutting it to the kernel moves the spectrum
    again. Batch norm is left alone.
    """

    name: ClassVar[str] = "senderovich"
    paper: ClassVar[str] = "Senderovich et al. (2022), after Sedghi et al. (2019)"
    runs: ClassVar[str] = "benchmark lipschitz"
    delay: ClassVar[int] = 0

    track: int = 0
    every: int = 100
    vectors: int = 1

    def norm(self, operator: Operator, right: Tensor) -> float:
        """Give the largest singular value over all frequencies; NaN where it has no answer."""
        layer = operator.layers[0]
        if isinstance(layer, nn.Linear):
            return float(torch.linalg.matrix_norm(layer.weight.detach().double(), ord=2))
        if not isinstance(layer, nn.Conv2d):
            return float("nan")
        blocks, stride = _frequencies(layer, operator.shape)
        largest = float(torch.linalg.svdvals(blocks).max())
        return largest / math.sqrt(math.prod(stride))

    def clip(self, operator: Operator, right: Tensor, target: float) -> Tensor:
        """Clip every frequency, and cut what comes back to the kernel's size."""
        layer = operator.layers[0]
        if not operator.weights or not isinstance(layer, nn.Conv2d | nn.Linear):
            return right
        kernel = (
            _clipped(layer.weight.detach().double(), target)
            if isinstance(layer, nn.Linear)
            else _clipped_kernel(layer, operator.shape, target)
        )
        with torch.no_grad():
            layer.weight.copy_(kernel)
        return right

    def settle(self, operator: Operator, right: Tensor, target: float) -> None:
        """Clip for the last time."""
        self.clip(operator, right, target)


def _clipped(matrices: Tensor, most: float) -> Tensor:
    """Hold the singular values of (..., m, n) to `most`."""
    u, values, v = torch.linalg.svd(matrices, full_matrices=False)
    clipped: Tensor = (u * values.clamp_max(most).unsqueeze(-2)) @ v
    return clipped


def _grid(layer: nn.Conv2d, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Give the sides that the transform is taken over, multiples of the stride, and the stride.

    The picture's, or what a dilated kernel needs if that is more.
    """
    strides = (layer.stride[0], layer.stride[1])
    needs = [
        max(side, (size - 1) * apart + 1)
        for side, size, apart in zip(shape[1:], layer.kernel_size, layer.dilation, strict=True)
    ]
    sides = [-(-need // stride) * stride for need, stride in zip(needs, strides, strict=True)]
    return (sides[0], sides[1]), strides


def _spread(layer: nn.Conv2d, sides: tuple[int, int]) -> Tensor:
    """Put the kernel on the grid, (groups, out, in, height, width), its places dilated."""
    weight = layer.weight.detach().double()
    out, of, high, wide = weight.shape
    grid = weight.new_zeros(out, of, *sides)
    rows, columns = layer.dilation
    grid[:, :, : high * rows : rows, : wide * columns : columns] = weight
    return grid.reshape(layer.groups, out // layer.groups, of, *sides)


def _frequencies(layer: nn.Conv2d, shape: tuple[int, ...]) -> tuple[Tensor, tuple[int, int]]:
    """Give (groups, h / s, w / s, out, in s^2) blocks: frequencies that stride lays together."""
    sides, (down, across) = _grid(layer, shape)
    waves = torch.fft.fft2(_spread(layer, sides))
    groups, out, of = waves.shape[:3]
    high, wide = sides[0] // down, sides[1] // across
    cut = waves.reshape(groups, out, of, down, high, across, wide)
    blocks = cut.permute(0, 4, 6, 1, 2, 3, 5).reshape(groups, high, wide, out, -1)
    return blocks, (down, across)


def _clipped_kernel(layer: nn.Conv2d, shape: tuple[int, ...], target: float) -> Tensor:
    blocks, (down, across) = _frequencies(layer, shape)
    clipped = _clipped(blocks, target * math.sqrt(down * across))
    groups, high, wide, out, _ = clipped.shape
    of = layer.weight.shape[1]
    cut = clipped.reshape(groups, high, wide, out, of, down, across).permute(0, 3, 4, 5, 1, 6, 2)
    back = torch.fft.ifft2(cut.reshape(groups, out, of, down * high, across * wide)).real
    (rows, columns), (tall, broad) = layer.dilation, layer.kernel_size
    kept: Tensor = back[..., : tall * rows : rows, : broad * columns : columns]
    return kept.reshape(layer.weight.shape)
