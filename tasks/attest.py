"""What comes after the release is stated once it has happened: the erasure, and its completion.

The first statement on a run is sealed before anything is erased, so it cannot say that anything
was. Each later one lies in a folder of its own in the run's bundle, with its part of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger import durable, evidence
from ledger.chain import Entry
from ledger.domain import State
from ledger.intoto.statements import after_release, write
from ledger.keys import load_signing_key
from ledger.replay.bundles import TYPES, type_of
from ledger.replay.purged import AFTER_A_LOOK, as_stated, assured, standing, told, versions_gone
from ledger.replay.statements import ATTESTED, COMPLETED, WITH_STEPS, Journal, looked_at
from ledger.replay.upgrades import UPGRADED, due, upgraded_by
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from unlearning.digests import sha256_file
from unlearning.domain import Decision
from unlearning.errors import IntegrityError


def attest_erasure(run: Run) -> dict[str, Any]:
    """Seal a second statement: what was suppressed, erased and purged, by the log."""
    return run.once(ATTESTED, lambda: _attest_erasure(run))


def _attest_erasure(run: Run) -> dict[str, Any]:
    decided, purged = _entry(run, "decided"), _entry(run, "purged")
    sealed = (run.done("sealed") or {})["statement"]
    known = standing(purged.body["copies"])
    assurance = assured(decided.body["decision"], decided.body["assurance"], known)
    said = {
        "before": sealed,
        "assurance": assurance,
        "suppressed": run.done("suppressed"),
        "erased": run.done("erased"),
        "expected_erased": run.done("expected-erased"),
        "promoted": run.done("promoted"),
        "copies": purged.body["copies"],
        "purged": known,
        "purged_at": purged.at,
    }
    return {
        "assurance": assurance,
        "statement": _seal(run, evidence.ERASURE, said, decided, purged),
    }


def erased_assurance(at: Opened, run: str | None) -> str:
    """Say what is assured of examples that a run erased: A1 unless a copy of them is in doubt."""
    return str(assured(Decision.PURGE, None, told(at.ledger.log.entries(), run)))


def attest_completions(at: Opened) -> None:
    """Seal a last statement on each run whose requests are all complete; done again, nothing."""
    for entry in at.ledger.log.entries():
        run, _, step = entry.key.rpartition("/")
        if step == ATTESTED and at.ledger.log.find(f"{run}/{COMPLETED}") is None:
            _complete(Run(at, run))


def _complete(run: Run) -> None:
    requests = [run.at.ledger.request(ref) for ref in run.requests]
    if any(request.state is not State.COMPLETE for request in requests):
        return
    run.once(COMPLETED, lambda: _attest_completion(run))


def _attest_completion(run: Run) -> dict[str, Any]:
    closed = {str(e.body["request"]): e for e in run.at.ledger.log.entries() if _closes(e, run)}
    last = max(closed.values(), key=lambda entry: entry.seq)
    purged, decided = _entry(run, "purged"), run.done("decided") or {}
    entries = [e for e in run.at.ledger.log.entries() if purged.seq <= e.seq <= last.seq]
    known = told(entries, run.ref)
    said: dict[str, Any] = {
        "before": (run.done(ATTESTED) or {})["statement"],
        "assurance": assured(decided["decision"], decided["assurance"], known),
        "purged": known,
        "confirmed": as_stated(entries, run.ref),
        "completed_at": {ref: entry.at for ref, entry in closed.items()},
    }
    if (kind := type_of(evidence.COMPLETION, Journal(run.ref, entries))) == AFTER_A_LOOK:
        whole = run.at.ledger.log.entries()[: last.seq]
        said |= {
            "type": kind,
            "looked_at": looked_at(entries, run.ref, run.requests),
            "versions": versions_gone(whole, run.ref),
        }
    return {"statement": _seal(run, evidence.COMPLETION, said, purged, last)}


def tell_upgrades(at: Opened) -> None:
    """Let the log tell of each request whose assurance has risen since; done again, nothing."""
    for one in due(at.ledger.log.entries()):
        at.ledger.record(UPGRADED, one.body(), key=one.key, now=utc_now())


def upgraded(run: Run) -> list[str]:
    """Name the earlier requests of which a run's release now assures more."""
    return upgraded_by(run.at.ledger.log.entries(), run.ref)


def _closes(entry: Entry, run: Run) -> bool:
    complete = entry.event == "moved" and entry.body["state"] == State.COMPLETE
    return complete and entry.body["request"] in run.requests


def _seal(run: Run, name: str, said: Mapping[str, Any], first: Entry, last: Entry) -> str:
    """Seal a statement with the log from one entry to another, which is its head."""
    folder = run.bundle / name
    if (folder / evidence.SIGNATURE).exists():
        return sha256_file(folder / evidence.STATEMENT)
    durable.make_folder(folder)
    entries = [e for e in run.at.ledger.log.entries() if first.seq <= e.seq <= last.seq]
    durable.write(folder / evidence.EXCERPT, b"".join(entry.line() for entry in entries))
    key = load_signing_key(run.at.ws.keys)
    if name == evidence.ERASURE and (run.done("begun") or {}).get("evidence") == WITH_STEPS:
        whole = run.at.ledger.log.entries()[: last.seq]
        write(folder, after_release(run.ref, whole, first.seq), key)
    statement = {
        "type": TYPES[name],
        "run": run.ref,
        "requests": list(run.requests),
        "evidence": (run.done("sealed") or {})["statement"],
        "log_head": last.hash,
        **said,
    }
    return evidence.seal(folder, statement, key)


def _entry(run: Run, step: str) -> Entry:
    entry = run.at.ledger.log.find(f"{run.ref}/{step}")
    if entry is None:
        raise IntegrityError(f"run {run.ref}: the log has no {step}, expected it before sealing")
    return entry
