"""Making an exact network again from its data, and how far apart two networks are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from systems.compute.producing import Produced, unlearn
from unlearning import networks
from unlearning.domain import Examples, Split
from unlearning.heads.backbones import on_backbone
from unlearning.memory import Room, room
from unlearning.methods import METHODS
from unlearning.outputs import logits_of
from unlearning.recipe import Recipe
from unlearning.training.loop import Progress, Training, silent
from unlearning.training.pinned import threads


@dataclass(frozen=True)
class Distance:
    """How far weights and answers of two networks are apart.

    largest: absolute difference of a weight. relative: norm of the difference by that of the first.
    disagreement: share of `examples` that they put into different classes, None where none are.
    """

    largest: float
    relative: float
    disagreement: float | None
    examples: int

    def as_record(self) -> dict[str, Any]:
        """Give it as the command line prints it."""
        return asdict(self)


def made_again(
    attempt: Mapping[str, Any],
    split: Split,
    target: Path,
    *,
    ancestors: Sequence[Path] = (),
    backbone: Path | None = None,
    progress: Progress = silent,
) -> Produced:
    """Train the network of an exact attempt again, as far as can be as its profile says.

    attempt: as evidence states it, with `replay`. split: of which only `retain` is read.
    """
    stated, profile = attempt["replay"], attempt["replay"]["profile"]
    recipe = Recipe.from_dict(stated["recipe"])
    blank = on_backbone(backbone, recipe) if backbone else networks.build(recipe)
    original = target.with_name("blank.safetensors")
    networks.save(blank, original)
    method = METHODS.create(attempt["method"], _settings(attempt["settings"], profile))
    with threads(int(profile["threads"])), room(Room(int(profile["parts"]))):
        return unlearn(
            *(original, split, method, int(attempt["seed"]), target, progress, ancestors),
            processes=int(profile["processes"]),
        )


def _settings(stated: Mapping[str, Any], profile: Mapping[str, Any]) -> dict[str, Any]:
    """Give a method's settings; the precision is the one that `auto` came to in the run."""
    if "training" not in stated:
        return dict(stated)
    known = {field.name for field in fields(Training)}
    kept = {key: value for key, value in stated["training"].items() if key in known}
    return {**stated, "training": Training(**{**kept, "precision": profile["precision"]})}


def distance(one: Path, other: Path, examples: Examples) -> Distance | None:
    """Give how far two networks are apart; None if they are not of one kind."""
    first, second = networks.load(one), networks.load(other)
    own, others = _weights(first), _weights(second)
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in others.items()}:
        return None
    gaps = torch.cat([(own[name] - others[name]).flatten() for name in own])
    whole = torch.cat([value.flatten() for value in own.values()])
    classes = [logits_of(network, examples).argmax(1) for network in (first, second)]
    differ = float((classes[0] != classes[1]).mean()) if len(examples) else None
    relative = float(gaps.norm() / whole.norm().clamp_min(torch.finfo(torch.float64).tiny))
    return Distance(float(gaps.abs().max()), relative, differ, len(examples))


def _weights(network: networks.Classifier) -> dict[str, torch.Tensor]:
    tensors = networks.tensors_of(network)
    return {k: v.double() for k, v in tensors.items() if v.is_floating_point()}
