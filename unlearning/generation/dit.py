"""DiT: a diffusion transformer whose blocks are steered by time and label (adaLN-zero).

After Peebles and Xie (2023), on pixels and with a fixed variance; built on timm's layers. At first
every block passes its input on as it is, and the answer is zero.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from timm.layers.patch_embed import PatchEmbed
from torch import Tensor, nn
from torch.nn import functional

from unlearning.generation.recipe import GeneratorRecipe


def sinusoids(of: Tensor, width: int) -> Tensor:
    """Give sines and cosines (n, width) of numbers (n,), from period 2 pi to 2 pi 10,000."""
    half = width // 2
    rates = torch.exp(-math.log(10_000) * torch.arange(half, device=of.device) / half)
    angles = of[:, None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], 1)


def _places(side: int, width: int) -> Tensor:
    """Give fixed positions (1, side^2, width): a half of it tells the row, a half the column."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    halves = [sinusoids(axis.flatten(), width // 2) for axis in (rows, columns)]
    return torch.cat(halves, 1)[None]


def _steered(values: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return values * (1 + scale[:, None]) + shift[:, None]


class Block(nn.Module):
    """Attention and a perceptron, each shifted, scaled and gated by the condition."""

    def __init__(self, width: int, heads: int) -> None:
        """Make a block whose gates are shut."""
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attention = Attention(width, num_heads=heads, qkv_bias=True)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.perceptron = Mlp(width, 4 * width)
        self.steering = _shut(nn.Linear(width, 6 * width))

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """Apply the block to tokens (n, count, width) under a condition (n, width)."""
        parts = self.steering(functional.silu(condition)).chunk(6, 1)
        attended: Tensor = self.attention(_steered(self.norm1(tokens), *parts[:2]))
        tokens = tokens + parts[2][:, None] * attended
        passed: Tensor = self.perceptron(_steered(self.norm2(tokens), *parts[3:5]))
        found: Tensor = tokens + parts[5][:, None] * passed
        return found


def _shut(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class DiT(nn.Module):
    """Noise (n, channels, size, size) from noised pictures, timesteps (n,) and labels (n,)."""

    paper: ClassVar[str] = "Peebles and Xie, DiT (2023)"

    places: Tensor

    def __init__(self, recipe: GeneratorRecipe) -> None:
        """Build it with fresh weights from torch's global chance."""
        super().__init__()
        self.recipe, width = recipe, recipe.width
        self.patches = PatchEmbed(recipe.size, recipe.patch, recipe.channels, width)
        self.register_buffer("places", _places(self.side, width), persistent=False)
        self.clock = Mlp(width, width, act_layer=nn.SiLU)
        self.table = nn.Embedding(recipe.classes + 1, width)
        self.blocks = nn.ModuleList(Block(width, recipe.heads) for _ in range(recipe.depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.steering = _shut(nn.Linear(width, 2 * width))
        self.last = _shut(nn.Linear(width, recipe.patch**2 * recipe.channels))

    @property
    def side(self) -> int:
        """Patches on each side of a picture."""
        return self.recipe.size // self.recipe.patch

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Predict the noise."""
        condition = self.clock(sinusoids(t, self.recipe.width)) + self.table(labels)
        tokens = self.patches(x) + self.places
        for block in self.blocks:
            tokens = block(tokens, condition)
        ends = self.steering(functional.silu(condition)).chunk(2, 1)
        return self._laid_out(self.last(_steered(self.norm(tokens), *ends)))

    def _laid_out(self, tokens: Tensor) -> Tensor:
        """Put tokens (n, side^2, patch^2 * channels) where their patches are."""
        side, patch = self.side, self.recipe.patch
        parts = tokens.reshape(-1, side, side, patch, patch, self.recipe.channels)
        laid: Tensor = parts.permute(0, 5, 1, 3, 2, 4).reshape(
            -1, self.recipe.channels, self.recipe.size, self.recipe.size
        )
        return laid
