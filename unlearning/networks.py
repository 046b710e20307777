"""The networks: how one is described, built, saved and loaded.

Weights travel as safetensors only. The recipe (what to build) rides in the file's metadata, so
that a file is complete; a file from elsewhere has none and is read with the workspace's recipe.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unlearning import bodies
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError, NotSafetensors, UnknownName, UsageError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is needed to build a network.

    network: a name of NETWORKS or of timm. size: image height and width in pixels.
    mean, std: per channel, in units of pixel value / 255; they are applied inside the network.
    """

    network: str
    classes: int
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Recipe:
        """Read the form that `dataclasses.asdict` writes, JSON's lists included."""
        listed = {"mean": tuple(values["mean"]), "std": tuple(values["std"])}
        return Recipe(**{**values, **listed})


class Classifier(nn.Module):
    """A network on raw pixels: normalisation is its first layer, so attacks act in pixel space."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, recipe: Recipe) -> None:
        """Wrap `body`, whose input is normalised by the recipe's mean and deviation."""
        super().__init__()
        self.body = body
        self.recipe = recipe
        shape = (1, recipe.channels, 1, 1)
        self.register_buffer("mean", torch.tensor(recipe.mean).reshape(shape), persistent=False)
        self.register_buffer("std", torch.tensor(recipe.std).reshape(shape), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits (n, classes) for pixels (n, channels, size, size), uint8 or 0..1."""
        values = pixels / 255 if pixels.dtype == torch.uint8 else pixels
        logits: Tensor = self.body((values - self.mean) / self.std)
        return logits


NETWORKS: dict[str, Callable[[Recipe], nn.Module]] = {
    "conv-medium": lambda recipe: bodies.conv_medium(recipe.channels, recipe.classes),
    "conv-small": lambda recipe: bodies.conv_small(recipe.channels, recipe.classes),
    "resnet18-cifar": lambda recipe: bodies.wide_resnet18(recipe.channels, recipe.classes),
    "resnet20": lambda recipe: bodies.thin_resnet(recipe.channels, recipe.classes, 3),
    "resnet56": lambda recipe: bodies.thin_resnet(recipe.channels, recipe.classes, 9),
    "vit-digits": lambda recipe: bodies.vit_digits(recipe.channels, recipe.classes, recipe.size),
}


def check_name(network: str) -> None:
    """Raise UnknownName for a network that nobody can build."""
    if network in NETWORKS:
        return
    import timm

    if network not in timm.list_models():
        raise UnknownName(
            f"network {network!r} is unknown; known are {', '.join(sorted(NETWORKS))} "
            "and the model names of timm"
        )


def _timm_body(recipe: Recipe) -> nn.Module:
    import timm

    check_name(recipe.network)
    shape: dict[str, Any] = {"num_classes": recipe.classes, "in_chans": recipe.channels}
    try:
        return timm.create_model(recipe.network, img_size=recipe.size, **shape)
    except TypeError:  # convolutional networks take any size and have no such argument
        return timm.create_model(recipe.network, **shape)


def build(recipe: Recipe, rng: torch.Generator | None = None) -> Classifier:
    """Build a network with fresh weights.

    Torch's layers draw their first weights from the global generator, so it is seeded from `rng`
    inside a fork and put back: the caller's global state stays as it was.
    """
    with torch.random.fork_rng(devices=[]):
        seed = 0 if rng is None else int(torch.randint(2**62, (), generator=rng))
        torch.manual_seed(seed)
        make = NETWORKS.get(recipe.network, _timm_body)
        return Classifier(make(recipe), recipe)


def save(network: Classifier, path: Path) -> str:
    """Write weights and recipe as safetensors and give the file's SHA-256; same in, same bytes."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in _state(network).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe = json.dumps(dataclasses.asdict(network.recipe), sort_keys=True)
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata={"recipe": recipe})
    part.replace(path)
    return sha256_file(path)


def _state(network: Classifier) -> dict[str, Tensor]:
    return network.body.state_dict()


def load_weights(path: Path) -> tuple[Recipe | None, dict[str, Tensor]]:
    """Read a safetensors file: the recipe that it carries, if any, and its tensors.

    Raises NotSafetensors for any other format, before a byte of it is interpreted, and
    IntegrityError for a file that begins as safetensors and is cut short.
    """
    if not path.is_file():
        raise UsageError(f"weights {path.name}: no such file; expected a .safetensors file")
    _refuse_other_formats(path)
    try:
        with safe_open(path, framework="pt") as file:
            described = (file.metadata() or {}).get("recipe")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as problem:
        raise IntegrityError(
            f"weights {path.name}: damaged safetensors file ({problem}); "
            "expected a complete one; fetch it again"
        ) from problem
    return (Recipe.from_dict(json.loads(described)) if described else None), tensors


def _refuse_other_formats(path: Path) -> None:
    """A safetensors file is eight bytes of header length, then JSON; nothing else passes."""
    with path.open("rb") as file:
        head = file.read(9)
    if len(head) < 9 or head[8:9] != b"{":
        pickled = head[:1] == b"\x80" or head[:2] == b"PK"
        kind = "a pickle or a PyTorch archive" if pickled else "a file of another format"
        raise NotSafetensors(
            f"weights {path.name}: got {kind}, expected safetensors; "
            "it was not opened, since such files can run code; convert it first"
        )


def load(path: Path, recipe: Recipe | None = None) -> Classifier:
    """Read a network; `recipe` is for files that carry none. Shapes must fit exactly."""
    carried, tensors = load_weights(path)
    chosen = carried or recipe
    if chosen is None:
        raise UsageError(f"weights {path.name}: no recipe inside; name the network with --network")
    network = build(chosen)
    problems = _misfits(_state(network), {**_counters(network), **tensors})
    if problems:
        raise UsageError(
            f"weights {path.name}: {problems[0]} ({len(problems)} such); "
            f"expected the tensors of {chosen.network} with {chosen.classes} classes"
        )
    network.body.load_state_dict({**_counters(network), **tensors})
    return network.eval()


def _counters(network: Classifier) -> dict[str, Tensor]:
    """Batch-norm's step counters: older files lack them and inference does not read them."""
    return {k: v for k, v in _state(network).items() if k.endswith("num_batches_tracked")}


def _misfits(expected: dict[str, Tensor], got: dict[str, Tensor]) -> list[str]:
    missing = [f"tensor {key} is missing" for key in expected.keys() - got.keys()]
    extra = [f"tensor {key} is not expected" for key in got.keys() - expected.keys()]
    shapes = [
        f"tensor {key} has shape {tuple(got[key].shape)}, not {tuple(value.shape)}"
        for key, value in expected.items()
        if key in got and got[key].shape != value.shape
    ]
    return sorted(missing) + sorted(extra) + shapes
