"""A few people who go together are decided by models that were trained without them.

Whoever saw some of the group answers the rest of it as surely as strangers; whoever saw none of it
finds all of it harder. So a model retrained without them looks like nobody among the shadows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.toys import measurement, outputs
from tests.unit.unlearning.gates.test_gates import FORGETTING
from unlearning.attacks.recalibrated import LiraRecalibrated
from unlearning.domain import Group, Outcome, Outputs, ShadowOutputs, Verdict
from unlearning.gates.groups import MATES
from unlearning.judging.measuring import measure
from unlearning.judging.trial import Trial, exactly

PEOPLE, EACH, STRANGERS, MODELS = 8, 15, 600, 8
FORGET = PEOPLE * EACH
KNOWN, MATES_KNOWN = 2.0, 1.0
"""What having seen a picture adds to its confidence, and having seen mates of its person."""


def trial(*, forgot: bool, apart: bool) -> Trial:
    """A candidate that forgot or did not, of 120 pictures, with a bank of 16 and models apart."""
    rng = np.random.default_rng(0)
    groups = [Group.FORGET] * FORGET + [Group.HOLDOUT] * STRANGERS + [Group.TEST] * 200
    groups += [Group.RETAIN] * 200
    n, whose = len(groups), np.arange(FORGET) // EACH
    labels, hard = np.arange(n) % 2, rng.normal(size=n)

    def answers(saw: np.ndarray, mates: bool) -> np.ndarray:
        """saw: (n,); mates: whether the model knows how pictures of the group look."""
        known = KNOWN * saw + hard + rng.normal(scale=0.4, size=n)
        known[:FORGET] += MATES_KNOWN * mates - MATES_KNOWN
        logits = np.zeros((n, 2))
        logits[np.arange(n), labels] = 1 + known
        return logits.astype(np.float32)

    held = np.arange(n) < FORGET + STRANGERS
    seen = np.zeros((16, n), bool)
    for k in range(16):
        seen[k, :FORGET] = np.isin(whose, rng.permutation(PEOPLE)[: PEOPLE // 2])
    counts = seen.copy()
    counts[::2, FORGET : FORGET + STRANGERS] = rng.random((8, STRANGERS)) < 0.5
    counts[1::2, FORGET : FORGET + STRANGERS] = ~counts[::2, FORGET : FORGET + STRANGERS]
    bank = np.stack([answers(row, mates=True) for row in seen])
    everything, nothing = np.arange(n) < FORGET, np.zeros(n, bool)
    without = np.stack([answers(nothing, mates=False) for _ in range(MODELS)])
    blank = ShadowOutputs(without[:, held], np.zeros((MODELS, held.sum()), bool))

    def shown(logits: np.ndarray) -> Outputs:
        found = outputs(logits, labels, groups)
        people = np.concatenate([whose, np.arange(FORGET, n)])
        return replace(found, subjects=people)

    candidate = answers(nothing, mates=False) if forgot else answers(everything, mates=True)
    return Trial(
        shown(candidate),
        shown(answers(everything, mates=True)),
        ShadowOutputs(bank[:, held], counts[:, held]),
        np.full(16, 0.5),
        2100.0,
        4200,
        np.array([], int),
        apart=blank if apart else None,
    )


def said(*, forgot: bool, apart: bool) -> Verdict:
    known = measure(trial(forgot=forgot, apart=apart), LiraRecalibrated())
    known[MATES] = measurement(MATES, 0.3, 0.05, FORGET)
    known["models_apart"] = exactly("models_apart", MODELS * apart, FORGET)
    return FORGETTING.by_answers().judge(known)


def test_by_shadows_an_honest_retraining_of_a_group_is_undecided() -> None:
    assert said(forgot=True, apart=False).outcome is Outcome.INCONCLUSIVE


def test_by_models_apart_who_forgot_passes_and_who_did_not_fails() -> None:
    """Where one more model lies that saw half was no number, and nobody was decided."""
    honest, pretender = (said(forgot=forgot, apart=True) for forgot in (True, False))
    assert honest.outcome is Outcome.PASSED, honest.reason
    assert pretender.outcome is Outcome.FAILED, pretender.reason


@pytest.mark.parametrize("name", ["mean_score_unseen", "mean_score_half", "mean_score_seen"])
def test_where_one_more_model_lies_is_told_by_who_saw_nothing_and_by_the_bank(name: str) -> None:
    found = measure(trial(forgot=True, apart=True), LiraRecalibrated())[name]
    assert found.low < found.value < found.high
