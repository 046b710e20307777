"""The first step of a run: it claims its requests, and fixes its policy and its parent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger import durable
from ledger.domain import State
from tasks import adopt
from tasks.extract import erasing_run, find
from tasks.running.champion import sealed_champion
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.run import Run, sweep
from unlearning.digests import sha256_hex


def claim_requests(root: str, refs: Sequence[str], policy: Path, method: str | None) -> Run:
    """Claim requests for a run, or find the run that a crash left over them.

    The policy is the one in force, and is copied before anything is tried: what it says during the
    run is what it said at the start. `method` replaces the ladder by that one method.
    """
    at = opened(root)
    sweep(at)
    ref = at.ledger.unfinished_run(refs)
    if ref is None:
        adopt.check_policy(policy, method)
        adopt.content_in_force(at.ledger, policy)
        sealed_champion(at)
        ref = at.ledger.start_run(refs, now=utc_now())
    run = Run(at, ref)
    run.once("begun", lambda: _begin(run, policy, method))
    run.move(State.EXTRACTING)
    return run


def link_erased(root: str, refs: Sequence[str]) -> list[str]:
    """Let requests whose examples were erased go with the run that did it; give the others."""
    at = opened(root)
    return [ref for ref in refs if not _linked(at, ref)]


def _linked(at: Opened, ref: str) -> bool:
    held = {member for members in at.ledger.unfinished_runs().values() for member in members}
    if ref in held or at.ledger.request(ref).state is not State.ACCEPTED:
        return False
    selector = at.ledger.selector(ref)
    run = erasing_run(at.ws, selector, find(at.ws, [selector]))
    if run is not None:
        at.ledger.link(ref, run, now=utc_now())
    return run is not None


def _begin(run: Run, policy: Path, method: str | None) -> dict[str, Any]:
    content = adopt.content_in_force(run.at.ledger, policy)
    durable.make_folder(run.folder)
    durable.write(run.folder / "policy.yaml", content)
    champion = sealed_champion(run.at)
    return {
        "policy": sha256_hex(content),
        "params": sha256_hex((run.at.ws.root / "params.yaml").read_bytes()),
        "method": method,
        "parent": champion.version,
        "parent_sha256": champion.sha256,
    }
