"""Hand evidence and the log's head to the witnesses, where the workspace's owner cannot reach.

Before a release its evidence lies there, and after the erasure what was attested. What a witness
has it keeps, so this may be done again at any time, and brings it up to date.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ledger import checkpoint, durable, suppression
from ledger.backups import newest
from ledger.checkpoint import Checkpoint
from ledger.errors import OutsideWorkspace
from ledger.evidence import ERASURE, LATER, SIGNATURE
from ledger.keyring import Keyring
from ledger.keys import load_public_keys, load_signing_key
from ledger.replay.beside import STATEMENTS
from systems.settings.ownership import MARK, mark_place
from systems.settings.service import load_service
from systems.witness.places import Witness, witness_at
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.running.standing import suppressed
from unlearning.digests import sha256_hex
from unlearning.errors import IntegrityError, UsageError

EVIDENCE, CHECKPOINTS, SUPPRESSION = "evidence", "checkpoints", "suppression"
DRAWS = "draws/"
"""Where a witness's keeper puts what draws retrainings to be replayed."""

OWNER = "lethe-owner"
"""Object at a witness: the random name of the one workspace that it sees."""


def witness_run(run: Run) -> None:
    """Do so in a run, before its release."""
    bring_up_to_date(run.at)


def bring_up_to_date(at: Opened) -> list[dict[str, Any]]:
    """Give every witness what it lacks; say of each how much that was.

    InfrastructureError if one does not answer: nothing is released that it was to see before.
    """
    settings = load_service(at.ws.root).witness
    return [_bring(at, url, settings.days) for url in settings.at]


def _bring(at: Opened, url: str, days: int | None) -> dict[str, Any]:
    place = witness_at(url)
    until = utc_now() + timedelta(days=days) if days and place.locked() else None
    _require_own(at, url, place, until)
    known = frozenset(place.keys(f"{EVIDENCE}/"))
    given = sum(_give(at, place, part, until, known) for part in _sealed(at))
    given += _give_list(at, place, until)
    told = {"witness": checkpoint.name_of(url), "given": given, "locked": until is not None}
    if given:
        key = at.ledger.log.next_key(checkpoint.WITNESSED)
        at.ledger.record(checkpoint.WITNESSED, told, key=key, now=utc_now())
    _give_head(at, place, until)
    return told


def _sealed(at: Opened) -> Iterator[Path]:
    """Give the folder of every sealed statement; what is not sealed yet is nobody's to see."""
    for entry in at.ledger.log.entries():
        run, _, step = entry.key.rpartition("/")
        if entry.event == "step" and step in STATEMENTS:
            yield at.ws.evidence / run / STATEMENTS[step]


def _require_own(at: Opened, url: str, place: Witness, until: datetime | None) -> None:
    """Mark the witness as this workspace's; OutsideWorkspace if it is another's, or a copy asks."""
    mark = mark_place(at.ws)
    if "://" not in url and Path(url).resolve().is_relative_to(at.ws.root):
        raise UsageError("witness: lies in the workspace itself, expected a place of somebody else")
    try:
        place.give(OWNER, mark.name(at.ws).encode(), until)
    except IntegrityError as problem:
        raise OutsideWorkspace(_ANOTHERS if mark.here(at.ws) else _COPY) from problem


_ANOTHERS = (
    "witness: is another workspace's, expected one of this workspace's own: change witness.at in "
    "service.yaml"
)
_COPY = (
    "witness: this workspace was copied or restored, and its witness has seen the original; "
    "expected one that has seen none: change witness.at in service.yaml, or, if the original is "
    f"gone and this one goes on from its end, remove records/{MARK}"
)


def _give(
    at: Opened, place: Witness, part: Path, until: datetime | None, known: Container[str]
) -> int:
    """Give a statement's files, its signature last: where that lies, all lie.

    What lies there is held against ours by that signature.
    """
    last = part / SIGNATURE
    if _key(at, last) in known:
        return place.give(_key(at, last), durable.read(last), until)
    inner = {part / name for name in LATER}
    files = [p for p in sorted(part.rglob("*")) if p.is_file() and inner.isdisjoint(p.parents)]
    files.sort(key=lambda path: path.name == SIGNATURE)
    return sum(place.give(_key(at, path), durable.read(path), until) for path in files)


def _key(at: Opened, path: Path) -> str:
    return f"{EVIDENCE}/{path.relative_to(at.ws.evidence).as_posix()}"


def _give_list(at: Opened, place: Witness, until: datetime | None) -> bool:
    """Give the suppression list as the log tells of it: who restores a backup needs the newest."""
    told = suppressed(at.ledger.log.entries())
    path = at.ws.records / suppression.FILE
    if told is None or suppression.digest(at.ws.records) != told.body["sha256"]:
        return False  # an erasure is under way, and gives its own at its end
    content = newest.signed(newest.Kept(told.seq, durable.read(path)), load_signing_key(at.ws.keys))
    key = f"{SUPPRESSION}/{told.seq:012d}.json"
    return key not in set(place.keys(f"{SUPPRESSION}/")) and place.give(key, content, until)


def _give_head(at: Opened, place: Witness, until: datetime | None) -> None:
    head = checkpoint.of_log(at.ledger.log.entries())
    content = checkpoint.signed(head, load_signing_key(at.ws.keys))
    key = f"{CHECKPOINTS}/{head.entries:012d}.json"
    try:
        place.give(key, content, until)
    except IntegrityError:
        if not _given_before(at, place.read(key), head):
            raise


def _given_before(at: Opened, content: bytes, head: Checkpoint) -> bool:
    """Say whether a witness has the same head of a time when checkpoints had no root."""
    kept = checkpoint.checked(content, load_public_keys(at.ws.public_key))
    return not kept.root and kept == replace(head, root="")


def lists_of(url: str, ring: Keyring) -> list[newest.Kept]:
    """Read every suppression list that a witness has, oldest first; IntegrityError as in `seen`."""
    place = witness_at(url)
    return [newest.checked(place.read(key), ring) for key in place.keys(f"{SUPPRESSION}/")]


def erasing_runs(url: str) -> frozenset[str]:
    """Name the runs of which a witness has a statement that they erased."""
    parts = (key.split("/") for key in witness_at(url).keys(f"{EVIDENCE}/"))
    return frozenset(part[1] for part in parts if part[2:] == [ERASURE, SIGNATURE])


def seen(url: str, ring: Keyring) -> list[Checkpoint]:
    """Read every checkpoint that a witness has; IntegrityError for one that is not genuine."""
    place = witness_at(url)
    return [checkpoint.checked(place.read(key), ring) for key in place.keys(f"{CHECKPOINTS}/")]


def draws_of(url: str) -> dict[str, str]:
    """Give the keys of the draws that a witness's keeper has asked for, by their names."""
    place = witness_at(url)
    return {name: sha256_hex(place.read(name)) for name in place.keys(DRAWS)}
