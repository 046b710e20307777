"""What serving some requests would do to the drift of the champion, held against its budget."""

from __future__ import annotations

from typing import Any

from ledger.replay.drift import drift_of
from systems.data import loading
from systems.settings.policy import EXACT, Policy
from tasks.running.opened import Opened
from unlearning.domain import TRAIN


def drift_told(at: Opened, parent: int, rules: Policy, forgets: int) -> dict[str, Any]:
    """Give what is spent and left of the budget when `forgets` training examples are to go.

    parent: the version to unlearn from.
    """
    spent = drift_of(at.ledger.log.entries(), parent, EXACT)
    return rules.drift.told(spent, forgets, loading.counts(at.ws)[TRAIN])
