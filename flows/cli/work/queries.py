"""The commands that only look: none takes the lock or writes; `verify` needs no workspace."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from flows.cli.work import sending
from flows.cli.work.opening import looked_at
from flows.cli.work.reaching import outside
from flows.cli.work.registered import REGISTERED
from flows.cli.work.standing import all_requests, as_it_stands, listed, unreadable, within_days
from ledger import keys
from ledger.chain import Entry
from ledger.replay.approvals import awaiting
from ledger.replay.judgements import judgements
from ledger.replay.purged import purged_copies
from ledger.replay.statements import ABORTED, ATTESTED, COMPLETED, SEALED
from ledger.replay.upgrades import upgrades
from ledger.requests import DeletionRequest, Ledger
from systems.settings.params import load_params
from systems.settings.policy import load_policy
from systems.settings.quiet import quiet_environment
from systems.settings.receiving import look_into
from systems.settings.restoring import require_finished
from systems.settings.service import load_service
from systems.settings.workspace import Workspace
from tasks import adopt
from tasks.approval.words import as_told
from tasks.backups.keeping import listed as backups_of
from tasks.erasing.serving import also_serving
from tasks.keeping.verified import verify_records
from tasks.replaying import shares
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run, left_out
from unlearning.errors import PolicyError, UsageError


def show(path: Path, request: str) -> dict[str, Any]:
    """Give a request with its history and its sealed bundles."""
    ws = Workspace.at(path)
    with closing(look_into(ws)) as inbox:
        at, request = looked_at(ws), inbox.known_as(request)
        record = as_it_stands(at, inbox, request)
    ledger = at.ledger
    found = ledger.known(request)
    if found is None:
        return {**record, "judgements": 0, "history": [], "runs": []}
    begun = [e.body["run"] for e in ledger.log.entries() if _began(e.event, e.body, request)]
    serving = also_serving(at).get(request, ())
    runs = list(dict.fromkeys([*begun, *([found.run] if found.run else []), *serving]))
    history = [_told(e) for e in ledger.log.entries() if e.body.get("request") == request]
    decided = {run: ledger.log.find(f"{run}/decided") for run in runs}
    tried = [
        {
            "run": run,
            "decision": entry.body["decision"],
            "evidence": str(ws.evidence / run),
            "drift": _drift(ledger, run),
            "not_tried": _not_tried(ledger, run),
            "sealed": _sealed(ledger, run),
            "purged": purged_copies(ledger.log.entries(), run),
        }
        for run, entry in decided.items()
        if entry is not None
    ]
    judged = judgements(ledger.log.entries(), [request]).get(request, 0)
    identity = ledger.identity(request)
    grounds = [one["ground"] for one in history if "ground" in one]
    return {
        **listed(ledger, found),
        **_question(at, found),
        **_upgraded(ledger, request),
        **_cut(ledger, request),
        **({"ground": grounds[-1]} if grounds else {}),
        **({"identity": identity} if identity else {}),
        "judgements": judged,
        "history": history,
        "runs": tried,
    }


def _question(at: Opened, request: DeletionRequest) -> dict[str, Any]:
    """What is asked about a run that a request waits in."""
    run = Run(at, str(request.run))
    found = awaiting(at.ledger.log.entries(), run.ref)
    return {"approval": as_told(run, found)} if found else {}


def _cut(ledger: Ledger, request: str) -> dict[str, Any]:
    """Name the request that this one is a part of, and the parts that were taken from it."""
    whole, parts = ledger.part_of(request), ledger.parts(request)
    told = [{"request": p.ref, "state": str(p.state), "examples": p.examples} for p in parts]
    return ({"part_of": whole} if whole else {}) | ({"parts": told} if told else {})


def _upgraded(ledger: Ledger, request: str) -> dict[str, Any]:
    """Say that what was assured has risen since, and by which run's release."""
    entry = upgrades(ledger.log.entries()).get(request)
    if entry is None:
        return {}
    told = {name: entry.body[name] for name in ("from", "assurance", "by", "version")}
    return {"upgraded": {"at": entry.at, **told}}


def _drift(ledger: Ledger, run: str) -> str | None:
    """Say what was spent of the drift budget when the run began; None if it was not counted."""
    extracted = ledger.log.find(f"{run}/extracted")
    return extracted.body.get("drift", {}).get("words") if extracted else None


def _not_tried(ledger: Ledger, run: str) -> list[str]:
    """Say which rungs the run left out, and why."""
    extracted = ledger.log.find(f"{run}/extracted")
    found = left_out(extracted.body) if extracted else []
    return [f"{one['method']}: {one['why']}" for one in found]


_SAID = (
    "reason",
    "ground",
    "identity",
    "identity_asked",
    "paused",
    "inform_by",
    "reviewer",
    "answer",
)


def _told(entry: Entry) -> dict[str, Any]:
    """What one entry of the log says of a request."""
    said = {name: entry.body[name] for name in _SAID if entry.body.get(name)}
    return {"at": entry.at, "event": entry.event, "state": entry.body.get("state", ""), **said}


def _sealed(ledger: Ledger, run: str) -> dict[str, str | None]:
    """Say when each statement on a run was sealed, and when the run was given up, if it was."""
    steps = {"decision": SEALED, "erasure": ATTESTED, "completion": COMPLETED, "aborted": ABORTED}
    entries = {name: ledger.log.find(f"{run}/{step}") for name, step in steps.items()}
    return {name: None if entry is None else entry.at for name, entry in entries.items()}


def _began(event: str, body: Any, request: str) -> bool:
    return event == "run_started" and request in body["requests"]


def list_(path: Path, what: str, due: str | None) -> dict[str, Any]:
    """List one kind of thing."""
    ws = Workspace.at(path)
    if what == "requests":
        within = within_days(due)
        return {"requests": all_requests(ws, within, utc_now())}
    if what == "versions":
        problem = _failure(lambda: _champion_problem(looked_at(ws)))
        found = _versions(ws)
        return {**found, "problem": problem} if problem else found
    if what == "backups":
        return {what: backups_of(looked_at(ws))}
    if what not in REGISTERED:
        kinds = ", ".join(["requests", "versions", "backups", *REGISTERED])
        raise UsageError(f"list: got {what!r}, expected one of {kinds}")
    return {what: REGISTERED[what]()}


def _versions(ws: Workspace) -> dict[str, Any]:
    """Give the versions that Lethe registered, and a line on each other of the same name."""
    from ledger.replay.lineage import releases
    from systems.registry import models
    from tasks.versions.descent import family
    from tasks.versions.held import unregistered
    from tasks.versions.taint import tainted_by

    quiet_environment()
    at = looked_at(ws)
    rows = [
        {
            "version": found.version,
            "sha256": found.sha256,
            "aliases": list(found.aliases),
            "run": found.tags.get("lethe.run"),
            "verdict": found.tags.get("lethe.verdict"),
            "tainted": bool(by := tainted_by(at, found.version, found.sha256)),
            "by": by,
        }
        for found in models.versions(ws.mlruns, load_params(ws.root).model.name)
    ]
    made = releases(at.ledger.log.entries())
    found = family(at, made)
    below, notes = found.as_listed(made), [*unregistered(at), *found.unknown]
    told = {"versions": rows} | ({"descendants": below} if below else {})
    return told | ({"notes": notes} if notes else {})


def doctor(path: Path) -> dict[str, Any]:
    """Check what a workspace needs, each with a hint if it is wrong."""
    quiet_environment()
    checks = [
        {"name": name, "ok": not problem, "hint": problem or ""}
        for name, problem in _examinations(Workspace.at(path))
    ]
    return {"ok": all(check["ok"] for check in checks), "checks": checks}


def _examinations(ws: Workspace) -> Iterator[tuple[str, str]]:
    old = sys.version_info < (3, 11)
    yield "python", "use Python 3.11 or later" if old else ""
    yield "git", "" if shutil.which("git") else "install git"
    free = shutil.disk_usage(ws.root if ws.root.exists() else Path.home()).free / 2**30
    yield "disk", "" if free > 2 else f"only {free:.1f} GiB free, make room for at least 2"
    whole = ws.has_log and not ws.beginning.exists()
    hint = "" if whole else "run `lethe init` here; if it was cut off, it goes on"
    yield "workspace", hint or _failure(lambda: require_finished(ws))
    if not ws.has_log:
        return
    at = looked_at(ws)
    yield "places", _failure(ws.require_whole)
    yield "keys", _failure(lambda: "; ".join([*keys.check_keys(ws.keys), *_lost_requests(at)]))
    yield "sources", _failure(lambda: sending.problem(at))
    yield "inbox", _failure(lambda: "; ".join(unreadable(ws)))
    yield "log", _failure(lambda: "; ".join(verify_records(ws, None).problems))
    yield "replays", _failure(lambda: shares.problem(at.ledger.log.entries()))
    yield "settings", _failure(lambda: _settings_problem(ws))
    yield "policy", _failure(lambda: adopt.problem(ws, at.ledger))
    yield "params", _failure(lambda: adopt.problem(ws, at.ledger, adopt.PARAMS))
    yield "data", _failure(lambda: _data_problem(at))
    yield "champion", _failure(lambda: _champion_problem(at))
    yield "versions", _failure(lambda: _versions_problem(at))
    yield "bank", _failure(lambda: _bank_problem(at))
    yield "bases", _failure(lambda: _bases_problem(at))
    for name, check in outside(ws):
        yield name, _failure(check)
    yield from _connectors(at)


def _connectors(at: Opened) -> Iterator[tuple[str, str]]:
    """Reach for every place outside that service.yaml names."""
    from tasks.connectors.owing import problem

    try:
        named = load_service(at.ws.root).connectors
    except PolicyError:  # which `settings` tells
        return
    for one in named:
        yield f"connector {one.name}", _failure(partial(problem, at, one))


def _failure(check: Callable[[], str | None]) -> str:
    try:
        return check() or ""
    except Exception as problem:  # noqa: BLE001  # whatever it is, the doctor reports it
        return " ".join(str(problem).split()) or type(problem).__name__


def _lost_requests(at: Opened) -> Iterator[str]:
    """Open requests of which nobody can tell any more what they ask for."""
    ledger = at.ledger
    for request in ledger.requests(None, utc_now()):
        if not request.state.terminal and (why := ledger.lost(request.ref)):
            yield why


def _settings_problem(ws: Workspace) -> str:
    load_params(ws.root)
    load_policy(ws.policy)
    load_service(ws.root)
    return ""


def _data_problem(at: Opened) -> str:
    from systems.data import loading
    from tasks.running.standing import check_nobody_is_back, check_standing, told

    check_standing(at.ws, at.ledger)
    loading.verify(at.ws)
    check_nobody_is_back(at.ws, told(at.ledger).erasing)
    return ""


def _champion_problem(at: Opened) -> str:
    from tasks.running.champion import sealed_champion

    sealed_champion(at)
    return ""


def _versions_problem(at: Opened) -> str:
    from tasks.versions.held import unregistered

    return " ".join(unregistered(at))


def _bases_problem(at: Opened) -> str:
    """Absent ones are built by the flow `bank`."""
    from tasks.running.bases import altered

    found = altered(at)
    return f"{found} are not the bytes that the log vouches for: remove them" if found else ""


def _bank_problem(at: Opened) -> str:
    """A bank that is not there yet is built when it is needed."""
    from tasks.running.parts import bank_state
    from tasks.train import recipe_of

    state = None if at.params.generator else bank_state(at, recipe_of(at))
    return f"{state.rebuild}: run `lethe train --shadows K`" if state and state.rebuild else ""
