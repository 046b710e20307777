"""The shadow bank is completed, or built again, before a run would have to wait for it."""

from __future__ import annotations

from typing import Any

from tasks.running.opened import Opened
from tasks.running.parts import bank_state
from tasks.train import build_bank, recipe_of


def complete(at: Opened) -> dict[str, Any]:
    """Complete the bank, or rebuild it where it lacks what policy asks; else say that it does."""
    state = bank_state(at, recipe_of(at))
    if state is not None and not state.rebuild:
        return {"built": False, "why": "the bank is complete"}
    return {"built": True, **build_bank(at)}
