"""The first step of a run: it claims its requests, and fixes its policy and its parent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ledger import durable
from ledger.domain import State
from ledger.replay.attempts import Earlier, earlier_attempts
from ledger.replay.judgements import ERROR
from ledger.replay.statements import ABORTED, WITH_STEPS
from systems.data.remote.owner import require_own
from systems.settings.policy import EXACT, load_policy
from tasks import adopt
from tasks.abort import finish_abort, leave_outdated
from tasks.connectors.owing import check_connectors
from tasks.extract import covering_run, erasing_run, find
from tasks.requests.choose import require_all
from tasks.running.champion import sealed_champion
from tasks.running.computing import require_cluster
from tasks.running.opened import Opened, opened
from tasks.running.operator import operator
from tasks.running.parts import finished_bank
from tasks.running.records import utc_now
from tasks.running.run import Run, sweep
from tasks.seal import ERASING
from tasks.train import recipe_of
from unlearning.bank.shadows import load_bank
from unlearning.digests import sha256_hex
from unlearning.errors import InfrastructureError, PolicyError, RequestDenied


def claim_requests(root: str, refs: Sequence[str], policy: Path, method: str | None) -> Run:
    """Claim requests for a run, or find the run that a crash left over them.

    Policy and params are those in force, and hold to the end of the run. `method` restricts the
    ladder to that one method.
    """
    at = opened(root)
    known = at.ledger.unfinished_run(refs)
    if known is None or Run(at, known).done("erased") is None:
        check_connectors(at)  # before anything is written
    sweep(at)
    leave_outdated(at)
    ref = at.ledger.unfinished_run(refs)
    if ref and Run(at, ref).done(ABORTED):
        finish_abort(Run(at, ref))  # a crash came between
        ref = None
    if ref is None:
        _check_before(at, refs, policy, method)
        require_all(at, refs)
        _check_bank(at)
    if ref is None or Run(at, ref).done("erased") is None:
        require_own(at.ws)  # before hours of work whose end would be refused
        require_cluster(at)
    run = Run(at, ref or at.ledger.start_run(refs, now=utc_now()))
    run.once("begun", lambda: _begin(run, policy, method))
    _check_params(run)
    run.move(State.EXTRACTING)
    return run


def _check_bank(at: Opened) -> None:
    """Refuse a bank that was altered before anything is trained for it to judge."""
    if at.params.generator is not None:
        return
    folder = finished_bank(at, recipe_of(at))
    if folder:
        load_bank(folder)


def link_erased(root: str, refs: Sequence[str]) -> list[str]:
    """Let requests whose examples were erased go with the run that did it; give the others."""
    at = opened(root)
    return [ref for ref in refs if not _linked(at, ref)]


def _linked(at: Opened, ref: str) -> bool:
    held = {member for members in at.ledger.unfinished_runs().values() for member in members}
    if ref in held or at.ledger.request(ref).state is not State.ACCEPTED:
        return False
    if at.ledger.lost(ref) is not None:
        return False
    selector = at.ledger.selector(ref)
    ids = find(at.ws, [selector])
    run = erasing_run(at, selector, ids) or covering_run(at, ref, ids)
    if run is not None:
        at.ledger.link(ref, run, now=utc_now())
    return run is not None


def _check_before(at: Opened, refs: Sequence[str], policy: Path, method: str | None) -> None:
    """Refuse what could not go on, before a request is claimed."""
    operator()  # one that cannot be named is found before anything is claimed
    adopt.check_policy(policy, method)
    adopt.content_in_force(at.ledger, policy)
    adopt.content_in_force(at.ledger, at.ws.params, adopt.PARAMS)
    refuse_cut_off(at)
    rules, before = load_policy(policy), _earlier(at, refs, sealed_champion(at).sha256)
    if not rules.rungs(before, method) and not before.left:
        raise RequestDenied(
            f"error: got {before.spent:.2%} spent by candidates of these requests, expected less "
            f"than the {ERROR:.0%} that all may err in together: run it without --method, which "
            "ends in exact retraining"
        )
    if not rules.rungs(before, method):
        raise RequestDenied(
            f"attempts: got {before.attempts} over these requests on this champion, expected fewer "
            f"than the policy's {rules.attempts}: run it without --method, which ends in exact "
            f"retraining, or adopt a policy with more attempts with {adopt.POLICY.how}"
        )


def refuse_cut_off(at: Opened) -> None:
    """InfrastructureError while a run that released something has not erased all it was to.

    So no candidate is made while earlier forgotten examples are still here, and none has to be
    judged on them.
    """
    for others in cut_off(at):
        raise InfrastructureError(
            f"run over {', '.join(others)}: was released and cut off before it erased everything, "
            f"expected it at its end: first run `lethe forget {' '.join(others)}`"
        )


def _earlier(at: Opened, refs: Sequence[str], parent: str) -> Earlier:
    return earlier_attempts(at.ledger.log.entries(), refs, parent, EXACT)


def _check_params(run: Run) -> None:
    """What params.yaml says during a run is what it said at the start."""
    begun, got = run.done("begun") or {}, sha256_hex(run.at.ws.params.read_bytes())
    if got != begun["params"]:
        raise PolicyError(
            f"params.yaml: SHA-256 got {got[:16]}, expected {begun['params'][:16]}, with which "
            f"{run.ref} began: put the file of that name in records/params back, or leave the run "
            f"with `lethe abort {run.ref} --reason TEXT`"
        )


def cut_off(at: Opened) -> tuple[tuple[str, ...], ...]:
    """Give the requests of each run that was sealed as released and has not come to its end.

    Its examples are to go, and nobody may learn from them any more: such a run comes first.
    """
    return tuple(
        requests
        for run, requests in at.ledger.unfinished_runs().items()
        if at.ledger.log.find(f"{run}/sealed") and _decision(at, run) in ERASING
    )


def _decision(at: Opened, run: str) -> str:
    decided = at.ledger.log.find(f"{run}/decided")
    return str(decided.body["decision"]) if decided else ""


def _begin(run: Run, policy: Path, method: str | None) -> dict[str, Any]:
    content = adopt.content_in_force(run.at.ledger, policy)
    params = adopt.content_in_force(run.at.ledger, run.at.ws.params, adopt.PARAMS)
    durable.make_folder(run.folder)
    durable.write(run.folder / "policy.yaml", content)
    champion = sealed_champion(run.at)
    before = _earlier(run.at, run.requests, champion.sha256)
    return {
        "policy": sha256_hex(content),
        "params": sha256_hex(params),
        "method": method,
        "parent": champion.version,
        "parent_sha256": champion.sha256,
        "earlier": asdict(before),
        "level": load_policy(policy).level_after(before, method),
        "operator": operator(),
        "evidence": WITH_STEPS,
    }
