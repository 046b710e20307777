"""The generators of a workspace, and the classifier that judges what they draw."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from systems.compute import generating
from systems.data import versions
from systems.settings.generators import GeneratorParams
from tasks.requests.asked import open_requests
from tasks.running import progress
from tasks.running.opened import Opened
from tasks.running.parts import Parts, parts_of, training
from tasks.running.trained import TRAINED, note_trained, noted_of
from unlearning.digests import digest_of
from unlearning.domain import HOLDOUT, Examples
from unlearning.errors import UsageError
from unlearning.generation import generators
from unlearning.generation.recipe import GeneratorRecipe
from unlearning.judging.drawing import agreement


@dataclass(frozen=True)
class Judge:
    """A classifier that says what pictures show, or that they show none of the classes.

    accuracy: on the test set. It learned from holdout pictures, which no generator here saw, of all
    classes: it is a copy of them, lies in artifacts/trained and goes with the next erasure.
    """

    weights: Path
    sha256: str
    accuracy: float
    seconds: float

    def as_record(self) -> dict[str, Any]:
        """Say for evidence which it was, and how good."""
        return {"sha256": self.sha256, "test_accuracy": round(self.accuracy, 4)}


def settings(at: Opened) -> GeneratorParams:
    """Give the generator's section of params.yaml; UsageError where it has none."""
    if at.params.generator is None:
        raise UsageError("params.yaml: generator: got nothing, expected what draws pictures")
    return at.params.generator


def recipe(at: Opened) -> GeneratorRecipe:
    """Describe the generator of a workspace's data."""
    parts = parts_of(at)
    _, channels, size, _ = parts.train.images.shape
    return generating.recipe_of_generator(settings(at), len(parts.classes), channels, size)


def follows_from(at: Opened) -> dict[str, Any]:
    """Give what a generator follows from, besides its data and its seed."""
    fitting = generating.fitting_of(settings(at))
    return {"recipe": asdict(recipe(at)), "fitting": asdict(fitting)}


def made(at: Opened, examples: Examples, seed: int, target: Path) -> tuple[str, float]:
    """Train a generator into a file; give its digest and the seconds that it took."""
    fitting = generating.fitting_of(settings(at))
    found = generating.train_generator(examples, recipe(at), fitting, seed, target, progress.epochs)
    return found.sha256, found.seconds


def judge(at: Opened, own: Collection[str] = ()) -> Judge:
    """Train the judge, or give the one that lies there already.

    It knows the class that a request asks to forget, or it could not look for it. Holdout pictures
    that other open requests name are left out. own: those of the present one.
    """
    parts, asked = parts_of(at), open_requests(at).asked
    named = frozenset[str]().union(*(one.ids[HOLDOUT] for one in asked))
    out = sorted(named - frozenset(own))
    described = {
        "judge": at.params.network,
        "data_version": versions.data_version(at.ws),
        "left_out": digest_of(out),
        "training": training(at).as_record(),
        "seed": at.params.seed,
    }
    target = at.ws.artifacts / TRAINED / f"judge-{digest_of(described)[:32]}.safetensors"
    return _kept(target) or _train_judge(at, parts, out, target)


def _kept(target: Path) -> Judge | None:
    noted = noted_of(target, f"judge {target.stem[6:14]}", "run it again")
    return Judge(target, **noted) if noted else None


def _train_judge(at: Opened, parts: Parts, out: Collection[str], target: Path) -> Judge:
    seen = parts.holdout.take(~np.isin(parts.holdout.ids, list(out)))
    if (known := len(np.unique(seen.labels))) < 2:
        raise UsageError(
            f"judge: got holdout pictures of {known} classes, expected some of every class: a "
            "generator is judged by a classifier that learned from pictures that no generator saw; "
            "serve the other open requests, or import more people"
        )
    made, right = generating.train_judge(
        seen,
        parts.test,
        len(parts.classes),
        training(at),
        at.params.network,
        at.params.seed,
        target,
        progress.epochs,
    )
    found = Judge(target, made.sha256, right, round(made.seconds, 3))
    fields = {name: value for name, value in asdict(found).items() if name != "weights"}
    note_trained(target, fields)
    return found


def described(at: Opened, weights: Path) -> dict[str, Any]:
    """Say how well a generator draws what it is asked, and by whose word."""
    known = judge(at)
    sampler = generating.sampler_of(settings(at))
    train, told = parts_of(at).train, progress.drawing
    share = agreement(generators.load(weights), known.weights, train, sampler, told)
    return {"judge": known.as_record(), "agreement": round(share, 4)}


def require_like(at: Opened, weights: Path) -> None:
    """Raise UsageError for a file that is no generator of the classes and pictures of the data."""
    got, wanted = generators.load(weights).recipe, recipe(at)
    for name in ("classes", "channels", "size"):
        if (found := getattr(got, name)) != (expected := getattr(wanted, name)):
            raise UsageError(
                f"weights {weights.name}: draws with {name} {found}, expected {expected}, as the "
                "data have it"
            )
