"""`lethe verify`: a bundle, or the log and what lies beside it, with the public key alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import durable, keys
from ledger.chain import Verification, read_chain
from ledger.checkpoint import checked, name_of, proofs
from ledger.checkpoint import objections as objections_to
from ledger.evidence import STATEMENT
from ledger.keyring import Keyring
from ledger.replay import draws
from ledger.replay.bundles import Bundle, read_bundle
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from tasks.keeping.verified import joined, verify_exported, verify_records
from tasks.running import progress
from unlearning.counting import numbered
from unlearning.digests import sha256_file
from unlearning.errors import UsageError


@dataclass(frozen=True)
class Expected:
    """What whoever verifies expects: a request, a file of weights, an entry that he has seen.

    head: the entry's hash. witness: whose checkpoints the log must hold. since: a checkpoint from
    which on a proof must show that the log only grew.
    """

    request: str | None = None
    candidate: Path | None = None
    head: str | None = None
    witness: str | None = None
    since: Path | None = None


@dataclass(frozen=True)
class Again:
    """That the retraining is to be done again. data: a copy of data/; None: the workspace's."""

    data: Path | None


def verify(
    path: Path,
    bundle: Path | None,
    log: bool,
    key: Path | None,
    expected: Expected,
    again: Again | None = None,
) -> dict[str, Any]:
    """Check a bundle, or a log that was exported or is a workspace's; say what it is about."""
    ws = Workspace.at(path)
    if bundle is None and not log:
        raise UsageError("verify: expected the path of a bundle, or --log")
    if log and (expected.request or expected.candidate):
        raise UsageError("verify: got --log with --request or --candidate, which are of a bundle")
    if expected.witness is not None and not log:
        raise UsageError("verify: got --witness without --log, whose checkpoints a witness has")
    if again and (log or bundle is None):
        raise UsageError("verify: got --replay without a bundle, expected the one to retrain")
    public = keys.load_public_keys(key or ws.public_key)
    if bundle is not None and not log and bundle.is_file():
        return _proof(bundle, public, expected)
    if expected.since is not None:
        raise UsageError("verify: got --since without a proof, expected a file of `log --prove`")
    if bundle is not None and not log:
        found_in = verify_evidence(bundle, public, expected)
        return _replayed(ws, bundle, found_in, again, expected) if again else found_in
    if bundle is not None:
        found = verify_exported(bundle, public, expected.head)
    else:
        found = verify_records(ws, expected.head, key)
    if found.ok and expected.witness is not None:
        content = lines_of(ws).read() if bundle is None else durable.read(bundle)
        found = joined(found, _as_seen(content, public, expected.witness))
    return {"ok": found.ok, "checked": list(found.checked), "problems": list(found.problems)}


def _proof(path: Path, public: Keyring, expected: Expected) -> dict[str, Any]:
    """Check a proof of one entry."""
    content = durable.read(path)
    if not proofs.is_proof(content):
        raise UsageError(
            f"verify: got {path.name}, neither a bundle's folder nor a proof, expected one "
            "of these; with --log, an exported log"
        )
    if expected != Expected(since=expected.since):
        raise UsageError("verify: of a proof expected --key and --since alone")
    kept = None if expected.since is None else checked(durable.read(expected.since), public)
    found = proofs.verify(content, public, kept)
    return {"ok": found.ok, "checked": list(found.checked), "problems": list(found.problems)}


def _replayed(
    ws: Workspace, bundle: Path, found: dict[str, Any], again: Again, expected: Expected
) -> dict[str, Any]:
    """Retrain what a genuine bundle released, and add what came of it."""
    if not found["ok"]:
        return found  # what was altered says nothing of how it was trained
    from flows.cli.progress import bar, counter
    from flows.cli.work.opening import looking
    from tasks.replaying.again import replayed  # torch: verifying alone needs none

    statement = json.loads(durable.read(bundle / STATEMENT))
    opening = looking(ws.root) if again.data is None else nullcontext()
    with opening as at, progress.shown(bar("training"), counter("shadow bank")):
        came = replayed(at, statement, data=again.data, candidate=expected.candidate)
    problems = [*found["problems"], *filter(None, [came.problem])]
    checked = [*found["checked"], f"{came.run}: retrained: {came.outcome}"]
    told = {"ok": not problems, "checked": checked, "problems": problems}
    return {**found, **told, "replay": came.as_record()}


def replay(path: Path, run: str | None) -> dict[str, Any]:
    """Replay one run, or draw and replay what is owed; the outcomes are logged."""
    from flows.cli.work.opening import ready

    with ready(path) as at:
        from tasks.replaying.drawing import replay_drawn, replay_one  # torch

        return replay_drawn(at) if run is None else replay_one(at, run)


def _as_seen(content: bytes, public: Keyring, witness: str) -> Verification:
    """Hold the log against every checkpoint that a witness has; one without any is a problem."""
    from systems.witness.mail import Mail
    from systems.witness.places import witness_at
    from tasks.witness import draws_of, seen

    place, chain = witness_at(witness), read_chain(content, public)
    known, entries = seen(place, public.with_keys(chain.keys)), chain.entries
    problems = objections_to(known, entries) if known else ["witness: has no checkpoint"]
    asked, mine = draws_of(place), name_of(witness)
    problems += draws.unlike(entries, mine, asked)
    given = {one.entries for one in known}
    told = [f"witness: {draws.counted(entries, mine, asked, given)}"] if asked else []
    told += place.passed_over() if isinstance(place, Mail) else ()
    return Verification(
        (f"witness: {numbered(len(known), 'checkpoint', 'checkpoints')}", *told), tuple(problems)
    )


def verify_evidence(folder: Path, public: Keyring, expected: Expected) -> dict[str, Any]:
    """Verify a bundle offline and say what it is about, as the command line prints it."""
    from flows.cli.work.rejudging import judged_again  # scipy: the log needs none

    bundle = read_bundle(folder, public)
    checked, problems = list(bundle.verification.checked), list(bundle.verification.problems)
    if not problems:
        problems += judged_again(bundle, folder)
        tried = numbered(len(bundle.first.statement["attempts"]), "attempt", "attempts")
        checked.append(f"{tried}: judged again")
    problems += _unexpected(bundle, expected)
    return {**_about(bundle), "ok": not problems, "checked": checked, "problems": problems}


def _about(bundle: Bundle) -> dict[str, Any]:
    said = bundle.first.statement
    told = {name: found.statement for name, found in bundle.later.items()}
    erased = told.get("erasure", said)
    last = told.get("completion", erased)
    return {
        "run": said.get("run"),
        "requests": said.get("requests"),
        "decision": said.get("decision"),
        "assurance": last.get("assurance", erased.get("assurance")),
        "purged": last.get("purged", erased.get("purged")),
        "candidate": _candidate(said),
        "sealed_at": said.get("decided_at"),
        "erased_at": told.get("erasure", {}).get("purged_at"),
        "completed_at": told.get("completion", {}).get("completed_at"),
    }


def _candidate(statement: Mapping[str, Any]) -> object:
    found = statement.get("candidate")
    return found.get("sha256") if isinstance(found, dict) else None


def _unexpected(bundle: Bundle, expected: Expected) -> Iterator[str]:
    """Say where a bundle is not the one that was asked about, genuine as it may be."""
    said, head = bundle.first.statement, expected.head
    if expected.request is not None and expected.request not in (said.get("requests") or ()):
        yield f"--request: got {expected.request}, the bundle is on {said.get('requests')}"
    if expected.candidate and (got := _digest(expected.candidate)) != _candidate(said):
        yield f"--candidate: {expected.candidate.name} is {got}, expected {_candidate(said)}"
    parts = [bundle.first, *bundle.later.values()]
    if head is not None and head not in {e.hash for part in parts for e in part.entries}:
        last = parts[-1].entries[-1].hash if parts[-1].entries else "nothing"
        yield f"--head: the bundle's excerpt ends at {last} and has no entry {head}"


def _digest(weights: Path) -> str:
    if not weights.is_file():
        raise UsageError(f"--candidate: {weights.name} is no file, expected the weights")
    return sha256_file(weights)
