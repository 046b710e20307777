"""Putting a policy into force, and holding a run to the one that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger import adoptions, durable
from ledger.adoptions import Adoption
from ledger.errors import SealAltered
from ledger.requests import Ledger
from systems.settings.checking import read_yaml
from systems.settings.policy import Policy, load_policy
from systems.settings.policy_changes import changes
from systems.settings.workspace import Workspace
from tasks.running.records import utc_now
from unlearning.digests import sha256_hex
from unlearning.errors import IntegrityError, PolicyError, UsageError

HOW = "`lethe policy --adopt FILE --reason TEXT`"


def check_policy(policy: Path, method: str | None) -> None:
    """Build every gate and method of a policy, so that a mistake is found before the run."""
    from unlearning.gates.deployed import check_exporters, forms_of
    from unlearning.judging.verdicts import gates_of
    from unlearning.methods import METHODS

    rules = load_policy(policy)
    check_exporters(forms_of(gates_of(rules.gates)))
    for rung in rules.ladder:
        METHODS.create(rung.method, rung.settings)
    if method is not None:
        METHODS[method]


def adopt(ws: Workspace, ledger: Ledger, policy: Path, reason: str) -> bool:
    """Put a file into force and make it the workspace's policy.yaml; say if that was a change.

    Raises PolicyError for a file that no run could use. reason: for the log, so it names nobody.
    """
    if not reason.strip():
        raise UsageError("--reason: got nothing, expected why the policy changes: it is logged")
    check_policy(policy, None)
    content, _ = read_yaml(policy)
    made = adoptions.adopt(ledger, ws.policies, content, reason=reason, now=utc_now())
    # Last: a policy.yaml that a crash left behind is refused, and adopted by the same command.
    if not ws.policy.is_file() or ws.policy.read_bytes() != content:
        durable.write(ws.policy, content)
    return made is not None


def content_in_force(ledger: Ledger, policy: Path) -> bytes:
    """Give a policy's bytes; PolicyError unless they are the ones in force."""
    content, _ = read_yaml(policy)
    held, got = adoptions.in_force(ledger.log.entries()), sha256_hex(content)
    if held is None:
        raise PolicyError(
            f"{policy.name}: SHA-256 got {got[:16]}, expected a policy in force, but none was "
            f"ever adopted here: adopt it with {HOW}"
        )
    if got != held.sha256:
        raise PolicyError(
            f"{policy.name}: SHA-256 got {got[:16]}, expected {held.sha256[:16]}, the policy in "
            f"force: adopt it with {HOW}, or see `lethe policy`"
        )
    return content


def standing(ledger: Ledger, policy: Path) -> dict[str, Any]:
    """Say which policy a file holds, and whether it is the one in force."""
    digest, held = load_policy(policy).digest, adoptions.in_force(ledger.log.entries())
    return {"sha256": digest, "in_force": held is not None and held.sha256 == digest}


def described(ws: Workspace, ledger: Ledger) -> dict[str, Any]:
    """Show what is in force, since when and why, how policy.yaml differs, and the history."""
    made = adoptions.adoptions(ledger.log.entries())
    held = made[-1] if made else None
    on_disk = sha256_hex(ws.policy.read_bytes()) if ws.policy.is_file() else None
    return {
        "sha256": held and held.sha256,
        "adopted_at": held and held.at,
        "reason": held and held.reason,
        "on_disk": on_disk,
        "on_disk_in_force": held is not None and held.sha256 == on_disk,
        "differs": _differs(ws, held, ws.policy),
        "history": [_told(ws, *pair) for pair in zip([None, *made], made, strict=False)],
    }


def _told(ws: Workspace, before: Adoption | None, after: Adoption) -> dict[str, Any]:
    return {
        "adopted_at": after.at,
        "sha256": after.sha256,
        "reason": after.reason,
        "entry": after.seq,
        "changes": _differs(ws, before, adoptions.kept_at(ws.policies, after.sha256)),
    }


def _differs(ws: Workspace, before: Adoption | None, after: Path) -> list[str]:
    """Give the differences in words, or why they cannot be told."""
    if before is None:
        return []
    try:
        old = load_policy(adoptions.kept(ws.policies, before.sha256))
        return changes(old, load_policy(after))
    except (SealAltered, PolicyError) as problem:
        return [str(problem)]


def problem(ws: Workspace, ledger: Ledger) -> str:
    """Say what is wrong with policy.yaml or with the policies that are kept; "" if nothing is."""
    content_in_force(ledger, ws.policy)
    for made in adoptions.adoptions(ledger.log.entries()):
        adoptions.kept(ws.policies, made.sha256)
    return ""


def own_copy(policy: Path, digest: str) -> Policy:
    """Read a run's copy of its policy; IntegrityError unless the run began with these bytes."""
    found = load_policy(policy)
    if found.digest != digest:
        raise IntegrityError(
            f"{policy.name} of {policy.parent.name}: SHA-256 got {found.digest[:16]}, expected "
            f"{digest[:16]}, with which the run began: restore it from records/policies"
        )
    return found
