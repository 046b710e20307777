"""Which policy and which params are in force: each change of either is an entry of the signed log.

The entry holds the SHA-256 of the file's bytes, so that its signature is one over the file. The
bytes are kept beside the log under that digest, and an old run can be judged by them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ledger import durable
from ledger.chain import Entry
from ledger.errors import SealAltered
from ledger.requests import Ledger
from unlearning.digests import sha256_hex

POLICY, PARAMS = "policy", "params"
"""What is adopted: the ladder and the limits, and every other number."""

ADOPTED = "policy_adopted"
BEGUN = "begun"
"""The step of a run whose entry names the policy that the run goes by."""


@dataclass(frozen=True)
class Adoption:
    """A file was put into force. at: ISO 8601, UTC. seq, entry: place and hash in the log."""

    sha256: str
    at: str
    reason: str
    seq: int
    entry: str


def adoptions(entries: Iterable[Entry], kind: str = POLICY) -> list[Adoption]:
    """Every adoption of a kind in the order of the log."""
    return [
        Adoption(str(e.body.get("sha256")), e.at, str(e.body.get("reason")), e.seq, e.hash)
        for e in entries
        if e.event == f"{kind}_adopted"
    ]


def in_force(
    entries: Sequence[Entry], kind: str = POLICY, *, before: int | None = None
) -> Adoption | None:
    """The adoption that held at the end of the log, or just before the entry with this seq."""
    found = [made for made in adoptions(entries, kind) if before is None or made.seq < before]
    return found[-1] if found else None


def adopt(
    ledger: Ledger, folder: Path, content: bytes, kind: str = POLICY, *, reason: str, now: datetime
) -> Adoption | None:
    """Keep a file in `folder` and put it into force; None if it is in force already.

    reason: goes into the log, so it must not identify a person.
    """
    digest, made = sha256_hex(content), adoptions(ledger.log.entries(), kind)
    # (1) Keep before the log: a crash between the two leaves bytes that no entry names.
    durable.make_folder(folder)
    durable.clear_unfinished(folder)
    durable.write(kept_at(folder, digest), content)
    # (2) From the entry on it is in force. The key counts: an older file may come back.
    if made and made[-1].sha256 == digest:
        return None
    body = {"sha256": digest, "reason": reason}
    ledger.record(f"{kind}_adopted", body, key=f"{kind}/{len(made) + 1}", now=now)
    return in_force(ledger.log.entries(), kind)


def kept_at(folder: Path, digest: str) -> Path:
    """Where the adopted file with this digest is kept."""
    return folder / f"{digest}.yaml"


def kept(folder: Path, digest: str) -> Path:
    """An adopted file; SealAltered unless its bytes are those that were adopted."""
    path = kept_at(folder, digest)
    got = sha256_hex(path.read_bytes()) if path.is_file() else "no file"
    if got != digest:
        raise SealAltered(
            f"{durable.short_name(path)}: SHA-256 got {got[:16]}, expected {digest[:16]}: "
            "restore the adopted file from a copy"
        )
    return path


def objections(statement: Mapping[str, Any], entries: Sequence[Entry]) -> Iterator[str]:
    """Why the log does not show that a run went by the policy and params in force when it began.

    entries: the log up to the decision, in order. Nothing comes if the log shows it.
    """
    run = statement.get("run")
    begun = next((e for e in entries if e.key == f"{run}/{BEGUN}"), None)
    if begun is None:
        yield f"policy: no entry tells that {run} began, expected {run}/{BEGUN}"
        return
    for kind in (POLICY, PARAMS):
        yield from _of_kind(kind, statement, begun, entries)


def _of_kind(
    kind: str, statement: Mapping[str, Any], begun: Entry, entries: Sequence[Entry]
) -> Iterator[str]:
    said, held = statement.get(f"{kind}_sha256"), in_force(entries, kind, before=begun.seq)
    if begun.body.get(kind) != said:
        yield f"{kind}: the run began with {_short(begun.body.get(kind))}, {_said(said)}"
    if held is None or held.sha256 != said:
        yield f"{kind}: {_held(held, begun)}, {_said(said)}{_later(entries, kind, begun, said)}"
    elif statement.get(f"{kind}_adopted") != as_stated(held):
        yield f"{kind}_adopted: is not what entry {held.seq} of the log says"


def as_stated(adoption: Adoption) -> dict[str, Any]:
    """An adoption as a statement names it."""
    return {
        "at": adoption.at,
        "reason": adoption.reason,
        "seq": adoption.seq,
        "entry": adoption.entry,
    }


def _held(held: Adoption | None, begun: Entry) -> str:
    found = "none" if held is None else _short(held.sha256)
    return f"{found} was in force when the run began with entry {begun.seq}"


def _said(digest: object) -> str:
    return f"the statement says {_short(digest)}"


def _later(entries: Sequence[Entry], kind: str, begun: Entry, said: object) -> str:
    later = [a.seq for a in adoptions(entries, kind) if a.sha256 == said and a.seq > begun.seq]
    return f", which entry {later[0]} adopted only later" if later else ""


def _short(digest: object) -> str:
    return str(digest)[:16]
