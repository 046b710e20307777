"""What a request's candidates are judged on: the judge, and models trained without its examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from systems.compute import generating
from systems.registry import models as registry
from systems.registry.models import ModelVersion
from tasks import references
from tasks.generated import models
from tasks.running import progress
from tasks.running.opened import Opened
from unlearning.contracts import Gate
from unlearning.domain import HOLDOUT, TRAIN, Measurement, Split
from unlearning.gates.generated import Concept, GeneratedUtility, Recovered
from unlearning.gates.integrity import Integrity
from unlearning.generation import generators
from unlearning.generation.measures import Bench
from unlearning.judging.candidates import JudgedBy
from unlearning.judging.drawing import drawn_basis_of, judge_generator, working

ASKING = (Concept, GeneratedUtility, Recovered)
EACH = 10
"""Pictures of every class that a first model has to draw."""


def laid_out(
    at: Opened,
    champion: ModelVersion,
    split: Split,
    gates: Sequence[Gate],
    ids: Mapping[str, Sequence[str]],
) -> tuple[JudgedBy, dict[str, Any]]:
    """Train what gates compare with; give who judges candidates, with notes for their records.

    ids: to forget, by split.
    """
    known = models.judge(at, ids[HOLDOUT])
    count = max(gate.models for gate in gates if isinstance(gate, ASKING))
    without = references.references(at, ids[TRAIN], count)
    basis = drawn_basis_of(
        registry.verified(champion),
        split,
        known.weights,
        [made.weights for made in without],
        gates,
        generating.sampler_of(models.settings(at)),
        progress.drawing,
    )
    notes = {"class_out_models": references.cost_of(without), "judge": known.as_record()}
    return partial(judge_generator, basis=basis, told=progress.drawing), notes


def works(at: Opened, weights: Any, gates: Sequence[Gate]) -> dict[str, Measurement]:
    """Measure what the gate `integrity` asks of a first model; nothing where no gate asks."""
    if not any(isinstance(gate, Integrity) for gate in gates):
        return {}
    from tasks.running.parts import parts_of
    from unlearning import networks

    train = parts_of(at).train
    bench = Bench(
        judge=networks.load(models.judge(at).weights),
        real=train,
        label=None,
        classes=models.recipe(at).classes,
        sampler=generating.sampler_of(models.settings(at)),
        each=EACH,
    )
    return {m.name: m for m in working(generators.load(weights), bench, progress.drawing)}
