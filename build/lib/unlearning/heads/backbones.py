"""Backbones: all of a network but its last layer, from a file that never saw the data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save

from unlearning import networks, weights
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError, UsageError
from unlearning.networks import Classifier
from unlearning.recipe import Head, Recipe, recipe_in


def described(path: Path, recipe: Recipe, head: Head, *, given: bool) -> Recipe:
    """Describe a network of these data on a backbone.

    recipe: of the data; its mean and deviation count if they were `given`, else those that the
    file carries. They never follow from the data: these would then be in what is frozen.
    """
    inside = recipe_in(weights.read(path)[0], path.name)
    if not given and inside is None:
        raise UsageError(
            f"backbone {path.name}: carries no mean and deviation, expected those that it was "
            "trained with: give --mean and --std"
        )
    if given or inside is None:
        return replace(recipe, head=head)
    if inside.channels != recipe.channels or inside.network != recipe.network:
        got = f"{inside.network} for {inside.channels} channels"
        raise UsageError(
            f"backbone {path.name}: is {got}, expected {recipe.network} for {recipe.channels}"
        )
    return replace(recipe, head=head, mean=inside.mean, std=inside.std)


def normalised(path: Path, recipe: Recipe, *, given: bool) -> bytes:
    """Give the file that a workspace keeps of a brought backbone, complete and without its head.

    recipe: of the data, as for `described`; UsageError for a file that will not do.
    """
    head = Head(backbone=sha256_file(weights.there(path)))
    network = on_backbone(path, described(path, recipe, head, given=given))
    networks.require_fit(network.recipe)
    plain = replace(network.recipe, head=None)
    tensors = {k: v.contiguous() for k, v in network.body.state_dict().items()}
    return save(tensors, metadata={"recipe": json.dumps(plain.as_record(), sort_keys=True)})


def on_backbone(path: Path, recipe: Recipe) -> Classifier:
    """Build a network on a backbone, its head all 0; UsageError if the tensors are not its own.

    IntegrityError for another file than the recipe's head names. Tensors of the file's own last
    layer are left out, however many classes it has.
    """
    _require_digest(path, recipe)
    network = networks.build(recipe)
    tensors, state = weights.read(path)[1], network.body.state_dict()
    last = next(n for n, m in network.body.named_modules() if m is network.last_layer)
    own = {f"{last}.{part}": torch.zeros_like(state[f"{last}.{part}"]) for part in _PARTS}
    counters = {k: v for k, v in state.items() if k.endswith("num_batches_tracked")}
    others = {k: v for k, v in tensors.items() if not k.startswith(networks.CARRIED)}
    if problem := weights.misfit(state, {**counters, **others, **own}):
        raise UsageError(
            f"backbone {path.name}: {problem}, expected the tensors of {recipe.network}"
        )
    network.body.load_state_dict({**counters, **others, **own})
    _require_finite(network, path)
    return network.eval()


_PARTS = ("weight", "bias")


def _require_digest(path: Path, recipe: Recipe) -> None:
    wanted, got = recipe.head.backbone if recipe.head else "none", sha256_file(path)
    if wanted != got:
        raise IntegrityError(
            f"backbone {path.name}: SHA-256 got {got[:16]}, expected {wanted[:16]}: put the file "
            "back that the workspace was made with"
        )


def _require_finite(network: Classifier, path: Path) -> None:
    for name, values in network.body.named_parameters():
        if not torch.isfinite(values).all():
            raise UsageError(
                f"backbone {path.name}: tensor {name} holds values that are no finite numbers, "
                "expected a network that works: fetch another"
            )
