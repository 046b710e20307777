"""The commands that change something: each opens the workspace under its lock and calls a flow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flows.cli.progress import bar, counter
from ledger.deadlines import profile_of
from ledger.domain import Selector, State
from ledger.lock import workspace_lock
from ledger.requests import Ledger
from systems.data.texts import KINDS
from systems.registry import models
from systems.settings import beginning
from systems.settings.params import change_params, load_params
from systems.settings.quiet import quiet_environment
from systems.settings.workspace import Workspace, make_private, private
from tasks import adopt as adopting
from tasks.running import progress
from tasks.running.champion import sealed_champion
from tasks.running.opened import Opened, opened
from tasks.running.records import as_record, utc_now
from unlearning.errors import InfrastructureError, UsageError

EARLIEST_YEAR = 2000
"""No request under today's laws was received before; a year such as 0026 is mistyped."""


@contextmanager
def working(path: Path) -> Iterator[Opened]:
    """Hold an existing workspace for one command."""
    quiet_environment()
    ws = Workspace.at(path)
    if not ws.records.is_dir():
        raise UsageError(f"{ws.root.name}: is no workspace, expected one: run `lethe init` there")
    if not os.access(ws.records, os.W_OK):
        raise InfrastructureError(
            f"{ws.root.name}: is read-only, expected a workspace that can be written; "
            "make it writable and try again"
        )
    if beginning.begun(ws):
        raise UsageError(
            f"{ws.root.name}: `lethe init` did not come to its end here, expected a whole "
            "workspace: run it again, it goes on"
        )
    make_private(ws)
    with held(ws):
        yield opened(str(ws.root))


@contextmanager
def held(ws: Workspace) -> Iterator[None]:
    """Hold a workspace's lock, and show the progress of what is done."""
    epochs, bank = bar("training"), counter("shadow bank")
    with private(), workspace_lock(ws.records / "lock"), progress.shown(epochs, bank):
        yield


@contextmanager
def ready(path: Path) -> Iterator[Opened]:
    """Hold a workspace whose settings can be used.

    What is wrong in params.yaml is said before anything heavy is imported, which takes seconds; so
    a command's own imports stand inside.
    """
    with working(path) as at:
        load_params(at.ws.root)
        yield at


def selector_of(
    subject: Sequence[str] | None,
    example: Sequence[str] | None,
    class_: Sequence[str] | None,
    where: str | None,
) -> Selector:
    """Read what is to be forgotten; exactly one way of saying it."""
    given = [option for option in (subject, example, class_, where) if option]
    if len(given) != 1:
        raise UsageError(
            f"submit: got {len(given)} of --subject, --example, --class, --where; expected one"
        )
    if subject:
        return Selector("subject", tuple(subject))
    if example:
        return Selector("example", tuple(example))
    if class_:
        return Selector("class", tuple(class_))
    column, equals, value = str(where).partition("=")
    if not (column and equals and value):
        raise UsageError("--where: got something else, expected COLUMN=VALUE")
    return Selector("where", (value,), column)


def submit(
    path: Path,
    selector: Selector,
    received_at: str | None,
    jurisdiction: str,
    key: str | None,
    *,
    as_written: bool = False,
) -> dict[str, Any]:
    """Record a request as accepted, or as denied with its reason.

    Values that look like one of the data and are none are asked about, unless meant as_written.
    """
    received = _moment(received_at, profile_of(jurisdiction).zone)
    with working(path) as at:
        from tasks.extract import erasing_run, find, refusal
        from unlearning.domain import SPLITS

        ids = find(at.ws, [selector])
        if ids["alike"] and not as_written:
            _refuse_alike(len(ids["alike"]), len(selector.values))
        request = at.ledger.submit(
            selector,
            received_at=received,
            jurisdiction=jurisdiction,
            idempotency_key=key,
            examples=sum(len(ids[part]) for part in SPLITS),
            now=utc_now(),
            denial=refusal(at, ids),
            erased_by=erasing_run(at.ws, selector, ids),
        )
        if request.state is State.PURGING:
            from tasks.purge import (
                finish_linked,  # torch: seconds that other requests need not wait
            )

            finish_linked(at, [request.ref])
        return {**as_record(at.ledger.request(request.ref)), "unknown": len(ids["unknown"])}


def _refuse_alike(alike: int, count: int) -> None:
    """A request must not miss what its sender meant; what it named is not shown."""
    raise UsageError(
        f"submit: for {alike} of {count} values the data has another that differs only by "
        f"{KINDS}, expected the data's own way of writing; nothing was recorded: write it so, name "
        "both, or say --as-written if the other is not meant"
    )


def _moment(text: str | None, zone: ZoneInfo) -> datetime:
    """Read a time; one that names no zone is a time where the law counts its days."""
    if text is None:
        return utc_now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise UsageError(
            f"--received-at: got {text!r}, expected ISO 8601 such as 2026-01-31T09:00:00Z"
        ) from problem
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    if moment.year < EARLIEST_YEAR or moment.year > utc_now().year + 1:
        raise UsageError(
            f"--received-at: got {text!r}, expected a day since {EARLIEST_YEAR} and not in the "
            "future: correct the year"
        )
    return moment


def plan(path: Path, requests: Sequence[str]) -> dict[str, Any]:
    """Say what serving requests would touch and cost."""
    with ready(path) as at:
        from tasks.plan import plan_of

        refs = _chosen(at.ledger, requests, everything=not requests)
        used = adopting.standing(at.ledger, at.ws.policy)
        return {**plan_of(at, refs, at.ws.policy), "policy": used}


def forget(
    path: Path, requests: Sequence[str], everything: bool, policy: Path | None, method: str | None
) -> dict[str, Any]:
    """Run the flow over requests; over those that a killed run holds, it goes on with that run."""
    with ready(path) as at:
        refs = _chosen(at.ledger, requests, everything=everything)
        from flows.forget import forget as forget_flow

        chosen = str((policy or at.ws.policy).resolve())
        _finish_others(at, refs, lambda others: forget_flow(at.root, others, chosen, None))
        found: dict[str, Any] = forget_flow(at.root, refs, chosen, method)
        return found


def abort(path: Path, run: str, reason: str) -> dict[str, Any]:
    """Give the requests of an unfinished run back."""
    from tasks.abort import abort as abort_run

    with working(path) as at:
        return abort_run(at, run, reason)


def _finish_others(at: Opened, refs: Sequence[str], work: Callable[[list[str]], object]) -> None:
    """Bring what was released and cut off to its end first: its people are not learned from."""
    from tasks.claim import cut_off

    for others in cut_off(at):
        if set(others) != set(refs):
            work(sorted(others))


def _chosen(ledger: Ledger, requests: Sequence[str], *, everything: bool) -> list[str]:
    if bool(requests) == everything:
        raise UsageError("got no requests, or requests and --all; expected references, or --all")
    if requests:
        return sorted(set(requests))
    for held in ledger.unfinished_runs().values():
        return sorted(held)  # first things first: go on with the run that was cut off
    accepted = [r.ref for r in ledger.requests(None, utc_now()) if r.state is State.ACCEPTED]
    if not accepted:
        raise UsageError("no request is accepted and waiting; see `lethe list requests`")
    return accepted


def judge(
    path: Path, request: str, candidate: Path | None, version: int | None, policy: Path | None
) -> dict[str, Any]:
    """Judge a file or a registered version by a request; it counts as made elsewhere."""
    if (candidate is None) == (version is None):
        raise UsageError("judge: expected either --candidate FILE or --version N")
    with ready(path) as at:
        from tasks.judge import judge_for

        name = at.params.model.name
        weights = candidate or models.verified(models.version(at.ws.mlruns, name, version or 0))
        chosen = policy or at.ws.policy
        found = judge_for(at, request, weights, chosen)
        return {**found, "policy": adopting.standing(at.ledger, chosen)}


def adopt(path: Path, file: Path, reason: str, kind: adopting.Kind) -> dict[str, Any]:
    """Put a file into force and show what is; adopting what is in force already logs nothing."""
    with working(path) as at:
        changed = adopting.adopt(at.ws, at.ledger, file, reason, kind)
        return {"adopted": changed, **adopting.described(at.ws, at.ledger, kind)}


def purge(path: Path, request: str | None) -> dict[str, Any]:
    """Go on with the purging of a request, or of all that are at it."""
    with ready(path) as at:
        from tasks.purge import finish_linked, finish_purging

        if request is None:
            known = at.ledger.requests(None, utc_now())
            refs = [r.ref for r in known if r.state is State.PURGING]
            copies = finish_linked(at, refs)
            return {"requests": [as_record(at.ledger.request(r)) for r in refs], "copies": copies}
        found = at.ledger.request(request)
        if found.state not in (State.PURGING, State.COMPLETE):
            raise UsageError(f"request {request}: is {found.state}, expected purging; forget first")
        if held := at.ledger.unfinished_runs().get(found.run or ""):
            raise UsageError(
                f"request {request}: its run {found.run} was cut off and may not have erased "
                f"anything yet, expected one that came to its end: go on with it: "
                f"`lethe forget {' '.join(held)}`"
            )
        copies = finish_purging(at, [request]) if found.state is State.PURGING else []
        return {**as_record(at.ledger.request(request)), "copies": copies}


def train(path: Path, without: str | None, shadows: int | None, seed: int | None) -> dict[str, Any]:
    """Train a network to compare with, or complete the bank."""
    if shadows is not None and without is not None:
        raise UsageError("train: got --without and --shadows, expected one of them")
    with ready(path) as at:
        from tasks import train as originals
        from tasks.extract import find
        from unlearning.domain import TRAIN

        if shadows is not None:
            sealed_champion(at)
            originals.require_cluster(at)
            change_params(at.ws.root, {"bank.shadows": shadows})
            reason = f"lethe train --shadows {shadows}"
            adopting.adopt(at.ws, at.ledger, at.ws.params, reason, adopting.PARAMS)
            return originals.build_bank(opened(at.root))
        ids = find(at.ws, [at.ledger.selector(without)])[TRAIN] if without else []
        made = originals.train(at, without=ids, seed=seed)
        record = made.as_record()
        return {"model": record.pop("weights"), **record}


def audit(
    path: Path, request: str, candidate: Path | None, version: int | None, models: int
) -> dict[str, Any]:
    """Hold the workspace and audit; nothing is decided."""
    with ready(path) as at, progress.shown(bar("training"), counter("audits", "audits")):
        from flows.audit import audit as audit_flow

        found: dict[str, Any] = audit_flow(at.root, request, candidate, version, models)
        return found


def tune(
    path: Path,
    method: str,
    class_name: str | None,
    examples: int | None,
    *,
    limits: tuple[int, float],
    seed: int,
) -> dict[str, Any]:
    """Tune a method within `limits`: trials, and retrainings' worth of passes."""
    shown = counter("tuning", "trials")
    with ready(path) as at:
        from systems.compute.search import Limits
        from tasks import tune as steps

        return steps.tune(
            at,
            method,
            steps.Rehearsal(class_name, examples),
            Limits(*limits),
            seed,
            lambda done, total, record: shown(done, total),
        )
