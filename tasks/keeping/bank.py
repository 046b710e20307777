"""The shadow bank is completed, or built again, before a run would have to wait for it."""

from __future__ import annotations

from typing import Any

from tasks.running import bases
from tasks.running.opened import Opened
from tasks.running.parts import bank_state
from tasks.train import build_bank, recipe_of


def complete(at: Opened) -> dict[str, Any]:
    """Complete the bank, its bases too, or rebuild it where policy asks; else say that it does."""
    if at.params.generator is not None:
        return {"built": False, "why": "a generator has no bank"}
    recipe = recipe_of(at)
    state, there = bank_state(at, recipe), len(bases.usable(at, recipe))
    if state is not None and not state.rebuild and there >= bases.wanted(at):
        return {"built": False, "why": "the bank is complete"}
    return {"built": True, **build_bank(at)}
