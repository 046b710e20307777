"""Requests of a workspace that is held are served in one run, by command or by deployment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tasks.requests.waiting import chosen, servable
from tasks.running.opened import Opened


def served(
    at: Opened,
    requests: Sequence[str],
    *,
    everything: bool,
    policy: Path | None = None,
    method: str | None = None,
    within: bool = False,
) -> dict[str, Any]:
    """Serve requests of a workspace that is held, or everything that waits.

    within: a flow that is under way, whose steps these are; else it is a flow run of its own.
    """
    refs = chosen(at.ledger, requests, everything=everything)
    from flows.forget import forget as forget_flow

    work = forget_flow.fn if within else forget_flow
    rules = str((policy or at.ws.policy).resolve())
    _finish_others(at, refs, lambda others: work(at.root, others, rules, None))
    refs, left = servable(at, refs) if everything else (refs, [])
    found: dict[str, Any] = work(at.root, refs, rules, method)
    return {**found, "left": left}


def _finish_others(at: Opened, refs: Sequence[str], work: Callable[[list[str]], object]) -> None:
    """Bring what was released and cut off to its end first: its people are not learned from."""
    from tasks.claim import cut_off

    for others in cut_off(at):
        if set(others) != set(refs):
            work(sorted(others))
