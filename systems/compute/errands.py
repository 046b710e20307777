"""What a worker of a cluster is asked to do: settings, and tensors that came in a parcel.

An errand names nobody and reads no file; the worker needs Lethe and nothing of the workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch

from systems.compute.attempting import Attempted, Losses, attempted, fresh
from systems.compute.parcels import (
    Parcel,
    Tensors,
    examples_of,
    network_of,
    packed,
    under,
    unpacked,
)
from unlearning.bank.shadow_training import Features, Job, train_shadow
from unlearning.contracts import Method
from unlearning.domain import SPLITS, Group, Handed, Split
from unlearning.judging.doors import answers
from unlearning.networks import Recipe, tensors_of
from unlearning.training.loop import Training, silent


@dataclass(frozen=True, eq=False)
class Done:
    """What came of an errand: tensors, and numbers beside them."""

    tensors: Tensors
    notes: Mapping[str, Any] = field(default_factory=dict)


class Errand(Protocol):
    """Something that a worker does, with settings alone; `name` is what Prefect shows."""

    name: ClassVar[str]

    @property
    def threads(self) -> int:
        """Give the threads that torch computes with: as many as here, for the same bits."""

    def done(self, sent: Tensors) -> Done:
        """Do it with the tensors that were sent."""


@dataclass(frozen=True)
class Back:
    """What a worker gives back: tensors in a parcel, and numbers beside them."""

    parcel: Parcel
    notes: Mapping[str, Any]


def carry_out(errand: Errand, sha256: str, parcel: Parcel) -> Back:
    """Do an errand in this process; IntegrityError unless the parcel is that of `sha256`."""
    torch.set_num_threads(errand.threads)
    made = errand.done(unpacked(parcel, sha256, f"errand {errand.name}"))
    return Back(packed(made.tensors), dict(made.notes))


def taken(back: Back, name: str) -> Done:
    """Take what a worker gave back; IntegrityError for bytes that are not those of their digest."""
    return Done(unpacked(back.parcel, back.parcel.sha256, f"a worker, {name}"), back.notes)


@dataclass(frozen=True)
class TrainShadow:
    """Train one shadow of a bank."""

    name: ClassVar[str] = "train-shadow"
    recipe: Recipe
    training: Training
    seed: int
    shadow: int
    threads: int = 1

    def done(self, sent: Tensors) -> Done:
        """Give the shadow's answers."""
        train, holdout, test = (examples_of(part, sent) for part in SPLITS)
        read = {name: of.numpy() for name, of in under("features", sent).items()}
        job = Job(
            *(self.recipe, self.training, self.seed, train, holdout, test, sent["seen"].numpy()),
            features=Features(**read) if read else None,
        )
        answered = train_shadow(job, self.shadow)
        return Done({key: torch.from_numpy(of) for key, of in answered.items()})


@dataclass(frozen=True)
class Unlearn:
    """Run a method on an original. bases: the recipes of networks that never saw the forget set."""

    name: ClassVar[str] = "unlearn"
    method: Method
    recipe: Recipe
    classes: int
    seed: int
    bases: tuple[Recipe, ...]
    threads: int

    def done(self, sent: Tensors) -> Done:
        """Give the candidate's weights; raises what `attempted` raises."""
        losses, original = Losses(silent), network_of("original", sent, self.recipe)
        handed = Handed(
            examples_of("forget", sent),
            examples_of("retain", sent),
            self.classes,
            tuple(network_of(f"base-{k}", sent, recipe) for k, recipe in enumerate(self.bases)),
        )
        return _made(attempted(self.method, original, handed, self.seed, losses), losses)


@dataclass(frozen=True)
class TrainFresh:
    """Train a network from fresh weights."""

    name: ClassVar[str] = "train"
    recipe: Recipe
    training: Training
    seed: int
    threads: int

    def done(self, sent: Tensors) -> Done:
        """Give the network's weights."""
        losses = Losses(silent)
        part = examples_of("train", sent)
        return _made(fresh(self.recipe, self.training, part, self.seed, losses), losses)


def _made(made: Attempted, losses: Losses) -> Done:
    numbers = {"seconds": made.seconds, "report": dict(made.report), "parts": made.parts}
    told = {"told": losses.told, "profile": made.profile}
    return Done(tensors_of(made.candidate), {**numbers, **told})


@dataclass(frozen=True)
class Ask:
    """Ask a network of a split, and where it is said how `sure` to make it, behind every door."""

    name: ClassVar[str] = "ask"
    recipe: Recipe
    classes: int
    sure: float | None
    threads: int

    def done(self, sent: Tensors) -> Done:
        """Give the logits, by door."""
        forget, retain, holdout, test = (examples_of(g.name.lower(), sent) for g in Group)
        split = Split(forget, retain, holdout, test, self.classes)
        found = answers(network_of("network", sent, self.recipe), split, self.sure)
        return Done({name: torch.from_numpy(of.logits) for name, of in found.items()})
