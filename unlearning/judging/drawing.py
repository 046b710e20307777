"""Judging a generator: what it draws beside models that were trained without what it is to forget.

What goes in and out is files, digests and numbers; networks and examples stay in this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from unlearning import networks
from unlearning.contracts import Gate
from unlearning.domain import ByteArray, Control, Examples, Measurement, Split
from unlearning.errors import Diverged
from unlearning.gates.generated import FA, Concept, GeneratedUtility, Recovered
from unlearning.generation import generators
from unlearning.generation.comparing import compared
from unlearning.generation.generators import Generator
from unlearning.generation.measures import Bench, Evidence
from unlearning.generation.recovery import Recovery
from unlearning.generation.sampling import Sampler, Told, as_one, sampled, steps_of, untold
from unlearning.judging.candidates import Judged, with_retain_sample
from unlearning.judging.effects import Effect, Kind
from unlearning.judging.measuring import integrity_of
from unlearning.judging.trial import exactly
from unlearning.judging.verdicts import decide, judge
from unlearning.outputs import logits_of

SHOWN = 20
"""Pictures of the class that a sheet shows of each generator."""

UNCHANGED = 0.05
"""Share of the class's pictures up to which fewer of them is no effect."""


@dataclass(frozen=True, eq=False)
class DrawnBasis:
    """What all candidates of a request are judged on, computed once.

    untouched, models: of the champion, and of models trained without what goes. sheets: what the
    latter draw of the class, as `shown` does. recovery: None where no class goes whole.
    """

    bench: Bench
    sets: Split
    untouched: Evidence
    models: tuple[Evidence, ...]
    sheets: tuple[ByteArray, ...]
    recovery: Recovery | None

    def evidence(self, network: Generator, bench: Bench, told: Told = untold) -> Evidence:
        """Measure a generator, and what comes back of the class where one goes."""
        found = measured_by(bench, network, told)
        if self.recovery is None:
            return found
        back = self.recovery.recovered(network, self.sets, bench, told=told)
        return replace(found, recovered=back)

    @property
    def steps(self) -> int:
        """Steps of drawing in which a generator is measured, with its sheet."""
        attacks = self.recovery.steps(self.bench) if self.recovery else 0
        sheet = 0 if self.bench.label is None else steps_of(SHOWN, self.bench.sampler)
        return self.bench.steps + attacks + sheet


def one_class(split: Split) -> int | None:
    """Give the class that a forget set is, whole; None if it is several, or leaves some of it."""
    found = np.unique(split.forget.labels)
    whole = len(found) == 1 and not np.isin(found, split.retain.labels).any()
    return int(found[0]) if whole else None


def drawn_basis_of(
    champion: Path,
    split: Split,
    judge_weights: Path,
    references: Sequence[Path],
    gates: Sequence[Gate],
    sampler: Sampler,
    told: Told = untold,
) -> DrawnBasis:
    """Draw by the champion, and by models to compare with, what candidates will be judged on.

    told: is told the steps of all that is drawn for it as those of one.
    """
    label, sampled_split = one_class(split), with_retain_sample(split)
    bench = Bench(
        judge=networks.load(judge_weights),
        real=sampled_split.retain,
        label=label,
        classes=split.classes,
        sampler=sampler,
        pictures=max((gate.pictures for gate in gates if isinstance(gate, Concept)), default=100),
        each=max((gate.each for gate in gates if isinstance(gate, GeneratedUtility)), default=30),
    )
    recovery = None if label is None else recovery_of(gates)
    basis = DrawnBasis(bench, split, _nothing(bench), (), (), recovery)
    with as_one(told, bench.steps + len(references) * basis.steps) as one:
        untouched = measured_by(bench, generators.load(champion), one)
        models = [generators.load(path) for path in references]
        measured = tuple(basis.evidence(model, bench, one) for model in models)
        sheets = () if label is None else tuple(shown(model, bench, one) for model in models)
    return replace(basis, untouched=untouched, models=measured, sheets=sheets)


def measured_by(bench: Bench, network: Generator, told: Told = untold) -> Evidence:
    """Measure a generator; nothing of one whose pictures are no finite numbers."""
    try:
        return bench.measured(network, told)
    except Diverged:
        return _nothing(bench)


def _nothing(bench: Bench) -> Evidence:
    return Evidence({}, np.zeros(bench.classes, dtype=np.int64))


def recovery_of(gates: Sequence[Gate]) -> Recovery | None:
    """Give the attacks that a policy asks for."""
    for gate in (gate for gate in gates if isinstance(gate, Recovered)):
        return Recovery(
            tuning_steps=gate.tuning_steps,
            shots=gate.shots,
            shot_steps=gate.shot_steps,
            guidances=gate.guidances,
            row_steps=gate.row_steps,
        )
    return None


def judge_generator(
    candidate: Path,
    basis: DrawnBasis,
    gates: Sequence[Gate],
    *,
    level: float,
    exact: bool,
    told: Told = untold,
) -> tuple[Judged, dict[str, np.ndarray]]:
    """Measure a candidate and ask every gate; with the sheet of what it draws, by name."""
    network, bench = generators.load(candidate), replace(basis.bench, level=level)
    n, whole = bench.pictures, basis.bench.label is not None
    with as_one(told, basis.steps + bench.rest_steps) as one:
        own = basis.evidence(network, bench, one)
        works = list(working(network, bench, one))
        sheet = {"sheet": np.stack([shown(network, bench, one), *basis.sheets])} if whole else {}
    measured = compared(own, basis.untouched, basis.models, level)
    for m in (
        *works,
        exactly("forgotten_classes", float(whole), n),
        exactly("by_lineage", float(exact), 1),
        exactly("forget_level", level, n),
    ):
        measured[m.name] = m
    verdicts = judge(measured, gates)
    judged = Judged(
        measured,
        verdicts,
        _controls(measured, gates),
        decide(verdicts, exact=exact),
        {},
        _effect(basis.untouched, own),
    )
    return judged, sheet


def working(network: Generator, bench: Bench, told: Told = untold) -> Iterator[Measurement]:
    """Measure whether a generator works: its weights are numbers, and it draws several classes."""
    try:
        logits = logits_of(bench.judge, bench.rest(network, told))
    except Diverged:
        logits = np.full((1, bench.classes), np.nan, dtype=np.float32)
    finite = all(bool(torch.isfinite(weight).all()) for weight in network.parameters())
    everything = np.ones(len(logits), dtype=bool)
    return integrity_of(logits if finite else np.full_like(logits, np.nan), everything)


def shown(network: Generator, bench: Bench, told: Told = untold) -> ByteArray:
    """Draw some pictures of the class, (SHOWN, channels, size, size).

    What the judge takes for any class is left white: it would be a copy of that class. All is white
    of a generator whose pictures are no finite numbers.
    """
    try:
        drawn = replace(bench, pictures=SHOWN).of_class(network, told=told)
    except Diverged:
        shape = (SHOWN, *bench.real.images.shape[1:])
        return np.full(shape, 255, dtype=np.uint8)
    images = np.asarray(drawn.images).copy()
    images[logits_of(bench.judge, drawn).argmax(1) < bench.classes] = 255
    return images


def _controls(measured: Mapping[str, Measurement], gates: Sequence[Gate]) -> tuple[Control, ...]:
    """Judge the untouched champion by the share of its pictures that show the class."""
    asked = (gate for gate in gates if isinstance(gate, Concept))
    told = [gate.told_apart(measured) for gate in asked if gate.knows_original(measured)]
    return tuple(
        Control("untouched champion", "refused", "refused" if apart else "not refused")
        for apart in told
    )


def _effect(before: Evidence, after: Evidence) -> Effect:
    if FA not in before.measured:
        return Effect(Kind.CHANGED, "no single class goes whole, so that none is drawn")
    if FA not in after.measured:
        return Effect(Kind.FAILED, "what it draws is no finite numbers: lower learning_rate")
    first, last = before.measured[FA].value, after.measured[FA].value
    words = f"{first:.0%} of the class's pictures showed it before, {last:.0%} do now"
    if last >= first - UNCHANGED:
        return Effect(Kind.NO_EFFECT, f"{words}: raise learning_rate or steps")
    return Effect(Kind.CHANGED, words)


def agreement(
    network: Generator,
    judge_weights: Path,
    real: Examples,
    sampler: Sampler,
    told: Told = untold,
) -> float:
    """Give the share of drawn pictures, of every class alike, that show what was asked."""
    labels = torch.from_numpy(np.unique(real.labels)).repeat_interleave(SHOWN)
    drawn = sampled(network, labels, sampler, torch.Generator().manual_seed(0), told)
    answers = logits_of(networks.load(judge_weights), drawn).argmax(1)
    return float(np.mean(answers == drawn.labels))
