"""What a generator is built by: a small value that travels in the metadata of its file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from unlearning.errors import UsageError

NETWORKS = ("unet", "dit")


@dataclass(frozen=True, kw_only=True)
class GeneratorRecipe:
    """What is needed to build a generator of pictures of `size` x `size` pixels in `channels`.

    network: `unet` (diffusers' UNet2DModel) or `dit` (a transformer with adaLN-zero). width:
    channels of the U-Net's first level, or the transformer's dimension. depth: residual blocks of
    a level, or transformer blocks. levels: the U-Net's widths as multiples. attention: the size in
    pixels at which the U-Net attends. heads, patch: the transformer's. table: standard deviation
    of fresh label rows; with .02, as published, a small transformer hardly learns the classes.
    timesteps: T, of a linear schedule from beta_first to beta_last (Ho et al. 2020).
    """

    network: str
    classes: int
    channels: int
    size: int
    width: int = 32
    depth: int = 1
    levels: tuple[int, ...] = (1, 2)
    attention: int = 4
    heads: int = 4
    patch: int = 2
    table: float = 1.0
    timesteps: int = 1000
    beta_first: float = 1e-4
    beta_last: float = 2e-2

    def __post_init__(self) -> None:
        """Refuse what no network can be built of."""
        if self.network not in NETWORKS:
            raise UsageError(f"generator: got {self.network!r}, expected one of {NETWORKS}")
        whole = ("classes", "channels", "size", "width", "depth", "heads", "patch", "timesteps")
        for name in whole:
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                got = getattr(self, name)
                raise UsageError(f"generator.{name}: got {got!r}, expected a whole number above 0")
        if not 0 < self.beta_first <= self.beta_last < 1:
            raise UsageError(
                f"generator: got betas from {self.beta_first} to {self.beta_last}, expected "
                "rising numbers between 0 and 1"
            )

    @property
    def null(self) -> int:
        """The label that stands for none: the row after the classes."""
        return self.classes

    def as_text(self) -> str:
        """Write it for a file's metadata."""
        return json.dumps(asdict(self), sort_keys=True)


def recipe_in(text: str | None, file: str) -> GeneratorRecipe:
    """Read the recipe in a file's metadata; UsageError if it is none of a generator."""
    try:
        values: Any = json.loads(text or "null")
    except ValueError:
        values = None
    own = {field.name for field in fields(GeneratorRecipe)}
    if not isinstance(values, dict) or values.keys() != own:
        raise UsageError(
            f"weights {file}: no recipe of a generator inside, expected a file that "
            "unlearning.generation.generators.save wrote"
        )
    return GeneratorRecipe(**{**values, "levels": tuple(values["levels"])})
