"""Every audit on one ground: what candidates are held against, and what each audit says of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from unlearning.audits.alignment import Alignment
from unlearning.audits.class_geometry import MiaNn
from unlearning.audits.collateral import Collateral
from unlearning.audits.deployed import as_deployed
from unlearning.audits.margins import Klom
from unlearning.audits.moved import Moved
from unlearning.audits.pairs import Pairs
from unlearning.audits.probes import Probes
from unlearning.audits.relearning import Relearning
from unlearning.audits.representation import Representation, representation_of
from unlearning.bank.shadows import Bank
from unlearning.domain import Examples, Group, IntArray, Measurement, Outputs, Split
from unlearning.errors import UsageError
from unlearning.gates.deployed import FORMS, marked
from unlearning.judging.measuring import ATTACK, controls, measure
from unlearning.judging.trial import Trial
from unlearning.outputs import outputs_of
from unlearning.statistics.intervals import clopper_pearson

SIZE = 1000
"""Examples of each set that are looked at."""

HOLDOUT = 3000
"""Holdout examples, from which probes of a class are learned."""

SHORT = 400
"""Examples of each set that relearning and the deployed forms are measured on."""

RELEARNING = Relearning(epochs=2, examples=SIZE)


@dataclass(frozen=True, eq=False)
class Model:
    """A network, and what it answers and its layers read on the large cut."""

    network: nn.Module
    seen: Representation


@dataclass(frozen=True, eq=False)
class Ground:
    """What candidates are held against.

    large, small: cuts of one split. original: the model before. retrained: models trained without
    the forget set. bank: the shadows. train_size: training examples of the original.
    """

    large: Split
    small: Split
    original: Model
    retrained: Sequence[Model]
    bank: Bank
    train_size: int
    gone: IntArray

    def model(self, network: nn.Module) -> Model:
        """Run a network once; UsageError unless it has the original's layers."""
        layers = list(self.original.seen.features)
        return Model(network, representation_of(network, self.large, layers))

    @property
    def honest(self) -> list[Outputs]:
        """The retrained models' answers."""
        return [model.seen.outputs for model in self.retrained]


def ground_of(
    split: Split, original: nn.Module, retrained: Sequence[nn.Module], bank: Bank
) -> Ground:
    """Cut a split, whose holdout set is of all classes, and run original and retrained models."""
    large, small = cut(split, SIZE, HOLDOUT), cut(split, SHORT, SHORT)
    before = Model(original, representation_of(original, large))
    size, gone = len(split.forget) + len(split.retain), split.forgotten_classes
    ground = Ground(large, small, before, (), bank, size, gone)
    return dataclasses.replace(ground, retrained=tuple(map(ground.model, retrained)))


def cut(split: Split, size: int, holdout: int) -> Split:
    """Keep some of each part; up to half of holdout and test are of the forgotten classes.

    Of the retain set one example of every class stays at least: a missing class means forgotten.
    """
    rng, forgotten = np.random.default_rng(0), np.unique(split.forget.labels)

    def some(part: Examples, count: int) -> Examples:
        return part.take(_drawn(part, forgotten, count, rng))

    retain = _drawn(split.retain, forgotten, size, rng)
    return Split(
        forget=some(split.forget, size),
        retain=split.retain.take(_with_all_classes(retain, split.retain.labels)),
        holdout=some(split.holdout, holdout),
        test=some(split.test, size),
        classes=split.classes,
    )


def _drawn(part: Examples, forgotten: IntArray, size: int, rng: np.random.Generator) -> IntArray:
    order = rng.permutation(len(part))
    wanted = np.isin(part.labels[order], forgotten)
    first = order[wanted][: size if wanted.all() else size // 2]
    return np.concatenate([first, order[~wanted][: size - len(first)]])


def _with_all_classes(drawn: IntArray, labels: IntArray) -> IntArray:
    classes, first = np.unique(labels, return_index=True)
    return np.concatenate([drawn, first[~np.isin(classes, labels[drawn])]])


def accuracy(ground: Ground, model: Model) -> list[Measurement]:
    """Accuracy on each group."""
    outputs, found = model.seen.outputs, []
    right = outputs.logits.argmax(1) == outputs.labels
    for group in Group:
        hits = right[outputs.of(group)]
        share = clopper_pearson(float(hits.sum()), len(hits))
        name = f"accuracy/{group.name.lower()}"
        found.append(Measurement(name, share.value, share.low, share.high, len(hits)))
    return found


def probes(ground: Ground, model: Model) -> list[Measurement]:
    """Linear probe and nearest class mean on the features at three depths."""
    retrained = [other.seen for other in ground.retrained]
    return Probes().measure(model.seen, ground.original.seen, retrained, _rng(), ground.gone)


def alignment(ground: Ground, model: Model) -> list[Measurement]:
    """CKA of the features at three depths, with the original's and with retrained models'."""
    retrained = [other.seen for other in ground.retrained]
    return Alignment().measure(model.seen, ground.original.seen, retrained, _rng())


def moved(ground: Ground, model: Model) -> list[Measurement]:
    """How far body and last layer are from the original's: a body that stayed forgot nothing."""
    return Moved().measure(model.network, ground.original.network)


def relearning(ground: Ground, model: Model) -> list[Measurement]:
    """Accuracy that comes back by training on retain examples, and on a few forget examples."""
    generator = torch.Generator().manual_seed(0)
    retrained = [other.network for other in ground.retrained]
    return RELEARNING.measure(model.network, retrained, ground.small, generator)


def pairs(ground: Ground, model: Model) -> list[Measurement]:
    """Attack by whoever holds the original and the candidate."""
    return Pairs().measure(ground.original.seen.outputs, model.seen.outputs, ground.honest)


def collateral(ground: Ground, model: Model) -> list[Measurement]:
    """Attack on those who stay, before and after."""
    parts = (ground.large.forget, ground.large.retain, ground.large.holdout)
    shadows = ground.bank.on(np.concatenate([part.ids for part in parts]))
    before, after = (
        m.seen.outputs.take(~m.seen.outputs.of(Group.TEST)) for m in (ground.original, model)
    )
    return Collateral().measure(before, after, shadows, {"stay": before.of(Group.RETAIN)})


def class_geometry(ground: Ground, model: Model) -> list[Measurement]:
    """MIA-NN: where test examples of a class forgotten whole go, in the whole output vector."""
    if not len(ground.gone):
        raise UsageError("class_geometry: does not apply, no class is forgotten whole")
    return MiaNn(least=2).of(model.seen.outputs, ground.honest, ground.gone, _rng())


def klom(ground: Ground, model: Model) -> list[Measurement]:
    """KLOM: how far margins of several candidates diverge from those of retrained models."""
    return Klom().measure([model.seen.outputs], ground.honest, _rng())


def deployed(ground: Ground, model: Model) -> list[Measurement]:
    """Attack AUC and lost accuracy, by the gates' own measuring, of the weights and rounded."""
    small, bank = ground.small, ground.bank
    trial = Trial(
        candidate=outputs_of(model.network, small),
        champion=outputs_of(ground.original.network, small),
        shadows=bank.on(np.concatenate([small.forget.ids, small.holdout.ids])),
        shadow_accuracy=bank.test_accuracy,
        shadow_size=float(bank.trained_on.mean()),
        train_size=ground.train_size,
        gone=ground.gone,
    )
    attack, known = ATTACK, controls(trial, ATTACK)
    found = measure(trial, attack, known)
    for form in FORMS:
        exported = outputs_of(as_deployed(model.network, form), small)
        in_form = measure(dataclasses.replace(trial, candidate=exported), attack, known)
        found |= marked(in_form, form)
    kept = ("forget_auc", "accuracy_drop")
    return [m for name, m in found.items() if name.rpartition("/")[2] in kept]


OURS = "this project"


@dataclass(frozen=True)
class Run:
    """An audit as `lethe audit` runs it.

    measure: raises UsageError where it cannot be measured. by: what does the measuring, with its
    paper, where that is one class.
    """

    measure: Callable[[Ground, Model], list[Measurement]]
    by: type[Any] | None = None

    def __call__(self, ground: Ground, model: Model) -> list[Measurement]:
        """Measure a model on a ground."""
        return self.measure(ground, model)

    @property
    def paper(self) -> str:
        """Where it is from."""
        return self.by.paper if self.by else OURS

    @property
    def runs(self) -> str:
        """Who asks for it."""
        return str(getattr(self.by, "runs", ASKED_BY))


ASKED_BY = "lethe audit"

RUNS: Mapping[str, Run] = {
    "accuracy": Run(accuracy),
    "probes": Run(probes, Probes),
    "alignment": Run(alignment, Alignment),
    "moved": Run(moved, Moved),
    "relearning": Run(relearning, Relearning),
    "pairs": Run(pairs, Pairs),
    "collateral": Run(collateral, Collateral),
    "class_geometry": Run(class_geometry, MiaNn),
    "klom": Run(klom, Klom),
    "deployed": Run(deployed),
}
"""Audits by name."""


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
