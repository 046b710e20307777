"""Models retrained without a request's examples: what honest forgetting looks like.

They never saw the examples, so they are no copies of anybody who asked. Each is trained once, lies
in artifacts/trained under a digest of all that it follows from, and goes with the next erasure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from systems.report.wording import NO_GEOMETRY
from tasks import train
from tasks.running.opened import Opened
from tasks.train import Trained
from unlearning.contracts import Gate
from unlearning.digests import digest_of
from unlearning.domain import Measurement, Split
from unlearning.gates.forgetting import Forgetting
from unlearning.gates.geometry import Geometry
from unlearning.gates.groups import group

CLASS_OUT, APART = "class-out models", "models apart"
"""What is trained to compare with: for a class that goes, and for people who go together."""


def references(at: Opened, without: Sequence[str], count: int) -> tuple[Trained, ...]:
    """Train so many models without these examples, or give those that lie there already."""
    seeds = (_seed(at, number) for number in range(count))
    return tuple(train.train(at, without=without, seed=seed) for seed in seeds)


def _seed(at: Opened, number: int) -> int:
    """Draw a seed of their own: a candidate that `lethe train` made must not be one of them."""
    return int(digest_of(["reference", at.params.seed, number])[:12], 16)


def class_out(
    at: Opened, without: Sequence[str], split: Split, gates: Sequence[Gate]
) -> tuple[Trained, ...]:
    """Give the models that the gate `geometry` compares with; none where it has nothing to ask."""
    asked = wanted(gates, class_goes=forgets_a_class(split), together=False)
    return references(at, without, asked.get(CLASS_OUT, 0))


def apart(
    at: Opened, without: Sequence[str], gates: Sequence[Gate], mates: Measurement
) -> tuple[Trained, ...]:
    """Give the models that a batch of people is judged by; none where it is none, or none asks."""
    asked = wanted(gates, class_goes=False, together=group({mates.name: mates}))
    return references(at, without, asked.get(APART, 0))


def wanted(gates: Sequence[Gate], *, class_goes: bool, together: bool) -> dict[str, int]:
    """Give what the gates ask to be trained without the examples, and how many of each.

    class_goes: whether a class does, or most of it. together: whether the forgotten are a batch of
    people who resemble one another.
    """
    out = [gate.models for gate in gates if isinstance(gate, Geometry) and class_goes]
    alone = [gate.references for gate in gates if isinstance(gate, Forgetting) and together]
    counts = {CLASS_OUT: max(out, default=0), APART: max(alone, default=0)}
    return {what: count for what, count in counts.items() if count}


def forgets_a_class(split: Split) -> bool:
    """Say whether a class goes, or most of it."""
    return bool(len(split.forgotten_classes))


def cost_of(made: Sequence[Trained]) -> dict[str, Any]:
    """Say for the record which models were trained, and how long it took."""
    seconds = round(sum(model.seconds for model in made), 1)
    return {"sha256": [model.sha256 for model in made], "seconds": seconds}


def geometry_notes(
    split: Split, gates: Sequence[Gate], made: Sequence[Trained]
) -> Mapping[str, Any]:
    """Say for the record what the class-out models cost, or that the geometry was not measured."""
    if made:
        return {"class_out_models": cost_of(made)}
    asked = any(isinstance(gate, Geometry) for gate in gates)
    return {} if asked or not forgets_a_class(split) else {"not_measured": [NO_GEOMETRY]}
