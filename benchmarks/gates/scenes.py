"""A forget set laid out: which examples are answered, and the trial that candidates enter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import load_file

from benchmarks.answers import FULL, Answers, digest_of_file
from benchmarks.gates.candidates import Candidate, Kind
from benchmarks.gates.grounds import Ground, setting_of
from benchmarks.sources import code_digest
from systems.settings.policy import load_policy
from unlearning import networks
from unlearning.bank.files import write_arrays
from unlearning.bank.matching import comparable
from unlearning.bank.shadows import Bank, load_bank
from unlearning.contracts import Gate
from unlearning.digests import digest_of, digest_of_arrays
from unlearning.domain import (
    BoolArray,
    Examples,
    Group,
    IntArray,
    Measurement,
    Outputs,
    Split,
    going,
    joined,
)
from unlearning.judging.candidates import with_retain_sample
from unlearning.judging.doors import OPENED, in_standard, sureness
from unlearning.judging.measuring import ATTACK, controls
from unlearning.judging.trial import Trial
from unlearning.judging.verdicts import gates_of
from unlearning.outputs import logits_of

RETAINED = 200
"""Retain examples that are answered; they inform and decide nothing."""


@dataclass(frozen=True)
class Place:
    """Where the work lies: the data's name, its folder, its bank, and the policy."""

    data: str
    folder: Path
    bank: Path
    policy: Path

    @property
    def answers(self) -> Answers:
        """Give the store of answers on training, holdout and test examples, in that order."""
        of = setting_of(self.data)
        folder = self.folder / "outputs"
        return Answers(folder, examples_of(self.data), of.recipe.classes)

    @property
    def level(self) -> float:
        """Give the level of the intervals that decide on forgetting under the policy."""
        return load_policy(self.policy).level

    def gates(self, form: str = FULL) -> tuple[Gate, ...]:
        """Give the policy's gates; with a form, what is shipped in it must pass too."""
        settings = dict(yaml.safe_load(self.policy.read_text())["gates"])
        settings.pop("deployed", None)
        return gates_of({**settings, "deployed": {"forms": [form]}} if form else settings)


@cache
def examples_of(data: str) -> Examples:
    """Give training, holdout and test examples, in that order."""
    of = setting_of(data)
    return joined(of.train, of.holdout, of.test)


@cache
def _subjects_of(data: str) -> IntArray:
    return np.asarray(np.unique(examples_of(data).subjects, return_inverse=True)[1])


@cache
def bank_of(folder: Path) -> Bank:
    """Give a bank, read once a process."""
    return load_bank(folder)


@dataclass(frozen=True, eq=False)
class Rows:
    """Places of a forget set's examples among all, with the group of each."""

    at: IntArray
    groups: IntArray


def rows_of(place: Place, forgets: BoolArray) -> Rows:
    """Lay out forget, some retain, holdout and test examples."""
    of = setting_of(place.data)
    n, m, t = len(of.train), len(of.holdout), len(of.test)
    retained = np.random.default_rng(0).permutation(np.flatnonzero(~forgets))[:RETAINED]
    parts = (np.flatnonzero(forgets), retained, n + np.arange(m), n + m + np.arange(t))
    groups = [np.full(len(part), group) for part, group in zip(parts, Group, strict=True)]
    return Rows(np.concatenate(parts), np.concatenate(groups))


def compared(rows: Rows, place: Place, bank: Bank) -> Rows:
    """Leave out the holdout examples that the forget set may not be compared with."""
    examples = examples_of(place.data)
    forget, holdout = (np.flatnonzero(rows.groups == g) for g in (Group.FORGET, Group.HOLDOUT))
    own, others = (examples.take(rows.at[part]) for part in (forget, holdout))
    kept = ~np.isin(np.arange(len(rows.at)), holdout[~comparable(own, others, bank)])
    return Rows(rows.at[kept], rows.groups[kept])


def outputs(place: Place, candidate: Candidate, rows: Rows, form: str = FULL) -> Outputs:
    """Give a candidate's answers on a forget set's examples."""
    logits = place.answers.of(candidate.weights, rows.at, form)
    seen = logits if candidate.view is None else candidate.view(logits)
    labels, subjects = examples_of(place.data).labels, _subjects_of(place.data)
    return Outputs(seen, labels[rows.at], rows.groups, subjects[rows.at])


@dataclass(frozen=True, eq=False)
class Scene:
    """A forget set laid out, and the trial in which candidates take the champion's place.

    every: with all holdout examples. forgets: (n,) over the training examples.
    """

    champion: Path
    forgets: BoolArray
    every: Rows
    rows: Rows
    trial: Trial

    def split(self, place: Place) -> Split:
        """Give the split that a method would see."""
        of = setting_of(place.data)
        parts = of.train.take(self.forgets), of.train.take(~self.forgets)
        return Split(*parts, of.holdout, of.test, of.recipe.classes)

    @cached_property
    def known(self) -> Mapping[str, Measurement]:
        """Give the trial's controls, which no candidate has a part in."""
        return controls(self.trial, ATTACK)


def scene_of(
    place: Place, ground: Ground, bank: Bank, forgets: BoolArray, chooses: Bank | None = None
) -> Scene:
    """Lay out a forget set with the champion's own answers.

    chooses: the bank that says which holdout examples are comparable, where it is another.
    """
    every = rows_of(place, forgets)
    rows = compared(every, place, chooses or bank)
    untouched = outputs(place, Candidate("untouched", Kind.GROSS, ground.champion), rows)
    trial = _trial(place, bank, rows, untouched, gone_of(place, forgets))
    return Scene(ground.champion, forgets, every, rows, trial)


def opened(place: Place, candidate: Candidate, scene: Scene) -> dict[str, Outputs]:
    """Give what a candidate's network answers after each door was opened; kept by content.

    A view is in front of the network: whoever holds that goes round it.
    """
    rows, asked = scene.rows, np.isin(scene.rows.groups, (Group.FORGET, Group.HOLDOUT))
    found = {}
    for name, opens in OPENED.items():
        path = place.folder / "opened" / f"{_opened_key(candidate, name, scene)}.safetensors"
        if not path.exists():
            retain = with_retain_sample(scene.split(place)).retain
            sure = sureness(networks.load(scene.champion), retain)
            network = opens(in_standard(networks.load(candidate.weights), retain, sure), retain)
            logits = logits_of(network, examples_of(place.data).take(rows.at[asked]))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_arrays(path, {"logits": logits})
        labels, subjects = examples_of(place.data).labels, _subjects_of(place.data)
        at = rows.at[asked]
        found[name] = Outputs(
            load_file(path)["logits"], labels[at], rows.groups[asked], subjects[at]
        )
    return found


def _opened_key(candidate: Candidate, door: str, scene: Scene) -> str:
    asked = np.isin(scene.rows.groups, (Group.FORGET, Group.HOLDOUT))
    return digest_of(
        {
            "weights": digest_of_file(candidate.weights),
            "champion": digest_of_file(scene.champion),
            "door": door,
            "rows": digest_of_arrays(scene.rows.at[asked], scene.forgets),
            "code": code_digest("unlearning.judging.doors"),
        }
    )


def gone_of(place: Place, forgets: BoolArray) -> IntArray:
    """Give the classes that go, by all training examples."""
    of = setting_of(place.data)
    parts = (of.train.labels[part] for part in (forgets, ~forgets))
    return going(*(np.bincount(labels, minlength=of.recipe.classes) for labels in parts))


def _trial(place: Place, bank: Bank, rows: Rows, untouched: Outputs, gone: IntArray) -> Trial:
    where = np.isin(rows.groups, (Group.FORGET, Group.HOLDOUT))
    return Trial(
        candidate=untouched,
        champion=untouched,
        shadows=bank.on(examples_of(place.data).ids[rows.at[where]]),
        shadow_accuracy=bank.test_accuracy,
        shadow_size=float(bank.trained_on.mean()),
        train_size=len(setting_of(place.data).train),
        gone=gone,
    )
