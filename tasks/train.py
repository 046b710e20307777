"""The first model of a workspace, and the models that are trained to compare with.

Trained weights lie in artifacts/trained under a digest of all that they follow from, so that what
was trained once, by `init`, by DVC's stage or by hand, is not trained again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ledger import durable
from ledger.replay.drift import FIRST
from systems.compute import producing
from systems.data import versions
from systems.registry import models
from systems.settings.policy import load_policy
from tasks.generated import models as drawn
from tasks.requests.asked import restricted_ids
from tasks.running import bases, progress
from tasks.running.champion import standing
from tasks.running.computing import away
from tasks.running.opened import Opened
from tasks.running.parts import (
    backbone_of,
    bank_plan,
    bank_state,
    ensure_bank,
    parts_of,
    training,
)
from tasks.running.records import utc_now
from tasks.running.trained import TRAINED, note_trained, noted_of
from tasks.showing.versions import describe_versions
from unlearning import networks
from unlearning.bank.shadows import load_bank
from unlearning.digests import digest_of, sha256_file
from unlearning.domain import Examples, Outcome
from unlearning.errors import Diverged, UsageError
from unlearning.gates.asking import ask
from unlearning.gates.integrity import Integrity
from unlearning.generation import generators
from unlearning.heads.backbones import described
from unlearning.judging.measuring import integrity_of
from unlearning.judging.verdicts import gates_of
from unlearning.networks import Recipe
from unlearning.outputs import logits_of
from unlearning.recipe import Head
from unlearning.training import keyed


@dataclasses.dataclass(frozen=True)
class Trained:
    """A network that lies in artifacts/trained."""

    weights: Path
    sha256: str
    seconds: float
    test_accuracy: float | None = None

    def as_record(self) -> dict[str, Any]:
        """Show it as the command line prints it; a generator has no accuracy of its own."""
        return {"weights": str(self.weights), "sha256": self.sha256, **self.metrics}

    @property
    def metrics(self) -> dict[str, float]:
        """What making it cost, and what it is worth."""
        known = {} if self.test_accuracy is None else {"test_accuracy": self.test_accuracy}
        return {"seconds": self.seconds, **known}


def recipe_of(at: Opened) -> Recipe:
    """Give the champion's recipe, or before the first champion one from the training images.

    UsageError where the champion draws pictures: what asks for this is for classifiers.
    """
    if at.params.generator is not None:
        raise UsageError(
            "params.yaml: generator: this model draws pictures, expected a classifier: the bank, "
            "`lethe audit` and `lethe tune` are for models that say what pictures show"
        )
    champion = standing(at)
    if champion is not None:
        return networks.load(champion.weights).recipe
    parts = parts_of(at)
    recipe = producing.recipe_for(at.params.network, len(parts.classes), parts.train)
    if at.params.head is None:
        return recipe
    head = Head(**dataclasses.asdict(at.params.head))
    framed = dataclasses.replace(recipe, head=head)
    return described(backbone_of(at, framed) or at.ws.backbone, recipe, head, given=False)


def train(at: Opened, *, without: Sequence[str] = (), seed: int | None = None) -> Trained:
    """Train a fresh network on the training set, or on what is left of it without some examples.

    What open requests name is left out in any case.
    """
    parts = parts_of(at)
    left_out = sorted({*without, *restricted_ids(at, without)})
    examples = parts.train.take(~np.isin(parts.train.ids, left_out))
    chosen = at.params.seed if seed is None else seed
    follows_from = {
        "data_version": versions.data_version(at.ws),
        "left_out": digest_of(left_out),
        **(drawn.follows_from(at) if at.params.generator else _follows_from(at)),
        "seed": chosen,
    }
    target = at.ws.artifacts / TRAINED / f"{digest_of(follows_from)[:32]}.safetensors"
    return _kept(target) or _train(at, examples, chosen, target)


def _follows_from(at: Opened) -> dict[str, Any]:
    return {"recipe": recipe_of(at).as_record(), "training": training(at).as_record()}


def _kept(target: Path) -> Trained | None:
    noted = noted_of(target, f"trained network {target.stem[:8]}", "train again")
    return Trained(target, **noted) if noted else None


def _train(at: Opened, examples: Examples, seed: int, target: Path) -> Trained:
    section = "generator" if at.params.generator else "training"
    try:
        if at.params.generator:
            found = Trained(target, *drawn.made(at, examples, seed, target))
        else:
            found = _classifier(at, examples, recipe_of(at), seed, target)
    except Diverged as problem:  # trying again would end as it did
        raise UsageError(f"{section}.learning_rate of params.yaml: {problem}") from problem
    note_trained(target, {"sha256": found.sha256, **found.metrics})
    return found


def _classifier(at: Opened, examples: Examples, recipe: Recipe, seed: int, target: Path) -> Trained:
    made = producing.train_network(
        examples,
        recipe,
        training(at),
        seed,
        target,
        progress.epochs,
        backbone=backbone_of(at, recipe),
        away=away(at),
    )
    correct = producing.test_accuracy(target, parts_of(at).test)
    return Trained(target, made.sha256, made.seconds, correct)


def bring(at: Opened, weights: Path, mean: Sequence[float], std: Sequence[float]) -> Trained:
    """Take weights from elsewhere as the original; they count as having seen all training data."""
    parts = parts_of(at)
    recipe = producing.recipe_for(
        at.params.network, len(parts.classes), parts.train, mean or None, std or None
    )
    network = producing.brought(weights, recipe, given=bool(mean))
    target = at.ws.artifacts / TRAINED / f"{sha256_file(weights)[:32]}.safetensors"
    sha256 = networks.save(network, target)
    return Trained(target, sha256, 0.0, producing.test_accuracy(target, parts.test))


def register_first(at: Opened, original: Trained) -> models.ModelVersion:
    """Make the original the first champion; the signed log vouches for its bytes.

    Raises UsageError for one that does not work, since no successor could be held against it.
    """
    _require_working(at, original)
    mlruns, name = at.ws.mlruns, at.params.model.name
    version = versions.data_version(at.ws)
    recipe = recipe_record(at, original.weights)
    tags = {"lethe.run": "init", "lethe.data_version": version, "lethe.verdict": "first"}
    first = models.register(mlruns, name, original.weights, recipe, tags)
    at.ledger.record(
        FIRST,
        {
            "sha256": first.sha256,
            "version": first.version,
            "data_version": version,
            "seconds": round(original.seconds, 3),
            "conditions": at.params.conditions,
        },
        key=FIRST,
        now=utc_now(),
    )
    promoted = models.promote(mlruns, name, first.version, expected_parent=None)
    describe_versions(at)
    return promoted


def recipe_record(at: Opened, weights: Path) -> dict[str, Any]:
    """Give what the registry keeps of how a network is built."""
    if at.params.generator:
        return dataclasses.asdict(generators.load(weights).recipe)
    return networks.load(weights).recipe.as_record()


def _require_working(at: Opened, original: Trained) -> None:
    gates = gates_of(load_policy(at.ws.policy).gates)
    if at.params.generator:
        from tasks.generated.judging import works  # it trains references by this module

        measured = works(at, original.weights, gates)
    else:
        test = parts_of(at).test
        logits = logits_of(networks.load(original.weights), test)
        measured = {m.name: m for m in integrity_of(logits, np.ones(len(test), dtype=bool))}
    asked = (ask(gate, measured) for gate in gates if isinstance(gate, Integrity))
    failed = [verdict.reason for verdict in asked if verdict.outcome != Outcome.PASSED]
    if failed:
        raise UsageError(
            f"first model: {failed[0]}, expected one that passes the gate integrity, as all of its "
            "successors must: take more --epochs, another --learning-rate or other --weights"
        )


def build_bank(at: Opened) -> dict[str, Any]:
    """Build or complete the shadow bank, or build it again where it has to be; say what it is.

    A generator has none: its judge is trained, and models to compare with for each request.
    """
    if at.params.generator:
        return {"shadows": 0, "judge": drawn.judge(at).as_record()}
    recipe = recipe_of(at)
    state = bank_state(at, recipe)
    if state and state.rebuild and state.left < state.built:
        durable.remove_folder(at.ws.bank / bank_plan(at, recipe).key, within=at.ws.bank)
    folder = ensure_bank(at, recipe)
    bank = load_bank(folder)
    made = bases.build(at, recipe)
    return {
        **({"bases": bases.wanted(at), "bases_built": made} if bases.wanted(at) else {}),
        "bank": folder.name,
        "shadows": len(bank.logits),
        "examples": len(bank.ids),
        "test_accuracy": round(float(bank.test_accuracy.mean()), 4),
    }


def forget_trained(at: Opened) -> None:
    """Remove the networks of artifacts/trained: they learned from people who are erased now."""
    durable.remove_folder(at.ws.artifacts / TRAINED, within=at.ws.root)
    at.kept.pop("parts", None)
    keyed.clear()
