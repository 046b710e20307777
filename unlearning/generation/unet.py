"""The U-Net of diffusion models, as the extra `generation` (diffusers) builds it."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from unlearning.errors import UsageError
from unlearning.generation.recipe import GeneratorRecipe

MISSING = (
    "generators: diffusers cannot be imported, expected the extra `generation`: install it, or "
    "take the network `dit` with the scheduler `ddim`"
)


class UNet(nn.Module):
    """Noise (n, channels, size, size) from noised pictures, timesteps (n,) and labels (n,)."""

    paper: ClassVar[str] = "Ho et al., DDPM (2020)"

    def __init__(self, recipe: GeneratorRecipe) -> None:
        """Build it with fresh weights from torch's global chance; UsageError without the extra."""
        super().__init__()
        try:
            from diffusers import UNet2DModel  # takes seconds, so that it is not at the top
        except ImportError as problem:
            raise UsageError(MISSING) from problem
        attends = [recipe.size >> level == recipe.attention for level in range(len(recipe.levels))]
        self.inside = UNet2DModel(
            sample_size=recipe.size,
            in_channels=recipe.channels,
            out_channels=recipe.channels,
            block_out_channels=tuple(recipe.width * level for level in recipe.levels),
            down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
            up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in attends[::-1]),
            layers_per_block=recipe.depth,
            norm_num_groups=8,
            num_class_embeds=recipe.classes + 1,
        )

    @property
    def table(self) -> nn.Embedding:
        """The rows of the labels, the null label's last."""
        found = self.inside.class_embedding
        assert isinstance(found, nn.Embedding)
        return found

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Predict the noise."""
        told: Tensor = self.inside(x, t, class_labels=labels).sample
        return told
