"""Operators of every kind, small enough to be written down."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from unlearning.lipschitz.operators import Operator


def _conv(shape: tuple[int, ...], *args: int, **options: object) -> Operator:
    return Operator("conv", (nn.Conv2d(*args, **options),), shape)  # type: ignore[arg-type]


def _norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm as it may be after training, a negative scale among them."""
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(-0.4, 2.0, channels))
        assert norm.running_var is not None
        norm.running_var.copy_(torch.linspace(0.2, 3.0, channels))
    return norm


IMAGE = (4, 8, 8)
SHAPES: dict[str, Callable[[], Operator]] = {
    "stride 1, zeros": lambda: _conv(IMAGE, 4, 6, 3, padding=1),
    "stride 2, zeros": lambda: _conv(IMAGE, 4, 6, 3, stride=2, padding=1),
    "stride 2, odd size": lambda: _conv((4, 7, 7), 4, 6, 3, stride=2, padding=1),
    "no padding": lambda: _conv(IMAGE, 4, 6, 5),
    "circular": lambda: _conv(IMAGE, 4, 6, 3, padding=1, padding_mode="circular"),
    "circular, stride 2": lambda: _conv(
        IMAGE, 4, 6, 3, stride=2, padding=1, padding_mode="circular"
    ),
    "reflect": lambda: _conv(IMAGE, 4, 6, 3, padding=1, padding_mode="reflect"),
    "groups": lambda: _conv(IMAGE, 4, 6, 3, padding=1, groups=2),
    "dilation": lambda: _conv(IMAGE, 4, 6, 3, padding=2, dilation=2),
    "1 x 1": lambda: _conv(IMAGE, 4, 6, 1),
    "depthwise": lambda: _conv(IMAGE, 4, 4, 3, padding=1, groups=4),
    "linear": lambda: Operator("linear", (nn.Linear(20, 12),), (20,)),
    "batch norm": lambda: Operator("norm", (_norm(4),), IMAGE),
    "conv + batch norm": lambda: Operator(
        "conv + norm", (nn.Conv2d(4, 6, 3, 2, 1), _norm(6)), IMAGE
    ),
    "transposed": lambda: Operator("up", (nn.ConvTranspose2d(4, 3, 3, 2, 1),), (4, 5, 5)),
}


def operator(kind: str, seed: int = 0) -> Operator:
    """Make one with weights drawn from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SHAPES[kind]()
