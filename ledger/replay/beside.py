"""What lies beside the log, held against it: bundles, suppression list, adopted files, selectors.

A log that was cut is genuine up to its end; what was sealed or listed later shows that there was
more of it. A list or a folder that was emptied is no file that was altered; the log shows that
there was something in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ledger import adoptions, suppression
from ledger.chain import Entry, Verification
from ledger.errors import SealAltered
from ledger.evidence import COMPLETION, ERASURE, SIGNATURE, read_sealed
from ledger.keyring import Keyring
from ledger.lines import Lines
from ledger.log import Log
from ledger.replay import retained
from ledger.replay.purged import RECEIPTS, receipts
from ledger.replay.statements import ATTESTED, COMPLETED, SEALED
from unlearning.errors import LetheError

KEPT = {adoptions.POLICY: "policies", adoptions.PARAMS: "params"}
"""Folder of records/ in which adopted files are kept."""

LISTED = ("/suppressed", "suppression_brought")
"""Ends of the keys of entries that name the suppression list by its digest."""

STATING = ("submitted", "moved", "linked", "denied", "held", "resumed", "identity_confirmed")
"""Events that say a request's state."""

STATEMENTS = {SEALED: "", ATTESTED: ERASURE, COMPLETED: COMPLETION}
"""Steps that sealed a statement, and the folder of it in the run's bundle."""


def check_beside(
    lines: Lines, records: Path, ring: Keyring, *, head: str | None = None
) -> Verification:
    """Hold records/ and evidence/ against the log, which is genuine; no private key is needed.

    head: hash of an entry that somebody has seen.
    """
    log = Log.open(lines, ring)
    entries = log.entries()
    lists = retained.told(entries)
    problems = [
        *missing_head(entries, head),
        *_bundles(records.parent / "evidence", log, ring.with_keys(log.signers)),
        *_statements(records.parent / "evidence", entries),
        *_suppression(records, entries),
        *_adopted(records, entries),
        *_selectors(records / "sealed", entries),
        *_receipts(records / RECEIPTS, entries),
        *retained.objections(records, lists),
    ]
    return Verification(tuple(_looked_at(records, lists)), tuple(problems))


def _looked_at(records: Path, lists: retained.Told) -> Iterator[str]:
    yield "evidence, suppression list, adopted policies and params, selectors: against the log"
    if lists:
        yield f"lists of retained examples: {len(lists)}, against the log"
    if count := retained.untold(records, lists):
        yield f"lists of retained examples: {count} of before, of which the log has no digest"


def missing_head(entries: Iterable[Entry], head: str | None) -> Iterator[str]:
    """Say that the log lacks the entry that somebody has seen, by its hash."""
    if head is not None and head not in {entry.hash for entry in entries}:
        yield f"--head: the log has no entry {head}: it was cut or rewritten, or is another one"


def _bundles(evidence: Path, log: Log, ring: Keyring) -> Iterator[str]:
    """Heads that bundles hold and the log lacks."""
    known = {entry.hash for entry in log.entries()}
    for signature in sorted(evidence.glob(f"**/{SIGNATURE}")):
        sealed = read_sealed(signature.parent, ring)
        head = sealed.statement.get("log_head")
        if sealed.verification.ok and head not in known:
            name = signature.parent.relative_to(evidence)
            yield f"{log.name}: has no entry {head}, with which evidence/{name} ends: it was cut"


def _statements(evidence: Path, entries: Iterable[Entry]) -> Iterator[str]:
    """Statements that the log tells of and that are not there."""
    from unlearning.digests import sha256_file

    for entry in entries:
        run, _, step = entry.key.rpartition("/")
        if entry.event == "step" and step in STATEMENTS:
            path = evidence / run / STATEMENTS[step] / "statement.json"
            got = sha256_file(path) if path.is_file() else "no file"
            if got != entry.body.get("statement"):
                name = path.relative_to(evidence.parent)
                yield f"{name}: got {got[:16]}, entry {entry.seq} has sealed another: restore it"


def _suppression(records: Path, entries: Iterable[Entry]) -> Iterator[str]:
    """A list that is not the one that the log told of last."""
    told = [e for e in entries if e.key.endswith(LISTED) and e.body.get("sha256")]
    got = suppression.digest(records)
    if told and got != told[-1].body["sha256"] and not _listing(entries):
        yield (
            f"{suppression.FILE}: SHA-256 got {got[:16]}, entry {told[-1].seq} of the log tells of "
            f"{str(told[-1].body['sha256'])[:16]}: it was emptied or altered; restore it"
        )


def _listing(entries: Iterable[Entry]) -> bool:
    """Whether a run has decided and may have written the list, which the log tells of next."""
    keys = {entry.key for entry in entries}
    decided = {key.rpartition("/")[0] for key in keys if key.endswith("/decided")}
    return any(not keys & {f"{run}/suppressed", f"{run}/finished"} for run in decided)


def _adopted(records: Path, entries: Iterable[Entry]) -> Iterator[str]:
    for kind, folder in KEPT.items():
        for made in adoptions.adoptions(entries, kind):
            try:
                adoptions.kept(records / folder, made.sha256)
            except (SealAltered, LetheError) as problem:
                yield str(problem)


def _selectors(folder: Path, entries: Iterable[Entry]) -> Iterator[str]:
    """Open requests whose selector is not there: nobody could serve them any more."""
    states = {
        str(e.body["request"]): str(e.body["state"])
        for e in entries
        if e.event in STATING and "state" in e.body
    }
    rests = {
        e.body.get("part_of"): f"{e.body['request']}.rest" for e in entries if "rest" in e.body
    }
    for ref, state in states.items():
        name = rests.get(ref, f"{ref}.bin")
        if state not in ("complete", "denied") and not (folder / name).is_file():
            yield f"sealed/{name}: is missing, request {ref} is {state}: restore it"


def _receipts(folder: Path, entries: Iterable[Entry]) -> Iterator[str]:
    """Connectors' receipts that the log tells of and that are not there."""
    from unlearning.digests import sha256_file

    for run, name, told in receipts(entries):
        path = folder / run / name
        got = sha256_file(path) if path.is_file() else "no file"
        if got != told:
            yield f"{RECEIPTS}/{run}/{path.name}: got {got[:16]}, the log tells of {told[:16]}"
