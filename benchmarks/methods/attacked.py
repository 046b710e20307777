"""What membership attacks say of one candidate of the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from unlearning.attacks.loss import Loss
from unlearning.attacks.rmia import RmiaOffline
from unlearning.audits.class_geometry import MiaNn
from unlearning.bank.null_band import null_band
from unlearning.bank.shadows import Bank, load_bank
from unlearning.domain import Group, Outputs, Split
from unlearning.judging.measuring import ATTACK, halves, memorised_tenth, score
from unlearning.statistics.intervals import auc
from unlearning.statistics.signals import log_confidence


@cache
def _bank(folder: Path) -> Bank:
    return load_bank(folder)


def attacked(outputs: Outputs, split: Split, folder: Path | None) -> dict[str, float]:
    """Give the calibrated attack with its interval, the raw one, and the never-in shadows' band.

    `memorised_auc` is the attack on the forget set's most memorised tenth. Without a bank there is
    the raw attack only, against the test examples.
    """
    if folder is None:
        scores = log_confidence(outputs.logits, outputs.labels)
        forgotten, unseen = scores[outputs.of(Group.FORGET)], scores[outputs.of(Group.TEST)]
        return {"loss_auc": auc(forgotten, unseen)}
    part = outputs.take(outputs.of(Group.FORGET) | outputs.of(Group.HOLDOUT))
    shadows = _bank(folder).on(np.concatenate([split.forget.ids, split.holdout.ids]))
    calibrated = score(part, shadows, ATTACK).interval()
    band = null_band(part, shadows, ATTACK)
    found = {
        "forget_auc": calibrated.value,
        "forget_auc low": calibrated.low,
        "forget_auc high": calibrated.high,
        "loss_auc": score(part, shadows, Loss()).interval().value,
        "memorised_auc": memorised_tenth(part, *halves(shadows), ATTACK).value,
        "null low": band.low,
        "null high": band.high,
    }
    return {name: value for name, value in found.items() if not np.isnan(value)}


def rmia(outputs: Outputs, split: Split, folder: Path) -> dict[str, float]:
    """Give RMIA's three AUCs, by shadows that never saw an example, with holdout as non-members.

    FT: forget examples above holdout examples; FR: retain examples above forget examples; RT:
    retain examples above holdout examples. The aim of each is a retrained model's. (AMUN takes
    test examples, of which a bank has no answers.)
    """
    part = outputs.take(~outputs.of(Group.TEST))
    ids = np.concatenate([split.forget.ids, split.retain.ids, split.holdout.ids])
    scores = RmiaOffline().score(part, _bank(folder).on(ids))
    forget, retain, strangers = (
        scores[part.of(group)] for group in (Group.FORGET, Group.RETAIN, Group.HOLDOUT)
    )
    pairs = {"FT": (forget, strangers), "FR": (retain, forget), "RT": (retain, strangers)}
    return {f"rmia {name}": auc(*pair) for name, pair in pairs.items()}


def class_gap(outputs: Outputs, retrained: Sequence[Outputs]) -> dict[str, float]:
    """Give MIA-NN and the total variation of a class forgotten whole, against retrained models.

    Without two of these there is nothing to say.
    """
    if len(retrained) < 2:
        return {}
    found = MiaNn(least=2).measure([outputs], retrained, np.random.default_rng(0))
    return {m.name: m.value for m in found if m.name in ("mia_nn", "class_tv")}
