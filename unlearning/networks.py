"""The networks: how one is described, built, saved and loaded.

Weights travel as safetensors only. The recipe (what to build) rides in the file's metadata, so
that a file is complete; a file from elsewhere has none and is read with the workspace's recipe.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from unlearning import bodies, weights
from unlearning.digests import digest_of_arrays, sha256_file
from unlearning.errors import UnknownName, UsageError
from unlearning.memory import in_parts
from unlearning.recipe import Recipe as Recipe
from unlearning.recipe import recipe_in, refuse_other_pictures


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
        self._carried: dict[str, Tensor] = {}
        self._carried_by = ""
        if recipe.head is not None:
            self.requires_grad_(False)
            self.last_layer.requires_grad_(True)

    @property
    def last_layer(self) -> nn.Linear:
        """The layer that gives the logits, linear and with biases; UsageError if there is none."""
        linear = [module for module in self.body.modules() if isinstance(module, nn.Linear)]
        if not linear or linear[-1].bias is None:
            raise UsageError(
                f"network {self.recipe.network}: ends in no linear layer with biases, expected one "
                "as its head: take another --network"
            )
        return linear[-1]

    def train(self, mode: bool = True) -> Classifier:
        """Change the mode; a frozen backbone stays as it is when it answers."""
        super().train(mode)
        if self.recipe.head is not None:
            self.body.eval()
        return self

    def carry(self, statistics: Mapping[str, Tensor]) -> None:
        """Carry along the sums that the head follows from; {} for none."""
        self._carried, self._carried_by = dict(statistics), _digest(self.last_layer)

    @property
    def carried(self) -> dict[str, Tensor]:
        """The sums that the head follows from; {} where there are none, or another head is there.

        A head that something else has moved since is not told of by them, and they are of people
        that it may have been moved to forget.
        """
        if self._carried and self._carried_by == _digest(self.last_layer):
            return self._carried
        return {}

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits (n, classes) for pixels (n, channels, size, size), uint8 or 0..1.

        UsageError where a network that normalises batches is to train on a batch of one.
        """
        values = pixels / 255 if pixels.dtype == torch.uint8 else pixels
        try:
            logits = in_parts(self.body, (values - self.mean) / self.std)
        except ValueError as problem:
            if not (self.training and len(pixels) == 1):
                raise
            raise UsageError(  # batch normalisation has nothing to compare one value with
                f"network {self.recipe.network}: cannot train on one example alone on pictures of "
                f"{self.recipe.size} pixels, expected at least two in a batch: forget more at once"
            ) from problem
        return logits


def _digest(layer: nn.Linear) -> str:
    parts = (layer.weight, layer.bias)
    return digest_of_arrays(*(part.detach().cpu().numpy() for part in parts))


NETWORKS: dict[str, Callable[[Recipe], nn.Module]] = {
    "conv-medium": lambda recipe: bodies.conv_medium(recipe.channels, recipe.classes),
    "conv-whitened": lambda recipe: bodies.conv_whitened(recipe.channels, recipe.classes),
    "conv-small": lambda recipe: bodies.conv_small(recipe.channels, recipe.classes),
    "resnet18-cifar": lambda recipe: bodies.wide_resnet18(recipe.channels, recipe.classes),
    "resnet20": lambda recipe: bodies.thin_resnet(recipe.channels, recipe.classes, 3),
    "resnet56": lambda recipe: bodies.thin_resnet(recipe.channels, recipe.classes, 9),
    "vit-digits": lambda recipe: bodies.vit_digits(recipe.channels, recipe.classes, recipe.size),
}


ORDERED = ("vit-digits",)
"""Networks of ours whose layers timm can put in order."""


def check_ordered(network: str) -> None:
    """Raise UsageError for a network whose layers have no order to let their rates follow."""
    if network in NETWORKS and network not in ORDERED:
        raise UsageError(
            f"layer_decay: got another than 1.0 for {network}, whose layers have no order "
            f"here, expected 1.0, or a network of timm's or {', '.join(ORDERED)}"
        )


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
    """Build a network with fresh weights; UsageError if there is none for such pictures.

    Torch's layers draw their first weights from the global generator, so it is seeded from `rng`
    inside a fork and put back: the caller's global state stays as it was.
    """
    with torch.random.fork_rng(devices=[]):
        seed = 0 if rng is None else int(torch.randint(2**62, (), generator=rng))
        torch.manual_seed(seed)
        make = NETWORKS.get(recipe.network, _timm_body)
        try:
            return Classifier(make(recipe), recipe)
        except _UNFIT as problem:
            raise _unfit(recipe, problem) from problem


# What torch and timm raise where a network and its pictures do not fit together.
_UNFIT = (RuntimeError, ValueError, TypeError, AssertionError, ZeroDivisionError, IndexError)


def _unfit(recipe: Recipe, problem: Exception) -> UsageError:
    reason = textwrap.shorten(str(problem), 100) or type(problem).__name__
    return UsageError(
        f"network {recipe.network}: does not take pictures of {recipe.size} x {recipe.size} pixels "
        f"in {recipe.channels} channels ({reason}), expected one that does: give a larger --size, "
        "or another --network"
    )


def require_fit(recipe: Recipe) -> None:
    """Raise UsageError unless such a network can be trained on such pictures, tried on two."""
    network = build(recipe).train()
    shape = (2, recipe.channels, recipe.size, recipe.size)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for mode in (True, False):
                logits = network.train(mode)(torch.zeros(shape))
                if tuple(logits.shape) != (2, recipe.classes):
                    raise ValueError(f"it answers {tuple(logits.shape)}")
    except (*_UNFIT, AttributeError) as problem:
        raise _unfit(recipe, problem) from problem


CARRIED = "statistics."
"""What stands before the names of the sums that a ridge head follows from, in a file."""


def save(network: Classifier, path: Path) -> str:
    """Write weights and recipe as safetensors and give the file's SHA-256; same in, same bytes."""
    tensors = tensors_of(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe = json.dumps(network.recipe.as_record(), sort_keys=True)
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata={"recipe": recipe})
    part.replace(path)
    return sha256_file(path)


def tensors_of(network: Classifier) -> dict[str, Tensor]:
    """Give what a file holds of a network beside its recipe, by name, on the processor."""
    sums = {f"{CARRIED}{key}": value for key, value in network.carried.items()}
    state = {**_state(network), **sums}
    return {key: value.detach().cpu().contiguous() for key, value in state.items()}


def _state(network: Classifier) -> dict[str, Tensor]:
    return network.body.state_dict()


def load(path: Path, recipe: Recipe | None = None) -> Classifier:
    """Read a network; UsageError if the tensors are not those that it has.

    recipe: the workspace's, for files that carry none; one that is carried must have its number of
    classes and channels and its size.
    """
    described, tensors = weights.read(path)
    chosen = recipe_in(described, path.name) or recipe
    if chosen is None:
        raise UsageError(f"weights {path.name}: no recipe inside; name the network with --network")
    if recipe is not None:
        refuse_other_pictures(path.name, chosen, recipe)
    return of_tensors(tensors, chosen, path.name)


def of_tensors(given: Mapping[str, Tensor], recipe: Recipe, name: str) -> Classifier:
    """Build a network of tensors as `tensors_of` gives them; UsageError, with `name`, if unfit."""
    network, tensors = build(recipe), dict(given)
    sums = {key.removeprefix(CARRIED): tensors.pop(key) for key in _carried_in(given, recipe)}
    state, counters = _state(network), _counters(network)
    if problem := weights.misfit(state, {**counters, **tensors}):
        raise UsageError(
            f"weights {name}: {problem}, expected the tensors of {recipe.network} with "
            f"{recipe.classes} classes"
        )
    network.body.load_state_dict({**counters, **tensors})
    if sums:
        network.carry(sums)
    return network.eval()


def _carried_in(tensors: Mapping[str, Tensor], recipe: Recipe) -> list[str]:
    return [key for key in tensors if recipe.head and key.startswith(CARRIED)]


def _counters(network: Classifier) -> dict[str, Tensor]:
    """Batch-norm's step counters: older files lack them and inference does not read them."""
    return {k: v for k, v in _state(network).items() if k.endswith("num_batches_tracked")}
