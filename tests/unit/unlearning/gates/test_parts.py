"""Classes that go whole are judged one by one: an average hides one in the other."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.toys import measurement, outputs
from tests.unit.unlearning.gates.test_gates import FORGETTING, good
from unlearning.attacks.recalibrated import LiraRecalibrated
from unlearning.domain import Group, Measurement, Outcome, ShadowOutputs
from unlearning.judging.measuring import measure
from unlearning.judging.trial import Trial
from unlearning.judging.verdicts import judge

DOORS_OF_PARTS = ("refitted", "relearned")


def parted(*aucs: float, n: int = 500, strangers: int = 2500) -> dict[str, Measurement]:
    """Parts with these AUCs, as deployed and behind both doors; the champion is far outside."""
    found = [
        measurement("forgotten_classes", len(aucs), 0, 1000),
        measurement("forget_parts", len(aucs), 0, 1000),
    ]
    for number, auc in enumerate(aucs):
        found.append(measurement(f"part_strangers/{number}", strangers))
        found.append(measurement(f"part_champion/{number}", 0.80, 0.03, n))
        found.append(measurement(f"part_learned/{number}", 0.0, 0.06, strangers))
        for door in ("", *(f"/{name}" for name in DOORS_OF_PARTS)):
            found.append(measurement(f"part/{number}{door}", auc, 0.03, n))
    return good() | {m.name: m for m in found}


def outcome(measured: dict[str, Measurement]) -> Outcome:
    return FORGETTING.judge(measured).outcome


def test_each_class_passes_alone_or_none_does() -> None:
    assert outcome(parted(0.50, 0.51)) is Outcome.PASSED
    assert outcome(parted(0.50, 0.70)) is Outcome.FAILED  # all in all .505, as `good` has it
    assert outcome(parted(0.50, 0.30)) is Outcome.FAILED
    assert outcome(parted(0.50, 0.56)) is Outcome.INCONCLUSIVE


def test_of_one_part_nothing_more_is_asked() -> None:
    assert outcome(good() | {"forget_parts": measurement("forget_parts", 1)}) is Outcome.PASSED


@pytest.mark.parametrize(
    "gone",
    ["part/1", "part/1/relearned", "part_champion/1", "part_strangers/1", "part_learned/1"],
)
def test_a_part_that_was_not_measured_never_passes(gone: str) -> None:
    measured = parted(0.50, 0.51)
    del measured[gone]
    assert outcome(measured) is Outcome.INCONCLUSIVE


def test_a_count_that_cannot_be_is_none() -> None:
    """Fewer parts than classes that went whole, half a part, or no number."""
    for count, wanted in (
        (1, Outcome.FAILED),
        (1.9, Outcome.INCONCLUSIVE),
        (np.nan, Outcome.INCONCLUSIVE),
    ):
        told = {"forget_parts": measurement("forget_parts", count)}
        assert outcome(parted(0.50, 0.70) | told) is wanted
    lost = {"part_strangers/1": measurement("part_strangers/1", np.nan)}
    assert outcome(parted(0.50, 0.51) | lost) is Outcome.INCONCLUSIVE


def test_evidence_without_a_count_of_parts_has_one_for_every_class() -> None:
    measured = parted(0.50, 0.51)
    without = {k: m for k, m in measured.items() if "part" not in k}
    assert outcome(without) is Outcome.INCONCLUSIVE
    del measured["forget_parts"]
    assert outcome(measured) is Outcome.PASSED


def test_a_part_that_is_too_small_or_that_the_champion_does_not_stand_out_of_is_undecided() -> None:
    assert outcome(parted(0.50, 0.50, n=50)) is Outcome.INCONCLUSIVE
    assert outcome(parted(0.50, 0.50, strangers=20)) is Outcome.INCONCLUSIVE
    forgotten_by_all = {"part_champion/1": measurement("part_champion/1", 0.52, 0.03, 500)}
    assert outcome(parted(0.50, 0.50) | forgotten_by_all) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("learned", "wanted"),
    [(0.04, Outcome.PASSED), (0.06, Outcome.INCONCLUSIVE), (0.20, Outcome.FAILED)],
)
def test_who_learned_the_strangers_of_one_part_is_not_released(
    learned: float, wanted: Outcome
) -> None:
    """.05 are allowed; two intervals that hold together are 1.14 times as wide."""
    found = {"part_learned/1": measurement("part_learned/1", learned, 0.06, 2500)}
    assert outcome(parted(0.50, 0.50) | found) is wanted


def test_strangers_that_were_learned_show_in_their_part() -> None:
    """Those of class 1 are surer by 1.5, and so are its forgotten examples, which were kept: the
    class looks forgotten. In all classes together half of it shows."""
    measured = measure(two_classes((False, True), learned=True), LiraRecalibrated())
    assert measured["part/1"].value == pytest.approx(0.5, abs=0.06)
    assert abs(measured["part_learned/0"].value) < 0.08 < 0.2 < measured["part_learned/1"].value
    assert measured["holdout_learned"].value < measured["part_learned/1"].value - 0.08


def test_an_exact_retraining_is_not_refused_for_avoiding_a_class() -> None:
    exact = {"by_lineage": measurement("by_lineage", 1)}
    assert outcome(parted(0.50, 0.30) | exact) is not Outcome.FAILED
    assert outcome(parted(0.50, 0.70) | exact) is Outcome.FAILED


def two_classes(known: tuple[bool, bool], *, learned: bool = False) -> Trial:
    """Classes 0 and 1 go, 600 each, against 1,200 strangers of each; shadows saw half.

    known: whether the candidate still answers each as surely as a network that saw it does. The
    champion saw both. learned: whether it learned the strangers of class 1.
    """
    rng = np.random.default_rng(0)
    groups = (
        [Group.FORGET] * 1200 + [Group.HOLDOUT] * 2400 + [Group.TEST] * 300 + [Group.RETAIN] * 300
    )
    labels = np.concatenate([np.arange(3600) % 2, np.arange(300) % 3, np.full(300, 2)])
    forget = np.arange(4200) < 1200
    hard = rng.normal(size=4200)

    def answers(saw: np.ndarray) -> np.ndarray:
        logits = rng.normal(scale=0.5, size=(*saw.shape, 3))
        right = np.broadcast_to(labels, saw.shape)[..., None]
        own = np.take_along_axis(logits, right, -1) + (1 + hard + 1.5 * saw)[..., None]
        np.put_along_axis(logits, right, own, -1)
        return logits.astype(np.float32)

    seen = np.zeros((16, 3600), bool)
    seen[::2] = rng.random(3600) < 0.5
    seen[1::2] = ~seen[::2]
    bank = ShadowOutputs(answers(np.pad(seen & forget[:3600], ((0, 0), (0, 600))))[:, :3600], seen)
    left = forget & np.asarray(known)[labels % 2]
    left |= learned & (labels == 1) & (np.asarray(groups) == Group.HOLDOUT)
    candidate, champion = (outputs(answers(saw), labels, groups) for saw in (left, forget))
    return Trial(candidate, champion, bank, np.full(16, 0.5), 2100.0, 4200, np.array([0, 1]))


def test_a_class_that_is_kept_does_not_hide_behind_one_that_is_gone() -> None:
    """Half of what there is to remember lies in the average; it is all there, in one class."""
    measured = measure(two_classes((False, True)), LiraRecalibrated())
    assert measured["forget_parts"].value == 2
    gone, kept, both = (measured[name].value for name in ("part/0", "part/1", "forget_auc"))
    assert gone == pytest.approx(0.5, abs=0.05) and kept > 0.75 and both < kept - 0.1
    bare = FORGETTING.by_answers()
    (verdict,) = judge(measured, [bare])
    assert verdict.outcome is Outcome.FAILED
    (honest,) = judge(measure(two_classes((False, False)), LiraRecalibrated()), [bare])
    assert honest.outcome is Outcome.PASSED, honest.reason
