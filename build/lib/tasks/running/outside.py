"""Which failures pass by themselves, so that a step is worth trying again."""

from __future__ import annotations

from ledger.errors import WorkspaceBusy
from systems.registry.models import StaleChampion
from unlearning.errors import InfrastructureError


def may_recover(problem: BaseException) -> bool:
    """Whether an outside system may answer soon; a champion that changed stays changed."""
    lasting = (StaleChampion, WorkspaceBusy)
    return isinstance(problem, InfrastructureError) and not isinstance(problem, lasting)
