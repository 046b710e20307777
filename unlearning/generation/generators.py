"""Generators: networks that tell the noise in a picture, how one is built, saved and loaded.

Weights travel as safetensors only, the recipe in their metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.func import functional_call

from unlearning import weights
from unlearning.digests import sha256_file
from unlearning.errors import UsageError
from unlearning.generation.dit import DiT
from unlearning.generation.recipe import GeneratorRecipe, recipe_in
from unlearning.generation.unet import UNet

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Takes noised pictures, timesteps and labels to the noise that is told in them."""

BODIES: Mapping[str, type[UNet | DiT]] = {"unet": UNet, "dit": DiT}


class Generator(nn.Module):
    """A network that tells the noise in pictures in [-1, 1], given time and label."""

    def __init__(self, body: UNet | DiT, recipe: GeneratorRecipe) -> None:
        """Wrap a network of that recipe."""
        super().__init__()
        self.body, self.recipe = body, recipe

    @property
    def table(self) -> nn.Embedding:
        """The rows of the labels (classes + 1, width), the null label's last."""
        return self.body.table

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Give the noise (n, channels, size, size) in x, at timesteps t (n,), of labels (n,)."""
        found: Tensor = self.body(x, t, labels)
        return found


def with_row_moved(network: Generator, label: int, shift: Tensor) -> Predict:
    """Give the network as it predicts with a label's row moved by `shift` (width,).

    The network stays as it is, and gradients reach the shift.
    """
    rows = network.table.weight
    where = torch.tensor([label], device=rows.device)
    name = next(name for name, p in network.named_parameters() if p is rows)
    moved = {name: rows.index_add(0, where, shift[None])}
    return lambda x, t, labels: functional_call(network, moved, (x, t, labels))


def build(recipe: GeneratorRecipe, rng: torch.Generator) -> Generator:
    """Build a generator with fresh weights; the global chance stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
        try:
            body = BODIES[recipe.network](recipe)
        except (ValueError, RuntimeError, AssertionError) as problem:
            raise UsageError(
                f"generator {recipe.network}: cannot be built for pictures of {recipe.size} pixels "
                f"({problem}), expected another width, patch or number of levels"
            ) from problem
        nn.init.normal_(body.table.weight, std=recipe.table)
    return Generator(body, recipe)


def save(network: Generator, path: Path) -> str:
    """Write weights and recipe and give the file's SHA-256; same in, same bytes."""
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(state, part, metadata={"recipe": network.recipe.as_text()})
    part.replace(path)
    return sha256_file(path)


def load(path: Path) -> Generator:
    """Read a generator; UsageError if the tensors are not those of its recipe."""
    described, tensors = weights.read(path)
    network = build(recipe_in(described, path.name), torch.Generator())
    if problem := weights.misfit(network.state_dict(), tensors):
        raise UsageError(
            f"weights {path.name}: {problem}, expected the tensors of {network.recipe.network}"
        )
    network.load_state_dict(tensors)
    return network.eval()
