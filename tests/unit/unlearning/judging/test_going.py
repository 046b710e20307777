"""Which classes go is told by all that stays, also where a sample of it is looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit import toys
from tests.unit.unlearning.audits.test_audits_deployed import random_bank
from unlearning import networks
from unlearning.domain import Group, ShadowOutputs, Split, going
from unlearning.gates.forgetting import Forgetting
from unlearning.gates.geometry import Geometry
from unlearning.gates.utility import Utility
from unlearning.judging import candidates
from unlearning.judging.candidates import basis_of, judge_candidate
from unlearning.judging.effects import Kind
from unlearning.judging.trial import Trial
from unlearning.judging.usefulness import utility
from unlearning.judging.verdicts import judge
from unlearning.statistics.intervals import LEVEL
from unlearning.terms import Outcome


@pytest.mark.parametrize(
    ("gone", "stays", "goes"),
    [
        ([100, 0, 0], [0, 100, 100], [0]),
        ([99, 0, 0], [1, 100, 100], [0]),
        ([99, 100, 0], [1, 0, 100], [0, 1]),
        ([51, 0, 0], [49, 100, 100], [0]),
        ([49, 0, 0], [51, 100, 100], []),
        ([60, 60, 60], [40, 40, 40], []),  # of all data most goes, and no class
        ([90, 60, 60], [10, 40, 40], [0]),
        ([0, 10, 0], [0, 90, 100], []),
    ],
)
def test_a_class_goes_that_loses_more_than_half_of_what_the_others_keep(
    gone: list[int], stays: list[int], goes: list[int]
) -> None:
    assert going(np.array(gone), np.array(stays)).tolist() == goes


def parted(where: np.ndarray) -> Split:
    """Let 300 examples of three classes be forgotten or stay; a test set of 90."""
    everything = toys.examples(300, seed=1)
    parts = everything.take(where), everything.take(~where)
    holdout, test = (toys.examples(n, seed=n, first=1000 * n) for n in (150, 90))
    return Split(*parts, holdout, test, 3)


def champion_of(parts: Split, folder: Path) -> Path:
    networks.save(toys.trained(parts), folder / "champion.safetensors")
    return folder / "champion.safetensors"


def test_a_sample_of_what_stays_makes_no_part_of_a_random_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty of each class go and seventy stay, of which ten are looked at."""
    monkeypatch.setattr(candidates, "RETAIN_SAMPLE", 30)
    parts = parted(np.random.default_rng(0).permutation(300) < 90)
    bank = random_bank(parts, np.random.default_rng(0))
    basis = basis_of(champion_of(parts, tmp_path), parts, bank)
    assert len(basis.split.retain) <= 33
    measured = candidates.measure(basis.untouched, candidates.ATTACK)
    assert measured["forget_parts"].value == 1
    assert measured["forgotten_classes"].value == 0


def test_of_a_class_of_which_one_stays_no_retrained_model_is_asked_to_know_it(
    tmp_path: Path,
) -> None:
    """It was refused for the accuracy of that class, the exact one too; now `geometry` asks.

    Beside it, as the model trained without them, the champion with larger logits still knows them.
    """
    labels = toys.examples(300, seed=1).labels
    where = (labels == 0) & (np.arange(300) > 0)
    parts = parted(where)
    bank = random_bank(parts, np.random.default_rng(0))
    champion = champion_of(parts, tmp_path)
    alone = replace(parts, forget=parts.forget.take(np.arange(0)))
    networks.save(toys.trained(alone), tmp_path / "retrained.safetensors")
    gates = (Forgetting(limits_by_size=LIMITS), Geometry(), Utility())
    retrained, larger = tmp_path / "retrained.safetensors", networks.load(champion)
    basis = basis_of(champion, parts, bank, [retrained])
    judged, _ = judge_candidate(retrained, basis, gates, level=LEVEL, exact=True)
    for weights in list(larger.parameters())[-2:]:
        weights.data *= 1.2
    networks.save(larger, tmp_path / "larger.safetensors")
    known, _ = judge_candidate(
        tmp_path / "larger.safetensors", basis, gates[:1], level=LEVEL, exact=False
    )
    assert judged.effect.kind is not Kind.STILL_ANSWERED
    assert known.effect.kind is Kind.STILL_ANSWERED, known.effect.words
    said = {verdict.gate: verdict for verdict in judged.verdicts}
    assert "class_drop/0" not in judged.measured and "class_drop/1" in judged.measured
    assert said["utility"].outcome is not Outcome.FAILED, said["utility"].reason
    assert said["geometry"].outcome is Outcome.INCONCLUSIVE


def test_a_class_that_goes_and_is_harder_than_others_is_no_gain_of_the_champion() -> None:
    """It knows half of class 0 and all of the others, .75 in all, as every shadow does: nothing was
    gained by twice the examples. On the classes that stay it is at 1.00, which was held against
    their .75, so that a candidate could lose .25 * log2(4 / 3) = 10 % of what stays."""
    labels = np.tile([0, 1], 200)
    given = np.where((labels == 0) & (np.arange(400) % 4 == 0), 1, labels)
    groups = np.repeat([Group.FORGET, Group.RETAIN, Group.TEST], [100, 100, 200])
    labels[:200] = np.repeat([0, 1], 100)
    champion = toys.outputs(np.eye(2)[given], labels, list(groups))
    none = ShadowOutputs(np.zeros((8, 100, 2)), np.zeros((8, 100), dtype=bool))
    trial = Trial(champion, champion, none, np.full(8, 0.75), 200.0, 400, np.array([0]))
    measured = {m.name: m for m in utility(trial)}
    assert measured["champion_accuracy"].value == 1
    assert measured["predicted_drop"].value == 0


def test_where_no_test_example_is_of_a_class_that_stays_utility_is_no_number() -> None:
    labels = np.repeat([0, 1, 0], 50)
    groups = np.repeat([Group.FORGET, Group.RETAIN, Group.TEST], 50)
    champion = toys.outputs(np.eye(2)[labels], labels, list(groups))
    none = ShadowOutputs(np.zeros((8, 50, 2)), np.zeros((8, 50), dtype=bool))
    trial = Trial(champion, champion, none, np.full(8, 0.75), 50.0, 100, np.array([0]))
    (said,) = judge({m.name: m for m in utility(trial)}, [Utility()])
    assert said.outcome is Outcome.INCONCLUSIVE and "not a number" in said.reason


LIMITS = [{"examples": 50, "holdout": 50, "auc": 0.6, "tail": 0.1, "fpr": 0.05}]
