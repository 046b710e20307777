"""What membership attacks say of one candidate of the comparison."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from unlearning.attacks.loss import Loss
from unlearning.bank.null_band import null_band
from unlearning.bank.shadows import Bank, load_bank
from unlearning.domain import Group, Outputs, Split
from unlearning.judging.measuring import ATTACK, score
from unlearning.statistics.intervals import auc
from unlearning.statistics.signals import log_confidence


@cache
def _bank(folder: Path) -> Bank:
    return load_bank(folder)


def attacked(outputs: Outputs, split: Split, folder: Path | None) -> dict[str, float]:
    """Give the calibrated attack with its interval, the raw one, and the never-in shadows' band.

    Without a bank there is the raw attack only, against the test examples.
    """
    if folder is None:
        scores = log_confidence(outputs.logits, outputs.labels)
        forgotten, unseen = scores[outputs.of(Group.FORGET)], scores[outputs.of(Group.TEST)]
        return {"loss_auc": auc(forgotten, unseen)}
    part = outputs.take(outputs.of(Group.FORGET) | outputs.of(Group.HOLDOUT))
    shadows = _bank(folder).on(np.concatenate([split.forget.ids, split.holdout.ids]))
    calibrated = score(part, shadows, ATTACK).interval()
    band = null_band(part, shadows, ATTACK)
    return {
        "forget_auc": calibrated.value,
        "forget_auc low": calibrated.low,
        "forget_auc high": calibrated.high,
        "loss_auc": score(part, shadows, Loss()).interval().value,
        "null low": band.low,
        "null high": band.high,
    }
